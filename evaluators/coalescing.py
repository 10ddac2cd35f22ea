"""Coalescing: works that end while much else waits for slots are handed over together, so that whoever waits for them wakes up once.

As network cards do with their interrupts. Where all cores compute, a thread that wakes up for one result finds nothing of its own in the
caches; for several at once it takes half the CPU for each (`docs/throughput.md`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Coalescer"]


class Coalescer:
    """Belongs to one loop.

    Args:
        backlog_s: For how many seconds what waits keeps the slots busy.
        enough_s: With less than that waiting, nothing is held: new work must be there before the slots run dry.
        most_s: Nothing is held for longer.
    """

    def __init__(self, backlog_s: Callable[[], float], *, enough_s: float = 0.5, most_s: float = 0.5) -> None:
        self._backlog_s = backlog_s
        self._enough_s, self._most_s = enough_s, most_s
        self._held: list[asyncio.Future[None]] = []
        self._alarm: asyncio.TimerHandle | None = None

    async def together(self) -> None:
        """Wait for others that end, as long as enough waits for the slots."""
        if self._backlog_s() < self._enough_s:
            return
        loop = asyncio.get_running_loop()
        if self._alarm is None:
            self._alarm = loop.call_later(self._most_s, self._release)
        held = loop.create_future()
        self._held.append(held)
        await held

    def look(self) -> None:
        """To be called whenever less waits than before."""
        if self._held and self._backlog_s() < self._enough_s:
            self._release()

    def _release(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, held, self._held = None, self._held, []
        for waiting in held:
            if not waiting.done():  # whoever was cancelled waits no more
                waiting.set_result(None)
