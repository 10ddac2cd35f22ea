"""The clock counts a program's own seconds only."""

from __future__ import annotations

import asyncio

from graftwork.evaluators.clock import Clock


def test_it_expires_after_its_own_seconds_however_long_models_take() -> None:
    async def run() -> tuple[float, bool]:
        loop, expired = asyncio.get_running_loop(), asyncio.Event()
        started = loop.time()
        clock = Clock(0.3, expired.set)
        clock.pause()
        clock.pause()
        await asyncio.sleep(0.3)
        clock.resume()
        await asyncio.sleep(0.3)
        early = expired.is_set()
        clock.resume()
        await expired.wait()
        return loop.time() - started, early

    seconds, early = asyncio.run(run())
    assert seconds >= 0.9
    assert not early


def test_stopped_it_never_expires() -> None:
    async def run() -> bool:
        expired = asyncio.Event()
        clock = Clock(0.05, expired.set)
        clock.stop()
        clock.pause()
        clock.resume()
        await asyncio.sleep(0.2)
        return expired.is_set()

    assert asyncio.run(run()) is False
