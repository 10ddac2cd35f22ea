"""Racing: a child against its parent on the same examples, in growing batches, until an anytime-valid paired test or futility ends it.

The test bets. A capital of 1 is staked on the child being better: after each example it is multiplied by 1 + bet x difference, where the
difference (child less parent, as a share of the width of the score range) lies in [-1, 1] and the bet in [0, 3/4] follows from earlier
examples alone. For a child that is no better the capital is a non-negative supermartingale however the bets are chosen, so that it ever
reaches 1 / level with a probability of at most `level` (Ville): whenever one looks, and whatever ends the race. See Waudby-Smith and
Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024), arXiv 2010.09686. The bets are ours: gain of
interest by mean square, the bet at which the logarithm of the capital grows fastest for a child that is better by just that, and half
of it; the capital is the mean of the two. Where the examples are too few for a child with that gain to be promoted, the bets are of the
smallest gain that could be.

Dropping cannot make a false claim, so it needs no proof. It has two rules: the mirrored capital, staked on the child's gain being below
the gain of interest; and whether a child as good as it may still be would be likely to be promoted by the end.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from graftwork.programs.errors import ConfigError, TaskError

__all__ = ["Race", "Standing", "Verdict", "shares"]

Verdict = Literal["promoted", "dropped", "undecided"]

_MOST_BET: Final = 0.75  # no example takes more of the capital: the larger of the two truncations of Waudby-Smith and Ramdas
_PRIOR_N: Final = 20  # examples that the guess of the mean square below weighs
_PRIOR_SQUARE: Final = 0.2  # right and wrong answers that change on a fifth of the examples
_LIKELY_Z: Final = 1.0  # what is beyond one standard deviation is not likely
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a race stands: all that is kept of the differences so far. Equal for equal differences, in however many batches they came.

    Attributes:
        n: Examples seen, those that could not be judged included.
        unjudged: Examples left out, because one side could not be judged.
        total: Sum of the differences.
        squares: Sum of their squares.
        cautious: Capital at half bets.
        bold: Capital at whole bets.
        against: Capital of the mirrored bets, at whole bets.
    """

    n: int = 0
    unjudged: int = 0
    total: float = 0.0
    squares: float = 0.0
    cautious: float = 1.0
    bold: float = 1.0
    against: float = 1.0

    @property
    def n_judged(self) -> int:
        """Pairs that count."""
        return self.n - self.unjudged

    @property
    def capital(self) -> float:
        """What the stakes on the child have come to."""
        return (self.cautious + self.bold) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Rules of a race. The defaults are for 300 examples; `docs/racing.md` has what they reach.

    Attributes:
        level: Chance, at most, that a child is promoted that is no better than its parent, 0 to 1 exclusive.
        smallest_gain: Gain of interest, as a share of the width of the score range, 0 to 1 exclusive: children with less need not be found.
        missed: Chance, at most, that the mirrored capital drops a child with that gain, 0 to 1 exclusive.
        first: Examples of the smallest batch, at least 1.
        growth: Later batches are this share of the examples seen, where that is more; 0 or more.
        at_most: Examples of a race, at least 1; `within` fits it to the examples there are.
    """

    level: float = 0.05
    smallest_gain: float = 0.1
    missed: float = 0.215
    first: int = 6
    growth: float = 0.07
    at_most: int = 300

    def __post_init__(self) -> None:
        """Refuse what is out of range.

        Raises:
            ConfigError: One line that names the setting.
        """
        for name in ("level", "smallest_gain", "missed"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"a race's {name} must lie between 0 and 1, not be {getattr(self, name)!r}")
        if self.first < 1 or self.at_most < 1 or not 0 <= self.growth < math.inf:
            raise ConfigError(
                "a race needs first and at_most of 1 or more and growth of 0 or more, "
                f"not first = {self.first!r}, at_most = {self.at_most!r}, growth = {self.growth!r}"
            )

    def within(self, n: int) -> Race:
        """The same race, over no more than the `n` examples that there are. Bets depend on it: it is one and the same all through a run."""
        return self if n >= self.at_most else replace(self, at_most=n)

    def extend(self, standing: Standing, differences: Iterable[float | None]) -> Standing:
        """The standing after a further batch.

        Args:
            standing: Where the race stands; `Standing()` at its start.
            differences: Child less parent by example, in the order of the run's permutation, in [-1, 1]; None where one side could not be
                judged. `shares` makes them.

        Raises:
            ValueError: If a difference is not in [-1, 1]: the level would not hold.
        """
        n, unjudged, total, squares = standing.n, standing.unjudged, standing.total, standing.squares
        cautious, bold, against = standing.cautious, standing.bold, standing.against
        for difference in differences:
            n += 1
            if difference is None:
                unjudged += 1
                continue
            if not -1 <= difference <= 1:
                raise ValueError(f"a race needs differences in [-1, 1], as shares of the width of the score range, not {difference!r}")
            square = _mean_square(squares, n - 1 - unjudged)  # the bets are of what came before this example
            bet = self._gain(square) / square
            cautious *= 1 + min(bet / 2, _MOST_BET) * difference
            bold *= 1 + min(bet, _MOST_BET) * difference
            against *= 1 + min(self.smallest_gain / square, _MOST_BET) * (self.smallest_gain - difference)
            total, squares = total + difference, squares + difference * difference
        return Standing(n=n, unjudged=unjudged, total=total, squares=squares, cautious=cautious, bold=bold, against=against)

    def verdict(self, standing: Standing) -> Verdict:
        """What the race says at the end of a batch.

        Returns:
            `undecided` also when no example is left: neither was shown.
        """
        if standing.capital >= 1 / self.level:
            return "promoted"
        if standing.against >= 1 / self.missed:
            return "dropped"
        return "undecided" if standing.n >= self.at_most or self._may_be_promoted(standing) else "dropped"

    def next_batch(self, standing: Standing) -> int:
        """How many examples come next; 0 where the race is over."""
        if self.verdict(standing) != "undecided":
            return 0
        return min(max(self.first, int(self.growth * standing.n)), self.at_most - standing.n)

    def _gain(self, square: float) -> float:
        """The gain that is betted on: at its bets the logarithm of the capital grows by gain² / (2 x mean square) an example."""
        return max(self.smallest_gain, math.sqrt(-2 * math.log(self.level) * square / self.at_most))

    def _may_be_promoted(self, standing: Standing) -> bool:
        """Whether promotion by the end is likely: for a child as good as its differences allow, and with the gain betted on at least."""
        n, left = standing.n_judged, self.at_most - standing.n
        if not n:
            return True
        square = _mean_square(standing.squares, n)
        gain = max(self._gain(square), standing.total / n + _LIKELY_Z * math.sqrt(square / n))
        bet = min(self._gain(square) / square, _MOST_BET)
        capital = max(standing.capital, sys.float_info.min)
        grown = left * (bet * gain - bet * bet * square / 2) + _LIKELY_Z * bet * math.sqrt(left * square)
        return math.log(capital) + grown >= -math.log(self.level)


def shares(child: Sequence[float | None], parent: Sequence[float | None], score_range: tuple[float, float]) -> tuple[float | None, ...]:
    """Differences for a race: child less parent on the same examples, as shares of the width of the score range.

    Args:
        child: Values by example, in the task's unit; None where nobody could judge.
        parent: Values on the same examples, in the same order.
        score_range: Lowest and highest score.

    Returns:
        Values in [-1, 1], None where either side is None.

    Raises:
        ConfigError: If the range has no finite width: nothing bounds what one example may do, and the level could not hold.
        TaskError: If a score lies outside the range.
        ValueError: If they are not as many.
    """
    lo, hi = score_range
    width = hi - lo
    if not (math.isfinite(width) and width > 0):
        raise ConfigError(
            f"a race needs a score_range of finite width, lowest first, not {score_range!r}: "
            "declare the range that scores can really take, or search without racing"
        )
    found = tuple(None if c is None or p is None else (c - p) / width for c, p in zip(child, parent, strict=True))
    beyond = next((share for share in found if share is not None and not abs(share) <= 1 + _ROUNDING), None)
    if beyond is not None:
        raise TaskError(f"two scores differ by {beyond:.4g} times the width of score_range {score_range!r}: mend the range or the scorer")
    return tuple(None if share is None else max(-1.0, min(1.0, share)) for share in found)


def _mean_square(squares: float, n: int) -> float:
    return (_PRIOR_N * _PRIOR_SQUARE + squares) / (_PRIOR_N + n)
