"""LoopThread: an asyncio loop on a thread of its own, with ways in from blocking code and from other loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

from graftwork.programs.errors import InfrastructureError

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """An event loop that runs on a daemon thread from construction until `close`.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = uvloop.new_event_loop()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and block until its result; call it from any thread but the loop's own.

        Raises:
            InfrastructureError: If the loop is closed.
        """
        return self._submit(coro).result()

    async def awaitable(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and await its result on this or another; cancelling the awaiting task cancels it there.

        Raises:
            InfrastructureError: If the loop is closed.
        """
        if asyncio.get_running_loop() is self._loop:
            return await coro
        return await asyncio.wrap_future(self._submit(coro))

    def close(self) -> None:
        """Cancel what still runs, stop the loop and wait for its thread. Calling it twice is harmless."""
        with self._gate:
            if self._closed:
                return
            # Submissions before this line are in the loop's queue already, so the shutdown sees their tasks.
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).add_done_callback(self._stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        with self._gate:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(coro, self._loop)
        coro.close()
        raise InfrastructureError(f"the loop {self._name!r} is closed")

    def _stop(self, _: Future[None]) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _shut_down(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
