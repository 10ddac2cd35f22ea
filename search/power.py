"""Power: what difference a split of so many examples can show, said before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Final

__all__ = ["FEWEST", "needed", "power_words", "smallest_shown"]

FEWEST: Final = 4
"""Examples with which a program that is better on every one can be told from the seed: with 3 of 3 the interval still holds 0."""

_SURE: Final = NormalDist().inv_cdf(0.975)  # a 95 % interval that leaves out 0
_LIKELY: Final = NormalDist().inv_cdf(0.8)
_SHARES: Final = (0.2, 0.5)
_STEPS: Final = 1_000
_WANTED: Final = 0.1


def needed(difference: float, *, differing: float) -> int:
    """How many examples show a true difference 4 times in 5, by a paired 95 % interval that leaves out 0.

    The usual size for paired proportions (Connor, Biometrics 43, 1987); it is on the safe side where nearly all that differ are better.

    Args:
        difference: Of the means, as a share of the width of the score range, above 0 and up to 1.
        differing: Share of the examples on which the two differ, each by the whole range, and at least the difference; what is less stands
            for that. Of continuous scores it is the mean square of the differences.
    """
    differing = max(differing, difference)
    size = (_SURE * math.sqrt(differing) + _LIKELY * math.sqrt(differing - difference * difference)) / difference
    return max(FEWEST, math.ceil(size * size))


def smallest_shown(n: int, *, differing: float) -> float | None:
    """The smallest true difference, as a share of the width of the range, that so many examples show 4 times in 5; None where none is.

    Args:
        n: Examples.
        differing: As for `needed`.
    """
    return next((step / _STEPS for step in range(1, _STEPS + 1) if needed(step / _STEPS, differing=differing) <= n), None)


def power_words(splits: Mapping[str, int], score_range: tuple[float, float], unit: str, *, wanted: float = _WANTED) -> tuple[str, ...]:
    """What the splits cannot show of what is wanted, in plain words, one line for each; none where all is well.

    How many examples will differ, and by how much, is not known before a search: the figures are for scores that are all or nothing and
    differ on a fifth of the examples, and on half of them.

    Args:
        splits: Number of examples by split or transfer set: of those on which something is claimed, such as `confirm` and `test`.
        score_range: Lowest and highest score.
        unit: Of scores.
        wanted: The difference that should be shown, as a share of the width of the range, above 0 and up to 1.
    """
    lines = (_words(name, n, score_range, unit, wanted) for name, n in splits.items())
    return tuple(line for line in lines if line)


def _words(name: str, n: int, score_range: tuple[float, float], unit: str, wanted: float) -> str:
    sizes = [needed(wanted, differing=share) for share in _SHARES]
    enough = f"{_amount(wanted, score_range, unit)} takes {sizes[0]} to {sizes[1]} examples"
    if n < FEWEST:
        several = "1 example" if n == 1 else f"{n} examples"
        nothing = "can show nothing, not even a program that is better on every one"
        return f"your {name} split of {several} {nothing}: give it {FEWEST} or more; {enough}"
    few, many = (smallest_shown(n, differing=share) or 1.0 for share in _SHARES)
    if few <= wanted:
        return ""
    most = f" ({_amount(many, score_range, unit)} where half of the examples differ, not a fifth)" if many > few else ""
    shown = f"can only show a difference of {_amount(few, score_range, unit)} or more{most}"
    return f"your {name} split of {n} examples {shown}, if scores are all or nothing; {enough}"


def _amount(share: float, score_range: tuple[float, float], unit: str) -> str:
    """A share of the range in the task's unit; as a share where the range has no finite width."""
    width = score_range[1] - score_range[0]
    return f"{share * width:.2g} {unit}" if math.isfinite(width) else f"{share:.0%} of the score range"
