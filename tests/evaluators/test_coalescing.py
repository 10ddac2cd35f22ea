"""Coalescing: while the slots have enough to do, works that end are handed over together; else each at once."""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import dataclass, field

from graftwork.evaluators.coalescing import Coalescer
from graftwork.evaluators.dispatch import Dispatcher
from graftwork.evaluators.evaluation import Outcome, Work
from tests.evaluators.pool_programs import make_work


@dataclass
class _Waiting:
    """What waits, and who was handed over when so much waited."""

    backlog_s: float
    over: list[str] = field(default_factory=list)

    def start(self, coalescer: Coalescer, name: str) -> asyncio.Task[None]:
        async def end() -> None:
            await coalescer.together()
            self.over.append(name)

        return asyncio.create_task(end())


async def _turns() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_ends_is_held_while_enough_waits_and_handed_over_together_when_less_does() -> None:
    async def run() -> None:
        waiting = _Waiting(backlog_s=3.0)
        coalescer = Coalescer(lambda: waiting.backlog_s, enough_s=1.0, most_s=60.0)
        for name in "ab":
            waiting.start(coalescer, name)
        await _turns()
        waiting.backlog_s = 1.0
        coalescer.look()
        await _turns()
        assert waiting.over == []
        waiting.backlog_s = 0.9
        coalescer.look()
        await _turns()
        assert waiting.over == ["a", "b"]
        waiting.start(coalescer, "c")
        await _turns()
        assert waiting.over == ["a", "b", "c"]

    asyncio.run(run())


def test_nothing_is_held_for_longer_than_is_said_each_time() -> None:
    async def run() -> None:
        waiting = _Waiting(backlog_s=3.0)
        coalescer = Coalescer(lambda: waiting.backlog_s, enough_s=1.0, most_s=0.05)
        async with asyncio.timeout(10):
            await asyncio.gather(*(waiting.start(coalescer, name) for name in "ab"))
            await waiting.start(coalescer, "c")
        assert waiting.over == ["a", "b", "c"]

    asyncio.run(run())


def test_who_is_cancelled_is_left_out_and_the_others_are_handed_over() -> None:
    async def run() -> None:
        waiting = _Waiting(backlog_s=3.0)
        coalescer = Coalescer(lambda: waiting.backlog_s, enough_s=1.0, most_s=60.0)
        cancelled, other = (waiting.start(coalescer, name) for name in "ab")
        await _turns()
        cancelled.cancel()
        await _turns()
        waiting.backlog_s = 0.0
        coalescer.look()
        await other
        assert cancelled.cancelled()
        assert waiting.over == ["b"]

    asyncio.run(run())


class _NoTime(selectors.SelectSelector):
    """Time that passes only where everybody waits, and at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def _loop() -> asyncio.AbstractEventLoop:
    selector = _NoTime()
    loop = asyncio.SelectorEventLoop(selector)
    setattr(loop, "time", lambda: selector.now)  # noqa: B010 - a method is not assigned to
    return loop


@dataclass(kw_only=True)
class _Host:
    """Runs a case in a set time."""

    slots: int
    case_s: float
    n_started: int = 0

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        self.n_started += 1
        await asyncio.sleep(self.case_s)
        (case,) = work.cases
        return (Outcome(example_id=case.example_id, repeat=case.repeat, output=1),)


def _handed_over(n_works: int, host: _Host) -> list[int]:
    """Of works of one case each, handed in at the same time: how many cases had been started when each was over, in turn."""

    async def run() -> list[int]:
        dispatcher, started = Dispatcher(), []
        dispatcher.add(host)

        async def end() -> None:
            await dispatcher.run(make_work("", {"x": 1}))
            started.append(host.n_started)

        await asyncio.gather(*(end() for _ in range(n_works)))
        return started

    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(run())


def test_a_dispatcher_hands_over_together_while_what_waits_takes_more_than_half_a_second() -> None:
    started = _handed_over(60, _Host(slots=1, case_s=0.02))
    # It sees some cases first, to know what one takes; then it holds those of half a second, 25, until no more than 25 wait.
    assert started == [2, 3, 4, 5, *[30] * 25, *[35] * 5, *range(36, 61), 60]


def test_a_dispatcher_hands_over_at_once_where_slots_soon_run_dry() -> None:
    started = _handed_over(60, _Host(slots=8, case_s=0.002))
    assert started == [*(n for n in range(16, 57, 8) for _ in range(8)), *[60] * 12]
