"""GroupCommit: what several wait to have durable is synced at once. While one sync runs, those that come wait for the next together."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["GroupCommit"]

# Handing over to another thread and back takes about a millisecond, and much more while others want the interpreter.
_QUICK_S: Final = 0.005
_REMEMBERED: Final = 8


class GroupCommit:
    """Belongs to one loop.

    Args:
        sync: Blocks until all that was written before it was called is durable. Run once at a time: on the loop where the disk is quick,
            on another thread where it is not.
        clock: Monotonic seconds.
    """

    def __init__(self, sync: Callable[[], None], *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._sync = sync
        self._clock = clock
        self._took_s = deque([math.inf], maxlen=_REMEMBERED)
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def durable(self) -> None:
        """Wait until everything written so far is durable; raises what the sync raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait({running})
        # What is written from here on needs another sync.
        self._running, self._next = self._next, None
        # The shortest of the last few: waiting for the interpreter adds to the others what is not the disk's.
        if min(self._took_s) < _QUICK_S:
            self._timed()
        else:
            await asyncio.to_thread(self._timed)

    def _timed(self) -> None:
        started = self._clock()
        self._sync()
        self._took_s.append(self._clock() - started)
