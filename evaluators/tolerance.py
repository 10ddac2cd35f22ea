"""Tolerance: how far a number may be from the one that is expected."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graftwork.programs.errors import TaskError

from .wording import as_number

__all__ = ["Tolerance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Off by at most `absolute`, or by at most `relative` times the expected number, whichever is more.

    Attributes:
        absolute: In the unit of the numbers, at least 0.
        relative: As a share of the expected number, from 0 to below 1.

    Raises:
        TaskError: If one of them is not such a number.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no tolerance."""
        if not (0 <= as_number(self.absolute) < math.inf and 0 <= as_number(self.relative) < 1):
            raise TaskError(
                f"a tolerance must be at least 0 and a relative one from 0 to below 1, not {self.absolute!r} and {self.relative!r}"
            )

    @property
    def is_none(self) -> bool:
        """Whether numbers must be equal."""
        return not self.absolute and not self.relative

    def holds(self, number: float, expected: float) -> bool:
        """Whether a finite number is close enough to a finite one."""
        return abs(number - expected) <= max(self.absolute, self.relative * abs(expected))
