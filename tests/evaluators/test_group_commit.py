"""Group commit: nobody goes on before what it wrote is durable, and many share one sync."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from graftwork.evaluators.group_commit import GroupCommit


def test_everybodys_writing_is_durable_when_it_goes_on_and_few_syncs_are_made() -> None:
    written: list[int] = []
    durable: set[int] = set()
    syncs = 0

    def sync() -> None:
        nonlocal syncs
        syncs += 1
        there = tuple(written)
        time.sleep(0.01)
        durable.update(there)

    async def write(commit: GroupCommit, number: int) -> None:
        await asyncio.sleep(0.0005 * number)
        written.append(number)
        await commit.durable()
        assert number in durable

    async def run() -> None:
        commit = GroupCommit(sync)
        await asyncio.gather(*(write(commit, number) for number in range(60)))

    asyncio.run(run())
    assert durable == set(range(60))
    assert 2 <= syncs < 30


def test_a_sync_that_fails_is_told_to_all_who_wait_for_it_and_the_next_is_tried() -> None:
    results = iter([OSError("disk"), None])

    def sync() -> None:
        if error := next(results):
            raise error

    async def run() -> None:
        commit = GroupCommit(sync)
        done = await asyncio.gather(commit.durable(), commit.durable(), return_exceptions=True)
        assert [str(error) for error in done] == ["disk", "disk"]
        await commit.durable()

    asyncio.run(run())


def test_who_is_cancelled_leaves_the_sync_to_the_others() -> None:
    async def run() -> None:
        commit = GroupCommit(lambda: time.sleep(0.05))
        first, second = asyncio.create_task(commit.durable()), asyncio.create_task(commit.durable())
        await asyncio.sleep(0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second

    asyncio.run(run())


@pytest.mark.parametrize(("takes_s", "n_elsewhere"), [(0.0, 1), (0.02, 4)])
def test_only_a_quick_disk_is_waited_for_on_the_loop(takes_s: float, n_elsewhere: int) -> None:
    threads: list[int] = []
    now = 0.0

    def sync() -> None:
        nonlocal now
        threads.append(threading.get_ident())
        now += takes_s

    async def run() -> None:
        commit = GroupCommit(sync, clock=lambda: now)
        for _ in range(4):
            await commit.durable()

    asyncio.run(run())
    assert sum(thread != threading.get_ident() for thread in threads) == n_elsewhere
