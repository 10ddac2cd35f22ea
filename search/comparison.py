"""Comparison: a mean, and the difference of two evaluations on the same examples, each with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftwork.evaluators.evaluation import Evaluation

__all__ = ["MeanInterval", "PairedDifference", "difference_of", "mean_interval", "paired_difference"]

_RESAMPLES: Final = 10_000
_IMAGINED: Final = 0.5  # Gaffke's 1 covers 96 to 100 % where 95 are asked; see docs/intervals.md
_AT_ONCE: Final = 2_000_000  # random numbers that are held at a time, 16 MB
_ROUNDING: Final = 1e-12  # sums of the same values in another order differ by as much, relative to the values


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInterval:
    """A mean over the examples that count.

    Attributes:
        mean: In the task's unit.
        lo: Lower end of the 95 % interval.
        hi: Upper end.
        n: Examples that count.
        dropped: Examples that could not be judged.
    """

    mean: float
    lo: float
    hi: float
    n: int
    dropped: int


def paired_difference(
    first: Evaluation, second: Evaluation, *, seed: int, n_resamples: int = _RESAMPLES, level: float = 0.95
) -> PairedDifference | None:
    """The paired difference of two evaluations, with an interval that also holds for few examples and for skewed differences.

    One evaluation compared with itself (the very same object) differs by nothing, surely.

    Args:
        first: Evaluation on some examples.
        second: Evaluation on the same examples, in the same order.
        seed: Seed of the resampling.
        n_resamples: Random weightings of the examples.
        level: Of the interval. One that was chosen as the best of k on these very examples needs 1 - 0.05 / k for 95 %.

    Returns:
        None when no pair counts.
    """
    return difference_of(first.values, second.values, seed=seed, n_resamples=n_resamples, level=level)


def difference_of(
    first: Sequence[float | None], second: Sequence[float | None], *, seed: int, n_resamples: int = _RESAMPLES, level: float = 0.95
) -> PairedDifference | None:
    """The paired difference of values that stand in the same order; see `paired_difference`.

    The interval follows Gaffke (Mathematical Methods of Statistics 14, 2005; compared with others by Phan, Thomas and Learned-Miller, arXiv
    2106.03163): the mean under random weights of the examples, as in the Bayesian bootstrap, with one imagined example more at the end of
    what is possible. We depart from it twice. The end is a difference as large as the largest seen, either way, for the declared range is
    often far wider than scores are; where all differences are equal, it is as far as scores reach. And the imagined example weighs a half,
    as in Jeffreys' interval of a proportion, where with Gaffke's 1 it would be that of Clopper and Pearson.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    scores = np.array(pairs, dtype=float)
    differences = scores[:, 0] - scores[:, 1]
    end = 0.0 if first is second else float(np.abs(differences).max())
    if first is not second and np.ptp(differences) <= _ROUNDING * end:
        end = max(end, float(np.ptp(scores)))
    lo, hi = _ends(differences, (0.0 - end, end), rng=np.random.default_rng(seed), n_resamples=n_resamples, level=level)
    return PairedDifference(mean=float(differences.mean()), lo=lo, hi=hi, n=len(pairs), dropped=len(first) - len(pairs))


def mean_interval(
    values: Sequence[float | None],
    score_range: tuple[float, float],
    *,
    seen: Sequence[float | None] = (),
    seed: int,
    n_resamples: int = _RESAMPLES,
    level: float = 0.95,
) -> MeanInterval | None:
    """The mean of a program's values with its interval, by the method of `difference_of`.

    The imagined example lies as far from the mean as the farthest seen, but within the score range; where all that was seen is equal, at
    the ends of the range. A rare failure that is in none of the values makes an interval that is too narrow; `seen` may have it.

    Args:
        values: By example, in the task's unit; None where nobody could judge.
        score_range: Lowest and highest score.
        seen: Other scores on the task, of this program or one like it, that say how far scores reach.
        seed: Seed of the resampling.
        n_resamples: Random weightings of the examples.
        level: Of the interval.

    Returns:
        None when no value counts.
    """
    counting = np.array([value for value in values if value is not None], dtype=float)
    if not len(counting):
        return None
    mean = float(counting.mean())
    everything = np.concatenate([counting, [value for value in seen if value is not None]])
    reach = float(np.abs(everything - mean).max())
    alike = np.ptp(everything) <= _ROUNDING * abs(mean)
    bounds = score_range if alike else (max(score_range[0], mean - reach), min(score_range[1], mean + reach))
    lo, hi = _ends(counting, bounds, rng=np.random.default_rng(seed), n_resamples=n_resamples, level=level)
    return MeanInterval(mean=mean, lo=lo, hi=hi, n=len(counting), dropped=len(values) - len(counting))


def _ends(
    values: NDArray[np.float64], bounds: tuple[float, float], *, rng: np.random.Generator, n_resamples: int, level: float
) -> tuple[float, float]:
    """The interval of the mean of values within bounds. Equal values share a weight, drawn from the gamma distribution of their number."""
    distinct, counts = np.unique(values, return_counts=True)
    shapes = np.append(counts, _IMAGINED)
    lows, highs = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    for done in range(0, n_resamples, at_once := max(1, _AT_ONCE // len(shapes))):
        weights = rng.standard_gamma(shapes, size=(min(at_once, n_resamples - done), len(shapes)))
        weights /= weights.sum(axis=1, keepdims=True)
        inside, beyond = weights[:, :-1] @ distinct, weights[:, -1]
        lows.append(inside + beyond * bounds[0])
        highs.append(inside + beyond * bounds[1])
    tail = (1 - level) / 2
    ends = np.quantile(np.concatenate(lows), tail), np.quantile(np.concatenate(highs), 1 - tail)
    return max(bounds[0], float(ends[0])), min(bounds[1], float(ends[1]))  # weights sum to 1 but for rounding
