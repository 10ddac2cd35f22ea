"""A loop on a thread: results, errors and cancellation cross; closing leaves nothing running."""

from __future__ import annotations

import asyncio
import threading

import pytest

from graftwork.evaluators.loop_thread import LoopThread
from graftwork.programs.errors import InfrastructureError


async def _name() -> str:
    return threading.current_thread().name


async def _fail() -> None:
    raise KeyError("inside")


def test_coroutines_run_on_the_named_thread_for_blocking_and_for_async_callers() -> None:
    loop = LoopThread("room")
    assert loop.run(_name()) == "room"
    assert asyncio.run(loop.awaitable(_name())) == "room"
    loop.close()


def test_on_the_loop_itself_it_is_awaited_like_any_other() -> None:
    loop = LoopThread("room")

    async def nested() -> str:
        return await loop.awaitable(_name())

    assert loop.run(nested()) == "room"
    loop.close()


def test_an_error_reaches_the_caller() -> None:
    loop = LoopThread("room")
    with pytest.raises(KeyError, match="inside"):
        loop.run(_fail())
    with pytest.raises(KeyError, match="inside"):
        asyncio.run(loop.awaitable(_fail()))
    loop.close()


def test_cancelling_the_caller_cancels_the_coroutine() -> None:
    loop, began, cancelled = LoopThread("room"), threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def cancel() -> None:
        task = asyncio.create_task(loop.awaitable(wait()))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert cancelled.wait(5)
    loop.close()


def test_closing_cancels_what_runs_and_refuses_what_comes_after() -> None:
    loop, began, cancelled = LoopThread("room"), threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def close_meanwhile() -> None:
        task = asyncio.create_task(loop.awaitable(wait()))
        await asyncio.to_thread(began.wait)
        await asyncio.to_thread(loop.close)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(close_meanwhile())
    assert cancelled.is_set()
    assert "room" not in {thread.name for thread in threading.enumerate()}
    loop.close()
    with pytest.raises(InfrastructureError, match="'room' is closed"):
        loop.run(_name())
