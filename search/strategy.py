"""Strategy: a named, complete configuration of operators, archives and selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .racing import Race

__all__ = ["CROSSINGS", "PROMPT_OPERATORS", "RACE_LEVEL", "Strategy", "strategies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What the search does with a task. A run's strategy stands whole in its `run.toml`.

    Attributes:
        name: What `--strategy` calls it.
        operators: Weight of each operator by name, positive. Those that need what the run has not (a model, prompts) are left out.
        islands: Number of islands, at least 1.
        archive_size: Members of each island.
        tournament: How many members a parent is the best of.
        migrate_every: Told results between two migrations along the ring of islands; 0 for none.
        train_batch: Train examples that each candidate also runs on, so that operators have something to see; 0 for none.
        attempts: How many tries a variation has, when what it wrote is known already or fails check.
        finalists: How many of the best go to the confirm split.
        race_level: The chance with which the race of a child against its parent promotes one that is no better; 0 holds no races, and every
            candidate is evaluated on all of val.
        bandit: Whether operators are drawn by what their children gained for what they cost; else by weight alone.
        bandit_floor: Of the draws, the share that follows the weights all the same, in [0, 1].
        bandit_memory: Told candidates after which what an operator's children gained counts 1/e of what it did.
        novelty: Whether a program is compared with known ones before it is evaluated: a renamed copy is a duplicate, and so is one that is
            near a known one and answers the first examples of its race alike.
        near: From which similarity on programs are near in that sense, in [0, 1].
        too_near: From which similarity on a proposer is asked once more, to change more.
    """

    name: str
    operators: Mapping[str, float]
    islands: int = 4
    archive_size: int = 12
    tournament: int = 3
    migrate_every: int = 100
    train_batch: int = 0
    attempts: int = 8
    finalists: int = 4
    race_level: float = 0.0
    bandit: bool = False
    bandit_floor: float = 0.25
    bandit_memory: float = 500.0
    novelty: bool = False
    near: float = 0.9
    too_near: float = 0.98

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


def strategies() -> Mapping[str, Strategy]:
    """The strategies that come with Graftwork, by name.

    `no-model` is genetic programming on the component tree; `model` lets a proposer write most children; `auto` is the one of the two
    that the run's endpoints allow.
    """
    no_model = Strategy(name="no-model", operators=_VARIATIONS, race_level=RACE_LEVEL)
    model = Strategy(
        name="model",
        operators={**_REWRITERS, "swap_component": 1.0, "merge": 0.5, "transplant": 0.25, "perturb": 0.5},
        islands=2,
        archive_size=8,
        migrate_every=20,
        train_batch=3,
        attempts=2,
        race_level=RACE_LEVEL,
    )
    return {"no-model": no_model, "model": model}
