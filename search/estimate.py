"""Estimate: what a program's scores on some examples say of its mean over all of them, and how surely.

Programs are scored on prefixes of one order of examples, of different lengths. A mean over a prefix of easy examples flatters; the scores
of the seed, which is scored on all of them, say how easy a prefix is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its uncertainty.

    Attributes:
        mean: In the task's unit.
        error: Its standard error, in that unit; infinite where no example counts.
        n: Examples that count.
        seed: The seed's mean over all examples.
    """

    mean: float
    error: float
    n: int
    seed: float

    @property
    def cautious(self) -> float:
        """The mean, where it is above the seed's shrunk towards that the more, the less sure it is: what archives order members by.

        The gain is weighed by gain² / (gain² + error²), its variance among programs being guessed from the gain itself (empirical Bayes;
        Efron and Morris, JASA 1973, for one mean). So a gain that is not significant still counts as one, while of two like it the surer
        is ahead: a lower bound would wait for significance, and a mean would prefer those that were seen least.
        """
        gain = self.mean - self.seed
        if gain <= 0:
            return self.mean
        return min(self.mean, self.seed + gain / (1.0 + (self.error / gain) ** 2))  # but for rounding it is below the mean


def estimate(values: Sequence[float | None], baseline: Sequence[float | None], *, lo: float) -> Estimate:
    """The regression estimate of a mean (Cochran, Sampling Techniques, 1977, chapter 7), with the baseline as the known covariate.

    The slope is kept within [0, 1]: 0 is the plain mean, 1 the baseline's mean plus the mean difference to it. The variance about the line
    is that of the examples and of one imagined that lies as far off as scores of the two do on the whole: a few examples that happen to lie
    on a line, such as five answers that are all right, make nobody sure.

    Args:
        values: The program's values on the first examples, in their order; None where nothing counts.
        baseline: The seed's values on all of them.
        lo: What stands where nothing counts.
    """
    pairs = [(y, x) for y, x in zip(values, baseline, strict=False) if y is not None and x is not None]
    known = [x for x in baseline if x is not None]
    n, seed = len(pairs), sum(known) / len(known) if known else lo
    if not n:
        return Estimate(mean=lo, error=math.inf, n=0, seed=seed)
    mean, mean_x = (sum(column) / n for column in zip(*pairs, strict=True))
    spread_x = sum((x - mean_x) ** 2 for _, x in pairs)
    slope = sum((y - mean) * (x - mean_x) for y, x in pairs) / spread_x if spread_x > 0 else 0.0
    slope = min(1.0, max(0.0, slope))
    residual = sum((y - mean - slope * (x - mean_x)) ** 2 for y, x in pairs)
    n_free = n - (spread_x > 0)  # less the mean and the slope, and one imagined
    error = math.sqrt((residual + _variance([*(y for y, _ in pairs), *known])) / n_free / n)
    return Estimate(mean=mean - slope * (mean_x - seed), error=error, n=n, seed=seed)


def _variance(values: Sequence[float]) -> float:
    centre = sum(values) / len(values)
    return sum((value - centre) ** 2 for value in values) / len(values)
