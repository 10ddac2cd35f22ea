"""Pool: where programs run. Local and Ray pools give equal outcomes; one conformance class holds them to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Usage

from .evaluation import Outcome, Work

__all__ = ["Pool", "ProgramCall", "Relay", "Relayed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCall:
    """A model call that a program wishes to make, as the pool passes it to the gateway.

    Attributes:
        candidate: Whose call it is: the work's number; caps and costs are booked to it.
        digest: The program's digest.
        example_id: The example that it ran on.
        body: Chat-completion body as the child sent it, already checked to be a JSON object; hostile otherwise.
        component: The prompt that asks; claimed by the child.
        path: Call path; claimed.
        draw: Canonical: `<purpose>/<repeat>/<path of the call>#<occurrence>`; the child's wish cannot leave its purpose.
        run_id: Unique to this run of the program on this example; the cap of calls counts by it.
        max_calls: Calls allowed in this run of the program.
        max_tokens: Output tokens allowed in this call.
    """

    candidate: int
    digest: str
    example_id: str
    body: Mapping[str, object]
    component: str
    path: str
    draw: str
    run_id: str
    max_calls: int
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """What the gateway gave for a call: a reply, or a failure.

    Attributes:
        reply: The model's answer, or None.
        failure: Why there is none, or None.
        usage: What it cost at list price; also for a hit in the cache.
        seconds: Wall seconds at the gateway.
    """

    reply: Reply | None = None
    failure: Failure | None = None
    usage: Usage
    seconds: float = 0.0


class Relay(Protocol):
    """The way from a pool to the gateway: a function call in the driver, an authenticated socket from elsewhere."""

    async def call(self, call: ProgramCall) -> Relayed:
        """Have one model call made.

        Raises:
            CeilingReached: The run's budget is spent; the work stops.
            InfrastructureError: The gateway cannot be reached.
        """
        ...


class Pool(Protocol):
    """Runs programs in sandboxed children. Never in this process, never with a key.

    Every implementation passes `tests/evaluators/test_pools.py::PoolConformance`.
    """

    @property
    def slots(self) -> int:
        """Cases that run at the same time, at least 1."""
        ...

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        """Run every case; outcomes come in the order of the cases.

        What a program does wrong is a failure in its outcome. Cancelling the awaiting task kills the children.

        Raises:
            CeilingReached: The run's budget is spent.
            InfrastructureError: Workers were lost more often than is retried.
        """
        ...

    def stream(self, work: Work) -> AsyncGenerator[Outcome, None]:
        """Run every case; outcomes come as they end. Closing the iterator kills the children.

        Raises:
            GraftworkError: As `run`.
        """
        ...

    async def aclose(self) -> None:
        """Kill every child and wait until they are gone; works end with an `InfrastructureError`. Calling it twice is harmless."""
        ...
