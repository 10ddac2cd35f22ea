"""Dispatch: which case runs where. Cases of all works go in turn to whichever host has a free slot, and come back as they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from graftwork.programs.errors import GraftworkError, InfrastructureError

from .coalescing import Coalescer
from .evaluation import Outcome, Work
from .loop_thread import LoopThread
from .turns import Turns

__all__ = ["Dispatcher", "Host", "streamed"]

_ATTEMPTS: Final = 3
_OF_THE_LAST: Final = 1 / 8


class Host(Protocol):
    """Something that runs cases: a worker in this process, or an actor elsewhere."""

    @property
    def slots(self) -> int:
        """Cases that it runs at the same time."""
        ...

    async def run(self, work: Work) -> tuple[Outcome, ...] | None:
        """Run every case; None if the host was lost, and is to be left out from now on.

        Raises:
            GraftworkError: What ends the work.
        """
        ...


@dataclass(slots=True, eq=False)
class _Seat:
    host: Host
    free: int
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # of the cases that it was given


@dataclass(slots=True, eq=False)
class _Order:
    """A work that is under way."""

    work: Work
    on_outcome: Callable[[Outcome], None] | None
    outcomes: list[Outcome | None]
    over: asyncio.Future[None]
    n_left: int
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    n_lost: int = 0

    def take(self, position: int, outcome: Outcome) -> None:
        self.outcomes[position] = outcome
        if self.on_outcome is not None:
            self.on_outcome(outcome)
        self.n_left -= 1
        if not self.over.done() and not self.n_left:
            self.over.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)

    def ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = InfrastructureError("a case was cancelled where it ran") if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)  # a fault of ours: whoever waits must hear of it


class Dispatcher:
    """Belongs to one loop. Hosts may come and go while works run; without any, works wait."""

    def __init__(self) -> None:
        self._seats: list[_Seat] = []
        self._waiting: Turns[int, int] = Turns()  # positions by order
        self._orders: dict[int, _Order] = {}
        self._last = 0
        self._case_s = 0.0  # a running mean
        self._coalescer = Coalescer(self._backlog_s)
        self._failed: GraftworkError | None = None

    @property
    def n_hosts(self) -> int:
        """Hosts that are given work."""
        return len(self._seats)

    def add(self, host: Host) -> None:
        """Use a host from now on."""
        self._seats.append(_Seat(host, host.slots))
        self._hand_out()

    def remove(self, host: Host) -> set[asyncio.Task[None]]:
        """Give a host nothing more; what it was given goes on, and is returned, begun or not."""
        given = {task for seat in self._seats if seat.host is host for task in seat.tasks}
        self._seats = [seat for seat in self._seats if seat.host is not host]
        return given

    def fail(self, error: GraftworkError) -> None:
        """End every work that is under way, and every one that comes."""
        self._failed = error
        for order in tuple(self._orders.values()):
            order.fail(error)

    def close(self) -> None:
        """End every work that is under way, and every one that comes: the pool is closed."""
        self.fail(InfrastructureError("this pool is closed"))

    async def run(self, work: Work, on_outcome: Callable[[Outcome], None] | None = None) -> tuple[Outcome, ...]:
        """Run every case; outcomes in the order of the cases. Cancelling it cancels what is under way.

        Args:
            work: What to run.
            on_outcome: Called with each outcome when it is there.

        Raises:
            GraftworkError: What ended the work; or `InfrastructureError`, where hosts were lost more often than is tried again.
        """
        if self._failed is not None:
            raise self._failed
        if not work.cases:
            return ()
        self._last += 1
        number = self._last
        order = _Order(work, on_outcome, [None] * len(work.cases), asyncio.get_running_loop().create_future(), len(work.cases))
        self._orders[number] = order
        for position in range(len(work.cases)):
            self._waiting.push(number, position)
        self._hand_out()
        try:
            await order.over
        finally:
            del self._orders[number]
            self._waiting.drop(number)
            for task in order.tasks:
                task.cancel()
            await asyncio.gather(*order.tasks, return_exceptions=True)
        await self._coalescer.together()
        return tuple(outcome for outcome in order.outcomes if outcome is not None)

    def _hand_out(self) -> None:
        """Give waiting cases to free slots: each to the emptiest host."""
        while self._waiting and (seats := [seat for seat in self._seats if seat.free > 0]):
            seat = max(seats, key=lambda seat: seat.free / seat.host.slots)
            number, _ = self._waiting.first()
            (position,) = self._waiting.take()
            seat.free -= 1
            order = self._orders[number]
            task = asyncio.get_running_loop().create_task(self._serve(seat, number, order, position))
            order.tasks.add(task)
            seat.tasks.add(task)
            task.add_done_callback(order.ended)
            task.add_done_callback(seat.tasks.discard)
        self._coalescer.look()

    def _backlog_s(self) -> float:
        """For how long what waits keeps the slots busy, about."""
        n_slots = sum(seat.host.slots for seat in self._seats)
        return len(self._waiting) * self._case_s / max(1, n_slots)

    async def _serve(self, seat: _Seat, number: int, order: _Order, position: int) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            outcomes = await seat.host.run(replace(order.work, cases=(order.work.cases[position],)))
        except GraftworkError as error:
            order.fail(error)
        else:
            if outcomes is None:
                self._again(seat, number, order, position)
            else:
                self._case_s += _OF_THE_LAST * (clock() - began - self._case_s)
                order.take(position, *outcomes)
        finally:
            seat.free += 1
            self._hand_out()

    def _again(self, seat: _Seat, number: int, order: _Order, position: int) -> None:
        self.remove(seat.host)
        order.n_lost += 1
        if order.n_lost >= _ATTEMPTS * len(order.work.cases):
            order.fail(InfrastructureError(f"the hosts that ran a program were lost {order.n_lost} times"))
        elif number in self._orders:
            self._waiting.push(number, position)


async def streamed(thread: LoopThread, dispatcher: Dispatcher, work: Work) -> AsyncGenerator[Outcome, None]:
    """Outcomes of a work as they come, on any loop; see `Pool.stream`.

    Args:
        thread: The dispatcher's.
        dispatcher: Where it runs.
        work: What runs.
    """
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Outcome | None]()

    def deliver(outcome: Outcome | None) -> None:
        with suppress(RuntimeError):  # whoever asked has gone, with its loop
            loop.call_soon_threadsafe(queue.put_nowait, outcome)

    running = asyncio.ensure_future(thread.awaitable(dispatcher.run(work, deliver)))
    running.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (outcome := await queue.get()) is not None:
            yield outcome
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
