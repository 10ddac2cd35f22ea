"""Comparison: two evaluations on the same examples, as a paired difference with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graftwork.evaluators.evaluation import Evaluation

__all__ = ["PairedDifference", "difference_of", "paired_difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Mean of first minus second over the examples on which both count.

    Attributes:
        mean: In the task's unit; positive when the first is better.
        lo: Lower end of the 95 % interval.
        hi: Upper end.
        n: Pairs that count.
        dropped: Pairs left out because one side could not be judged.
    """

    mean: float
    lo: float
    hi: float
    n: int
    dropped: int


def paired_difference(first: Evaluation, second: Evaluation, *, seed: int, n_resamples: int = 10_000) -> PairedDifference | None:
    """The paired difference with a plain percentile bootstrap interval (Efron 1979) over examples.

    The interval is honest for examples drawn alike and is narrow-minded for few: with under about 20 pairs it covers less than it says.

    Args:
        first: Evaluation on some examples.
        second: Evaluation on the same examples, in the same order.
        seed: Seed of the resampling.
        n_resamples: Bootstrap samples.

    Returns:
        None when no pair counts.
    """
    return difference_of(first.values, second.values, seed=seed, n_resamples=n_resamples)


def difference_of(
    first: Sequence[float | None], second: Sequence[float | None], *, seed: int, n_resamples: int = 10_000
) -> PairedDifference | None:
    """The paired difference of values that stand in the same order; see `paired_difference`."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    differences = np.array([a - b for a, b in pairs])
    rng = np.random.default_rng(seed)
    means = differences[rng.integers(0, len(pairs), size=(n_resamples, len(pairs)))].mean(axis=1)
    lo, hi = np.quantile(means, [0.025, 0.975])
    return PairedDifference(mean=float(differences.mean()), lo=float(lo), hi=float(hi), n=len(pairs), dropped=len(first) - len(pairs))
