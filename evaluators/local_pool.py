"""LocalPool: programs run in children of this process's own worker."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from .dispatch import Dispatcher, streamed
from .evaluation import Outcome, Work
from .loop_thread import LoopThread
from .pool import Relay
from .sandbox import SandboxLevel
from .worker import Worker

__all__ = ["LocalPool"]


class LocalPool:
    """A pool on this machine without any service. Its worker has a thread of its own or shares one, so `run` can be awaited on any loop.

    Args:
        relay: Where model calls go.
        slots: Children at the same time, at least 1.
        sandbox: What the children are confined by; see `sandbox.require`.
        thread: Where the worker lives, best the gateway's: then model calls need no way from thread to thread. It outlives the pool.
    """

    def __init__(self, relay: Relay, *, slots: int, sandbox: SandboxLevel = "standard", thread: LoopThread | None = None) -> None:
        self._slots = slots
        self._thread = thread or LoopThread("local-pool")
        self._owns_thread = thread is None
        self._worker = Worker(relay, slots=slots, sandbox=sandbox)
        self._dispatcher = Dispatcher()
        self._dispatcher.add(self._worker)
        self._closed = False

    @property
    def slots(self) -> int:
        """Cases that run at the same time."""
        return self._slots

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        """Run every case; see `Pool.run`."""
        return await self._thread.awaitable(self._dispatcher.run(work))

    def stream(self, work: Work) -> AsyncGenerator[Outcome, None]:
        """Run every case; see `Pool.stream`."""
        return streamed(self._thread, self._dispatcher, work)

    async def aclose(self) -> None:
        """Kill every child and wait until they are gone. Calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        await self._thread.awaitable(self._end())
        if self._owns_thread:
            self._thread.close()

    async def _end(self) -> None:
        self._dispatcher.close()
        await self._worker.aclose()
