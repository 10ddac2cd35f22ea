"""Dispatch: a host that goes leaves nobody waiting for ever."""

from __future__ import annotations

import asyncio

import pytest

from graftwork.evaluators.dispatch import Dispatcher
from graftwork.evaluators.evaluation import Outcome, Work
from graftwork.programs.errors import InfrastructureError

from .pool_programs import make_work


class Slow:
    """Takes a moment for each case, or cancels it of its own."""

    slots = 2

    def __init__(self, *, cancels: bool = False) -> None:
        self._cancels = cancels

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        await asyncio.sleep(0.01)
        if self._cancels:
            raise asyncio.CancelledError
        return tuple(Outcome(example_id=case.example_id, repeat=case.repeat, output=1) for case in work.cases)


def test_what_a_host_was_given_and_has_not_begun_is_under_way_when_it_is_removed() -> None:
    async def run() -> None:
        dispatcher, host = Dispatcher(), Slow()
        running = asyncio.create_task(dispatcher.run(make_work("", {"x": 1}, {"x": 2}, {"x": 3})))
        await asyncio.sleep(0)
        dispatcher.add(host)
        given = dispatcher.remove(host)
        assert len(given) == host.slots
        await asyncio.wait(given)
        assert not running.done()
        dispatcher.add(Slow())
        assert len(await running) == 3

    asyncio.run(run())


def test_a_case_that_its_host_cancels_ends_the_work_with_an_error() -> None:
    async def run() -> None:
        dispatcher = Dispatcher()
        dispatcher.add(Slow(cancels=True))
        with pytest.raises(InfrastructureError, match="cancelled where it ran"):
            await asyncio.wait_for(dispatcher.run(make_work("", {"x": 1})), 5.0)

    asyncio.run(run())
