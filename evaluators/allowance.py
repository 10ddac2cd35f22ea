"""Allowance: so much per minute, handed out evenly (a token bucket that holds one second's worth)."""

from __future__ import annotations

import asyncio
import math

__all__ = ["Allowance"]


class Allowance:
    """What may be taken per minute. In any minute it gives at most a sixtieth more than its rate, and one portion. Belongs to one loop.

    Args:
        per_minute: The rate, above 0; None gives without limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._per_s = math.inf if per_minute is None else per_minute / 60
        self._most = max(1.0, self._per_s)
        self._level = self._most
        self._counted_at: float | None = None

    def wait_s(self, amount: float) -> float:
        """Seconds until so much can be taken; a portion above one second's worth needs a full bucket, and leaves a debt."""
        if math.isinf(self._per_s):
            return 0.0
        return max(0.0, (min(amount, self._most) - self._counted()) / self._per_s)

    def take(self, amount: float) -> None:
        """Take so much, also where it is not there."""
        if not math.isinf(self._per_s):
            self._level = self._counted() - amount

    def give_back(self, amount: float) -> None:
        """Undo some of what was taken; below 0, take more."""
        self.take(-amount)

    def _counted(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._counted_at is not None:
            self._level = min(self._most, self._level + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        return self._level
