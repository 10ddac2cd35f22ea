"""An endpoint's turns: places, rates, fairness, and what happens while it is busy or down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from graftwork.evaluators.allowance import Allowance
from graftwork.evaluators.endpoint import Endpoint, EndpointLimits
from graftwork.programs.errors import CallFailed, EndpointError
from graftwork.programs.failure import Failure


def failed(*, retry_after_s: float | None = None, refused: bool = False) -> CallFailed:
    return CallFailed(Failure(kind="model", message="no"), retry_after_s=retry_after_s, refused=refused)


def using(limits: EndpointLimits, act: Callable[[Endpoint], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            await act(Endpoint(limits, random.Random(0)))

    asyncio.run(run())


def test_turns_go_round_so_that_many_calls_of_one_take_nothing_from_another() -> None:
    order: list[str] = []

    async def act(endpoint: Endpoint) -> None:
        async def call(who: str) -> None:
            async with endpoint.turn(who, tokens=1):
                order.append(who)
                await asyncio.sleep(0)

        await asyncio.gather(*(call("many") for _ in range(6)), *(call("few") for _ in range(2)), call("one"))

    using(EndpointLimits(in_flight=1), act)
    assert order == ["many", "many", "few", "one", "many", "few", "many", "many", "many"]


@pytest.mark.parametrize(("requests", "tokens"), [(6_000, None), (None, 60_000)])
def test_no_more_is_let_in_than_the_rate_allows(requests: int | None, tokens: int | None) -> None:
    times: list[float] = []

    async def act(endpoint: Endpoint) -> None:
        async def call() -> None:
            async with endpoint.turn("a", tokens=10):
                times.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(call() for _ in range(200)))

    using(EndpointLimits(requests_per_minute=requests, tokens_per_minute=tokens), act)
    # 100 a second with a bucket of 100: the second hundred takes a second.
    assert times[-1] - times[0] > 0.9


def test_tokens_that_were_estimated_too_high_are_given_back_and_too_low_taken() -> None:
    async def act(endpoint: Endpoint) -> None:
        async with endpoint.turn("a", tokens=1_000) as turn:
            turn.tokens = 0
        start = asyncio.get_running_loop().time()
        async with endpoint.turn("a", tokens=1_000) as turn:
            assert asyncio.get_running_loop().time() - start < 0.1
            turn.tokens = 1_200
        async with endpoint.turn("a", tokens=1):
            assert asyncio.get_running_loop().time() - start > 0.15

    using(EndpointLimits(tokens_per_minute=60_000), act)


def test_a_portion_above_a_seconds_worth_is_let_in_and_owed() -> None:
    async def run() -> None:
        allowance = Allowance(600)
        assert allowance.wait_s(1_000) == 0
        allowance.take(30)
        assert 2.0 < allowance.wait_s(1) <= 2.1

    asyncio.run(run())


def test_a_waiter_that_is_cancelled_takes_no_place() -> None:
    async def act(endpoint: Endpoint) -> None:
        async def hold(gate: asyncio.Event) -> None:
            async with endpoint.turn("a", tokens=1):
                await gate.wait()

        gate = asyncio.Event()
        first = asyncio.create_task(hold(gate))
        others = [asyncio.create_task(hold(gate)) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in others[:2]:
            task.cancel()
        gate.set()
        await asyncio.gather(first, others[2])
        assert [task.cancelled() for task in others] == [True, True, False]
        async with endpoint.turn("b", tokens=1):
            admitted.append("b")

    admitted: list[str] = []
    using(EndpointLimits(in_flight=1), act)
    assert admitted == ["b"]


def test_a_waiter_that_is_cancelled_just_when_it_is_admitted_gives_its_place_back() -> None:
    async def act(endpoint: Endpoint) -> None:
        async def call() -> None:
            async with endpoint.turn("a", tokens=1):
                pass

        async with endpoint.turn("first", tokens=1):
            task = asyncio.create_task(call())
            await asyncio.sleep(0)
        # Leaving the place has admitted it, and it has not gone on yet.
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        async with endpoint.turn("b", tokens=1):
            admitted.append("b")

    admitted: list[str] = []
    using(EndpointLimits(in_flight=1), act)
    assert admitted == ["b"]


def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_wants_by_everybody() -> None:
    async def act(endpoint: Endpoint) -> None:
        clock = asyncio.get_running_loop().time
        async with endpoint.turn("a", tokens=1):
            assert not endpoint.failed("r1", failed(retry_after_s=0.3))
        start = clock()
        async with endpoint.turn("b", tokens=1):
            assert 0.25 < clock() - start < 2
        assert endpoint.trouble == ""

    using(EndpointLimits(backoff_s=0.001), act)


def test_while_it_is_down_one_at_a_time_tries_and_all_come_in_again_after_it_answers() -> None:
    async def act(endpoint: Endpoint) -> None:
        assert [endpoint.failed(f"r{n}", failed()) for n in range(6)] == [True] * 4 + [False] * 2
        assert endpoint.is_down
        assert "no" in endpoint.trouble
        inside = most = tried = 0

        async def call(number: int) -> None:
            nonlocal inside, most, tried
            async with endpoint.turn(number, tokens=1):
                inside, most, tried = inside + 1, max(most, inside + 1), tried + 1
                await asyncio.sleep(0.002)
                inside -= 1
                if tried < 5:
                    assert most == 1
                    endpoint.failed(f"r{number}", failed())
                else:
                    endpoint.answered()

        await asyncio.gather(*(call(n) for n in range(40)))
        assert most > 4
        assert not endpoint.is_down

    using(EndpointLimits(backoff_s=0.001), act)


def test_failures_of_one_request_alone_are_the_requests() -> None:
    async def act(endpoint: Endpoint) -> None:
        assert all(endpoint.failed("r", failed()) for _ in range(20))
        assert not endpoint.is_down

    using(EndpointLimits(backoff_s=0.001), act)


def test_connections_that_nobody_takes_are_an_outage_even_of_one_request() -> None:
    async def act(endpoint: Endpoint) -> None:
        assert [endpoint.failed("r", failed(refused=True)) for _ in range(3)] == [True, False, False]

    using(EndpointLimits(backoff_s=0.001), act)


@pytest.mark.parametrize("wanted_s", [None, 3600.0])
def test_who_waits_for_too_long_is_told(wanted_s: float | None) -> None:
    async def act(endpoint: Endpoint) -> None:
        for number in range(5):
            endpoint.failed(f"r{number}", failed())
        waiting = asyncio.create_task(endpoint.turn("a", tokens=1).__aenter__())
        await asyncio.sleep(0.1)
        if wanted_s is None:
            await waiting
            waiting = asyncio.create_task(endpoint.turn("b", tokens=1).__aenter__())
            await asyncio.sleep(0)
        with pytest.raises(EndpointError, match="the run ends here"):
            endpoint.failed("r", failed(retry_after_s=wanted_s))
        if not waiting.done() or waiting.exception():
            with pytest.raises(EndpointError, match="gave no answer for"):
                await waiting

    using(EndpointLimits(backoff_s=0.01 if wanted_s is None else 60.0, outage_s=0.05 if wanted_s is None else 100.0), act)
