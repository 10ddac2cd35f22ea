"""Clock: the wall seconds that a program may use by itself; it stands still while a model is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Clock"]


class Clock:
    """Counts a program's own seconds and calls `expire` once they are used up.

    Args:
        limit_s: Own seconds allowed.
        expire: Called at most once, on the running loop.
    """

    def __init__(self, limit_s: float, expire: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._left_s = limit_s
        self._expire = expire
        self._asked = 0
        self._since = self._loop.time()
        self._alarm: asyncio.TimerHandle | None = self._loop.call_later(limit_s, expire)

    def pause(self) -> None:
        """A model call begins."""
        self._asked += 1
        if self._asked == 1 and self._alarm is not None:
            self._alarm.cancel()
            self._left_s -= self._loop.time() - self._since

    def resume(self) -> None:
        """A model call has ended; the clock goes on with the last one."""
        self._asked -= 1
        if self._asked == 0 and self._alarm is not None:
            self._since = self._loop.time()
            self._alarm = self._loop.call_later(max(0.0, self._left_s), self._expire)

    def stop(self) -> None:
        """Never expire any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
