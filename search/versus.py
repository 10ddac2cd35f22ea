"""Versus: two candidates side by side on the examples that both were scored on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graftwork.evaluators.evaluation import mean_of

from .comparison import PairedDifference, difference_of

__all__ = ["Flip", "Versus", "versus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An example on which two candidates count differently.

    Attributes:
        example_id: The example's id.
        a: What the first counts there, the mean over its repeats.
        b: What the second counts there.
    """

    example_id: str
    a: float
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Two candidates on the same examples.

    Attributes:
        a: Mean of the first over the pairs that count.
        b: Mean of the second over them.
        wins: Examples on which the second counts more.
        losses: Examples on which it counts less.
        ties: Examples on which both count the same.
        dropped: Examples left out because one side could not be judged.
        difference: The second less the first, with its interval; None where no pair counts.
        flips: The examples that differ, those that differ most first.
    """

    a: float | None
    b: float | None
    wins: int
    losses: int
    ties: int
    dropped: int
    difference: PairedDifference | None
    flips: tuple[Flip, ...]


def versus(a: Mapping[str, float | None], b: Mapping[str, float | None], *, seed: int) -> Versus:
    """Compare what two candidates count by example id, on the examples that both have.

    Args:
        a: The first's values.
        b: The second's values.
        seed: Seed of the interval's resampling.
    """
    both = sorted(a.keys() & b.keys())
    pairs = [Flip(example_id=name, a=one, b=two) for name in both if (one := a[name]) is not None and (two := b[name]) is not None]
    flips = sorted((pair for pair in pairs if pair.a != pair.b), key=lambda pair: (-abs(pair.b - pair.a), pair.example_id))
    wins = sum(pair.b > pair.a for pair in flips)
    return Versus(
        a=mean_of(pair.a for pair in pairs),
        b=mean_of(pair.b for pair in pairs),
        wins=wins,
        losses=len(flips) - wins,
        ties=len(pairs) - len(flips),
        dropped=len(both) - len(pairs),
        difference=difference_of([b[name] for name in both], [a[name] for name in both], seed=seed),
        flips=tuple(flips),
    )
