"""Strategy: a named, complete configuration of operators, archives and selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from .racing import Race

__all__ = ["BEST_OF_N", "CROSSINGS", "PROMPT_OPERATORS", "RACE_LEVEL", "RANDOM", "Strategy", "sampling", "strategies"]

RANDOM: Final = "random"
BEST_OF_N: Final = "best-of-n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What the search does with a task. A run's strategy stands whole in its `run.toml`.

    Attributes:
        name: What `--strategy` calls it.
        operators: Weight of each operator by name, positive. Those that need what the run has not (a model, prompts) are left out.
        islands: Number of islands, at least 1.
        archive: What each island keeps its members in, of `ARCHIVES`.
        archive_size: Members of each island; of a grid, cells; of signatures, clusters.
        selection: What members are ordered by: `mean`, or `estimate`, by what is sure of it.
        tournament: How many members a parent is the best of, in a `top-k` archive.
        dimensions: Dimensions of a grid, of `DIMENSIONS`.
        objectives: What a front over objectives is of, of `OBJECTIVES`.
        cluster_size: Members of a cluster of signatures.
        temperature: The highest at which such a cluster is drawn, in shares of the spread of their scores.
        migrate_every: Told results between two migrations along the ring of islands; 0 for none.
        reset_every: Told results between two resets of the worse half of the islands; 0 for none.
        spawn_after: Told results without a better best after which an island is opened; 0 for none.
        max_islands: Islands that there may be by then.
        train_batch: Train examples that each candidate also runs on, so that operators have something to see; 0 for none.
        attempts: How many tries a variation has, when what it wrote is known already or fails check.
        passing: Whether a brief goes to another operator, drawn by weight, where its own finds nothing in the parents to change.
        finalists: How many of the best go to the confirm split.
        race_level: The chance with which the race of a child against its parent promotes one that is no better; 0 holds no races, and every
            candidate is evaluated on all of val.
        bandit: Whether operators are drawn by what their children gained for what they cost; else by weight alone.
        bandit_floor: Of the draws, the share that follows the weights all the same, in [0, 1].
        bandit_memory: Told candidates after which what an operator's children gained counts 1/e of what it did.
        from_seed: Whether the seed is every child's parent, so that nothing is built on what was found.
        novelty: Whether a program is compared with known ones before it is evaluated: a renamed copy is a duplicate, and so is one that is
            near a known one and answers the first examples of its race alike.
        near: From which similarity on programs are near in that sense, in [0, 1].
        too_near: From which similarity on a proposer is asked once more, to change more.
    """

    name: str
    operators: Mapping[str, float]
    islands: int = 4
    archive: str = "top-k"
    archive_size: int = 12
    selection: Literal["mean", "estimate"] = "mean"
    tournament: int = 3
    dimensions: tuple[str, ...] = ("calls", "components", "size", "failures")
    objectives: tuple[str, ...] = ("score", "usd", "n_chars")
    cluster_size: int = 4
    temperature: float = 0.1
    migrate_every: int = 100
    reset_every: int = 0
    spawn_after: int = 0
    max_islands: int = 8
    train_batch: int = 0
    attempts: int = 8
    passing: bool = False
    finalists: int = 4
    race_level: float = 0.0
    bandit: bool = False
    bandit_floor: float = 0.25
    bandit_memory: float = 500.0
    novelty: bool = False
    near: float = 0.9
    too_near: float = 0.98
    from_seed: bool = False

    def __post_init__(self) -> None:
        """Make tuples of what TOML gives back as lists."""
        object.__setattr__(self, "dimensions", tuple(self.dimensions))
        object.__setattr__(self, "objectives", tuple(self.objectives))

    @property
    def race(self) -> Race | None:
        """The race that children are held to; None where there is none."""
        return Race(level=self.race_level) if self.race_level else None


RACE_LEVEL: Final = 0.05
"""Of the built-in strategies, for each comparison of a child with its parent."""


_VARIATIONS = {
    "perturb": 2.0,
    "swap_operator": 1.0,
    "graft_expression": 2.0,
    "grow": 3.0,
    "statement": 1.0,
    "swap_component": 0.5,
    # Rarely: two parents of such a search often differ in one component only, where these find nothing to do.
    "merge": 0.25,
    "transplant": 0.25,
}
CROSSINGS: Final = frozenset(("merge", "transplant"))
"""What crosses whole structures; left out where the seed has one component that may change."""

# First replies of a 1.5B model that gave a new valid program: component 5 of 5, edit 0 of 6, whole program 1 of 7, blend 0 of 1.
_REWRITERS = {"rewrite_component": 4.0, "diff_edit": 1.5, "rewrite_program": 0.75, "blend": 0.75}

PROMPT_OPERATORS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "bootstrap_demos": 1.5,
        "reorder_demos": 0.1,
        "resample_demos": 0.2,
        "decoding": 0.1,
        "change_model": 0.1,
        "change_bound": 0.1,
        "verify": 0.2,
        "refine_loop": 0.1,
        "vote": 0.2,
        "retry": 0.1,
        "split_prompt": 0.15,
        "add_tool": 0.15,
        "bypass": 0.4,
        "unwrap": 0.2,
        "fuse_prompts": 0.15,
        "remove_tool": 0.15,
    }
)
"""What a program with prompts is varied by besides, with a proposer or without.

Text first, structure later: about four fifths of what MASS gained came from the text of prompts (Zhou et al., arXiv 2502.02533), so the
moves of structure are about a fifth of what is done where a proposer writes. Those that make a program larger (0.9 together) and those
that make it smaller (0.9) weigh the same, so that structure does not grow for its own sake.
"""


_OF_TWO: Final = frozenset(("graft_expression", "swap_component", "blend")) | CROSSINGS
"""Operators that need two parents."""


def strategies() -> Mapping[str, Strategy]:
    """The strategies that come with Graftwork, by name.

    `no-model` is genetic programming on the component tree; `model` lets a proposer write most children; `auto` is the one of the two
    that the run's endpoints allow. The others are controls: `random` samples children of the seed, with the operators of `auto`, and builds
    on none of them; `best-of-n` asks the seed itself several times and takes a vote.
    """
    no_model = Strategy(name="no-model", operators=_VARIATIONS, race_level=RACE_LEVEL, selection="estimate", bandit=True, novelty=True)
    model = Strategy(
        name="model",
        operators={**_REWRITERS, "swap_component": 1.0, "merge": 0.5, "transplant": 0.25, "perturb": 0.5},
        islands=2,
        archive_size=8,
        migrate_every=20,
        train_batch=3,
        attempts=2,
        passing=True,
        race_level=RACE_LEVEL,
        selection="estimate",
        bandit=True,
        novelty=True,
    )
    best_of_n = Strategy(name=BEST_OF_N, operators={"seed_vote": 1.0}, islands=1, migrate_every=0, attempts=1, from_seed=True)
    return {"no-model": no_model, "model": model, RANDOM: sampling(no_model), BEST_OF_N: best_of_n}


def sampling(strategy: Strategy) -> Strategy:
    """The control that draws children of the seed with a strategy's operators: one generation, each independent of the others."""
    operators = {name: weight for name, weight in strategy.operators.items() if name not in _OF_TWO}
    return replace(strategy, name=RANDOM, operators=operators, islands=1, migrate_every=0, from_seed=True, bandit=False)
