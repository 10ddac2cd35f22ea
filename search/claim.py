"""Claim: the one statement that a run makes of its champion, with what belongs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graftwork.evaluators.evaluation import Evaluation

from .comparison import MeanInterval, PairedDifference
from .seed_control import SeedControl
from .winners_curse import winners_curse

__all__ = ["Claim", "corrected_level", "optimism_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a run says of its champion beside its scores by split.

    Attributes:
        split: Where the champion's score is from: `test`, or the strictest split that was measured.
        score: Its mean there.
        n_compared: How many finalists were compared with the seed.
        confirm: Champion less seed on confirm, where the champion was chosen there: its interval is so much wider that with a chance of
            95 % the intervals of all finalists hold at once (Bonferroni). On test nothing was chosen, and nothing is corrected.
        optimism: By split that chose, by how much the best of the finalists looks better there than it is, as expected.
        control: The champion beside best-of-n of the seed at the cost of the search.
        without: Why there is no such control; empty where there is one.
    """

    split: str
    score: MeanInterval | None
    n_compared: int
    confirm: PairedDifference | None = None
    optimism: Mapping[str, float] = field(default_factory=dict)
    control: SeedControl | None = None
    without: str = ""


def corrected_level(n_compared: int) -> float:
    """The level of each of some intervals with which all hold at once with a chance of at least 95 %."""
    return 1 - 0.05 / max(1, n_compared)


def optimism_of(choices: Mapping[str, Sequence[Evaluation]], *, seed: int) -> dict[str, float]:
    """By how much the best of some looks better than it is, on each of some splits.

    Args:
        choices: By split, the evaluations among which the best was taken there; of different lengths, their common beginning counts.
        seed: Seed of what is drawn.
    """
    found: dict[str, float] = {}
    for split, evaluations in choices.items():
        shortest = min((len(evaluation.values) for evaluation in evaluations), default=0)
        expected = winners_curse([evaluation.values[:shortest] for evaluation in evaluations], seed=seed)
        if expected is not None:
            found[split] = expected
    return found
