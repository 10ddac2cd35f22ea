"""GroupCommit: what several wait to have durable is synced at once. While one sync runs, those that come wait for the next together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["GroupCommit"]


class GroupCommit:
    """Belongs to one loop.

    Args:
        sync: Blocks until all that was written before it was called is durable; run on another thread, once at a time.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
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
        await asyncio.to_thread(self._sync)
