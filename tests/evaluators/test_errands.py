"""Errands: work reaches a worker elsewhere as it is, outcomes come back as they were, and whoever waits hears of a loss."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.errands import ErrandRunner, RemoteWorker
from graftwork.evaluators.evaluation import Outcome, Work
from graftwork.evaluators.relay import RelayClient, RelayServer
from graftwork.evaluators.task import Foreign, Limits
from graftwork.programs.errors import CeilingReached, InfrastructureError, TaskError
from graftwork.programs.export import Hook
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.trace import Feed, Span

from .pool_programs import EchoRelay, make_work

T = TypeVar("T")

SPAN = Span(path="0.1", component="c", kind="prompt", inputs="{}", feeds=(Feed(path="0", parameter="p", kind="exact"),), claimed=False)


class Elsewhere:
    """Runs works in place of a worker: keeps them, and gives an outcome or raises."""

    def __init__(self, outcome: Outcome | Exception, *, wait_s: float = 0.0) -> None:
        self.works: list[Work] = []
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()
        self._outcome = outcome
        self._wait_s = wait_s

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        self.works.append(work)
        self.began.set()
        try:
            await asyncio.sleep(self._wait_s)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return (self._outcome,)


def with_remote(elsewhere: Elsewhere, body: Callable[[RemoteWorker, RelayClient], Awaitable[T]]) -> T:
    """Do something with a worker elsewhere, and the client beside it."""

    async def use() -> T:
        server = RelayServer(EchoRelay())
        client = RelayClient(await server.start())
        remote = RemoteWorker(server, "someone", slots=2)
        serving = asyncio.create_task(ErrandRunner(client, elsewhere.run).serve("someone"))
        try:
            await remote.arrived
            return await body(remote, client)
        finally:
            await client.aclose()
            await serving
            await server.aclose()

    return uvloop.run(use())


def outcome_of(output: object = None, failure: Failure | None = None) -> Outcome:
    return Outcome(
        example_id="e0",
        output=output,
        failure=failure,
        spans=(SPAN,),
        usage=Usage(usd=0.5, calls=1),
        stdout="said",
        seconds=1.5,
        cpu_s=0.25,
    )


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_outcomes_come_back_equal(output: object) -> None:
    elsewhere = Elsewhere(outcome_of(output))
    assert with_remote(elsewhere, lambda remote, _: remote.run(make_work("s", {"x": 1}))) == (outcome_of(output),)


def test_a_failure_comes_back_equal() -> None:
    outcome = outcome_of(failure=Failure(kind="crash", message="it fell", component="c", detail="there"))
    assert with_remote(Elsewhere(outcome), lambda remote, _: remote.run(make_work("s", {"x": 1}))) == (outcome,)


@pytest.mark.parametrize(
    "work",
    [
        make_work(
            "source \udcff", {"x": [1, {"y": None}]}, packages=("numpy",), limits=Limits(timeout_s=2.5), purpose="confirm", spawn=True
        ),
        replace(make_work("s", {}), foreign=Foreign(folder="/f", thresholds=(0.5, 1.0))),
        replace(make_work("s", {}), foreign=Foreign(folder="/f"), hook=Hook(complete="a", branch="b", plain="c")),
    ],
)
def test_works_arrive_equal(work: Work) -> None:
    elsewhere = Elsewhere(outcome_of(1))
    with_remote(elsewhere, lambda remote, _: remote.run(work))
    assert elsewhere.works == [work]


def test_several_cases_arrive_one_by_one_and_their_outcomes_in_order() -> None:
    elsewhere = Elsewhere(outcome_of(1))
    work = make_work("s", {"x": 1}, {"x": 2})
    assert with_remote(elsewhere, lambda remote, _: remote.run(work)) == (outcome_of(1), outcome_of(1))
    assert [arrived.cases for arrived in elsewhere.works] == [(case,) for case in work.cases]


def test_large_inputs_cross_once_and_again_when_others_took_their_place() -> None:
    elsewhere = Elsewhere(outcome_of(1))
    large = make_work("s", {"x": "a" * 8_000_000})
    others = [replace(large, cases=(replace(large.cases[0], example_id=f"other{n}", inputs={"x": "b" * 8_000_000}),)) for n in range(9)]

    async def use(remote: RemoteWorker, _: RelayClient) -> None:
        for work in (large, large, *others, large):
            await remote.run(work)

    with_remote(elsewhere, use)
    first, second, *rest = [work.cases[0].inputs for work in elsewhere.works]
    assert first is second
    assert rest[-1] is not first
    assert rest[-1] == first == large.cases[0].inputs


def test_what_is_raised_on_purpose_keeps_its_class_and_the_rest_is_infrastructure() -> None:
    with pytest.raises(CeilingReached, match="spent"):
        with_remote(Elsewhere(CeilingReached("spent")), lambda remote, _: remote.run(make_work("s", {})))
    with pytest.raises(InfrastructureError, match="ZeroDivisionError: by zero"):
        with_remote(Elsewhere(ZeroDivisionError("by zero")), lambda remote, _: remote.run(make_work("s", {})))


def test_inputs_that_cannot_be_sent_are_the_tasks_fault() -> None:
    with pytest.raises(TaskError, match="the inputs of example e0 cannot be sent"):
        with_remote(Elsewhere(outcome_of(1)), lambda remote, _: remote.run(make_work("s", {"x": "a" * 17_000_000})))


def test_cancelling_cancels_there() -> None:
    elsewhere = Elsewhere(outcome_of(1), wait_s=60.0)

    async def cancel(remote: RemoteWorker, _: RelayClient) -> None:
        running = asyncio.ensure_future(remote.run(make_work("s", {})))
        await elsewhere.began.wait()
        running.cancel()
        await asyncio.wait_for(elsewhere.cancelled.wait(), 10)

    with_remote(elsewhere, cancel)
    assert elsewhere.cancelled.is_set()


def test_who_waits_hears_of_a_loss_and_what_ran_there_is_cancelled() -> None:
    elsewhere = Elsewhere(outcome_of(1), wait_s=60.0)

    async def lose(remote: RemoteWorker, client: RelayClient) -> tuple[object, object]:
        running = asyncio.ensure_future(remote.run(make_work("s", {})))
        await elsewhere.began.wait()
        await client.aclose()
        await remote.lost
        await asyncio.wait_for(elsewhere.cancelled.wait(), 10)
        return await running, await remote.run(make_work("s", {}))

    assert with_remote(elsewhere, lose) == (None, None)


def test_a_guest_that_nobody_invited_is_dropped() -> None:
    async def intrude() -> bool:
        server = RelayServer(EchoRelay())
        client, dropped = RelayClient(await server.start()), asyncio.Event()
        await client.introduce("nobody", lambda _: None, dropped.set)
        await asyncio.wait_for(dropped.wait(), 10)
        await client.aclose()
        await server.aclose()
        return dropped.is_set()

    assert uvloop.run(intrude())
