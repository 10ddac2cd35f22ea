"""Endpoint: who may ask one endpoint now. Places and rates are shared fairly, and while it is down everybody waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from graftwork.programs.errors import CallFailed, EndpointError

from .allowance import Allowance
from .turns import Turns

__all__ = ["Endpoint", "EndpointLimits", "Turn"]

# Failures in a row, of more than one request, that are taken for the endpoint's state and not for the requests'.
_FAILURES_OF_AN_OUTAGE: Final = 5
_REFUSALS_OF_AN_OUTAGE: Final = 2
_LEAST_JITTER: Final = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """What an endpoint may be asked.

    Attributes:
        name: What messages call it; roles with the same name share it.
        in_flight: Calls at the same time, at least 1.
        requests_per_minute: None is no limit.
        tokens_per_minute: Input and output together, counted when a call is sent as its estimate and mended after; None is no limit.
        outage_s: How long it may give nothing but failures before the run ends.
        backoff_s: Pause after the first failure of an outage; doubled each time, then drawn between three quarters and all of it.
        max_backoff_s: The longest pause, unless the endpoint asks for a longer one.
    """

    name: str = "the endpoint"
    in_flight: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    outage_s: float = 900.0
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0


@dataclass(slots=True, kw_only=True)
class Turn:
    """A place at the endpoint, for one attempt.

    Attributes:
        tokens: What it is counted as; whoever knows better sets it before giving the place back.
    """

    tokens: int


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiter:
    tokens: int
    admitted: asyncio.Future[None]


class Endpoint:
    """One endpoint as the gateway sees it. Belongs to one loop.

    Whoever waits is admitted in turn by `who`, so that a candidate with many calls takes nothing from one with few. The number of
    places follows the endpoint: halved when it says that it is busy, one while it is down, and one more with each answer (additive
    increase, multiplicative decrease, as in Chiu and Jain, 1989, but with a pause that the endpoint may name).

    Args:
        limits: Its limits.
        rng: Draws pauses.
    """

    def __init__(self, limits: EndpointLimits, rng: random.Random) -> None:
        self._limits = limits
        self._rng = rng
        self._requests = Allowance(limits.requests_per_minute)
        self._tokens = Allowance(limits.tokens_per_minute)
        self._waiting: Turns[Hashable, _Waiter] = Turns()
        self._places = float(limits.in_flight)
        self._inside = 0
        self._pause_until = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        # Since the last answer:
        self._failing_since: float | None = None
        self._failed: set[str] = set()
        self._n_failed = self._n_refused = self._n_pauses = 0
        self._said = ""

    @property
    def is_down(self) -> bool:
        """Whether its failures are its own state and not the requests'."""
        several = len(self._failed) > 1 and self._n_failed >= _FAILURES_OF_AN_OUTAGE
        return several or self._n_refused >= _REFUSALS_OF_AN_OUTAGE

    @property
    def trouble(self) -> str:
        """Why nothing comes from it, in one line without figures; empty while all is well."""
        return f"{self._limits.name} is down ({self._said}): waiting for it, nothing is scored meanwhile" if self.is_down else ""

    @asynccontextmanager
    async def turn(self, who: Hashable, *, tokens: int) -> AsyncIterator[Turn]:
        """A place for one attempt, as soon as there is one.

        Args:
            who: Whose turn it is; turns go round.
            tokens: Estimate of what the attempt takes, at least 1.

        Raises:
            EndpointError: It was down for longer than is waited.
        """
        await self._admitted(who, tokens)
        turn = Turn(tokens=tokens)
        try:
            yield turn
        finally:
            self._inside -= 1
            self._tokens.give_back(tokens - turn.tokens)
            self._admit()

    def answered(self) -> None:
        """Note that an attempt was served, whatever the answer."""
        self._failing_since, self._said = None, ""
        self._failed.clear()
        self._n_failed = self._n_refused = self._n_pauses = 0
        self._places = min(self._places + 1.0, self._limits.in_flight)

    def failed(self, request: str, error: CallFailed) -> bool:
        """Note that an attempt failed and not by the request's fault.

        Args:
            request: Tells requests apart.
            error: Its failure.

        Returns:
            Whether it counts as one of the request's attempts: not while the endpoint is busy or down.
        """
        now, is_first = _now(), self._failing_since is None
        self._failing_since = now if is_first else self._failing_since
        self._said = error.failure.message
        self._failed.add(request)
        self._n_failed += 1
        self._n_refused += error.refused
        busy = error.retry_after_s is not None
        if (busy or self.is_down) and now >= self._pause_until:
            # Calls that fail together are one round: they shrink it once.
            self._places = 1.0 if self.is_down else max(1.0, self._places / 2)
            self._pause_until = now + self._backoff_s()
        self._pause_until = max(self._pause_until, now + (error.retry_after_s or 0.0))
        self._end_if_hopeless(now)
        return not busy and not self.is_down

    def _backoff_s(self) -> float:
        longest = min(self._limits.max_backoff_s, self._limits.backoff_s * 2.0**self._n_pauses)
        self._n_pauses += 1
        return longest * self._rng.uniform(_LEAST_JITTER, 1.0)

    def _end_if_hopeless(self, now: float) -> None:
        """Tell everybody who waits that nothing will come."""
        assert self._failing_since is not None  # noqa: S101 (set by whoever calls)
        patience = self._limits.outage_s
        if now - self._failing_since <= patience and self._pause_until - now <= patience:
            return
        error = EndpointError(
            f"{self._limits.name} gave no answer for {max(now, self._pause_until) - self._failing_since:.0f} s ({self._said}): the run "
            "ends here, and nothing was scored meanwhile; see that it answers, then run again"
        )
        for waiter in self._waiting.clear():
            if not waiter.admitted.done():
                waiter.admitted.set_exception(error)
        raise error

    async def _admitted(self, who: Hashable, tokens: int) -> None:
        waiter = _Waiter(tokens=tokens, admitted=asyncio.get_running_loop().create_future())
        self._waiting.push(who, waiter)
        self._admit()
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            if waiter.admitted.done() and not waiter.admitted.cancelled() and waiter.admitted.exception() is None:
                self._inside -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        """Let in whoever may come in now, and see that this is done again when the next may."""
        while self._waiting and self._inside < int(self._places):
            _, waiter = self._waiting.first()
            if not waiter.admitted.done():
                wait_s = max(self._pause_until - _now(), self._requests.wait_s(1), self._tokens.wait_s(waiter.tokens))
                if wait_s > 0:
                    self._admit_in(wait_s)
                    return
                self._requests.take(1)
                self._tokens.take(waiter.tokens)
                self._inside += 1
                waiter.admitted.set_result(None)
            self._waiting.take()

    def _admit_in(self, wait_s: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(wait_s, self._admit)


def _now() -> float:
    return asyncio.get_running_loop().time()
