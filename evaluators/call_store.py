"""CallStore: the durable record of model calls, the gateway's cache and its memory across restarts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Role, Usage

from .canonical import canonical_json

__all__ = ["Booked", "CallStore", "MemoryCallStore", "RecordedCall", "Reservation", "Settlement", "call_key"]


def call_key(role: Role, *, alias: str, body: Mapping[str, object]) -> str:
    """32 hexadecimal digits that name a request; with a draw they name a reply.

    Args:
        role: The model's role.
        alias: The model's alias, which stands for an endpoint and its default model.
        body: The whole request; where it names a model, that is in the digest by itself too.
    """
    return blake2b(canonical_json([role, alias, body.get("model"), body]), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A model call that is about to be sent. Durable before it is.

    Attributes:
        id: Unique to this attempt, across restarts too; ties the settlement to it.
        role: Who asks.
        key: From `call_key`.
        draw: Which reply to that request.
        candidate: Number of the brief that it is booked to; 0 for the seed.
        example_id: The example that the program ran on; empty for the proposer.
        component: The prompt that asks, as the child claims; empty for the proposer.
        path: Its call path, as the child claims; empty for the proposer.
        attempt: From 0; later attempts follow failures of the endpoint.
        reserved: The most that it can cost; `calls` is 1.
    """

    id: str
    role: Role
    key: str
    draw: str
    candidate: int
    example_id: str = ""
    component: str = ""
    path: str = ""
    attempt: int = 0
    reserved: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How a reserved call ended: with a reply, or with a failure.

    Attributes:
        id: The reservation's.
        reply: The model's answer, or None.
        failure: Why there is none, or None.
        usage: What it is booked at: as the endpoint counted, the whole reservation where it is in doubt whether the
            endpoint billed it, nothing where the endpoint did not serve it.
        seconds: Wall seconds at the endpoint.
    """

    id: str
    reply: Reply | None = None
    failure: Failure | None = None
    usage: Usage
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """What a request with its draw gives, now and in every replay.

    Attributes:
        reply: The model's answer, or None.
        failure: Why there is none, or None.
        usage: What that answer cost at list price, attempts before it left out.
    """

    reply: Reply | None = None
    failure: Failure | None = None
    usage: Usage

    @property
    def lasts(self) -> bool:
        """Whether the same request gives the same again; the endpoint's trouble passes and is asked again."""
        return self.failure is None or self.failure.is_the_programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """Spending on record.

    Attributes:
        role: Whose it is.
        usage: One call's, or the sum of several.
    """

    role: Role
    usage: Usage


class CallStore(Protocol):
    """Where model calls are recorded. Used from the gateway's loop only, but for `sync`; each call should take less than a millisecond.

    Every implementation passes `tests/evaluators/test_gateway.py::CallStoreConformance`.
    """

    def find(self, key: str, draw: str) -> RecordedCall | None:
        """What was settled for that request and draw and lasts (`RecordedCall.lasts`), the first such; or None."""
        ...

    def reserve(self, call: Reservation) -> None:
        """Record that a call is about to be sent; `sync` makes it durable, and is waited for before it is sent.

        Raises:
            RunError: If it cannot be written.
        """
        ...

    def settle(self, call: Settlement) -> None:
        """Record how a reserved call ended; `sync` makes it durable, and is waited for before the answer is given.

        Raises:
            RunError: If it cannot be written.
        """
        ...

    def sync(self) -> None:
        """Make what was recorded durable: it survives the death of process and machine. Blocks; called from any thread.

        Raises:
            RunError: If it cannot be written.
        """
        ...

    def booked(self) -> Iterator[Booked]:
        """Everything spent so far: settlements at their usage, reservations without one at what they reserved."""
        ...


class MemoryCallStore:
    """A call store that ends with the process: for tests and for runs that keep no record."""

    def __init__(self) -> None:
        self._reservations: dict[str, Reservation] = {}
        self._settlements: dict[str, Settlement] = {}
        self._recorded: dict[tuple[str, str], RecordedCall] = {}

    def find(self, key: str, draw: str) -> RecordedCall | None:
        """What was settled for that request and draw and lasts; or None."""
        return self._recorded.get((key, draw))

    def reserve(self, call: Reservation) -> None:
        """Record that a call is about to be sent."""
        self._reservations[call.id] = call

    def settle(self, call: Settlement) -> None:
        """Record how a reserved call ended."""
        self._settlements[call.id] = call
        recorded = RecordedCall(reply=call.reply, failure=call.failure, usage=call.usage)
        if recorded.lasts:
            reservation = self._reservations[call.id]
            self._recorded.setdefault((reservation.key, reservation.draw), recorded)

    def sync(self) -> None:
        """Do nothing: it ends with the process."""

    def booked(self) -> Iterator[Booked]:
        """Everything spent so far."""
        for reservation in self._reservations.values():
            settlement = self._settlements.get(reservation.id)
            yield Booked(role=reservation.role, usage=settlement.usage if settlement else reservation.reserved)

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """In the order in which they were made."""
        return tuple(self._reservations.values())

    @property
    def settlements(self) -> tuple[Settlement, ...]:
        """In the order in which they were made."""
        return tuple(self._settlements.values())
