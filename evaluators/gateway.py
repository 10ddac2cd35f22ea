"""Gateway: the one way from a run to its models. Meters, caches, caps; the only holder of keys, with one owner for the money."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from graftwork.programs.errors import CallFailed, EndpointError, InfrastructureError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Model, Reply, Role, Usage

from .call_store import CallStore, RecordedCall, Reservation, Settlement, call_key
from .chat_request import ChatRequest, sanitise_request
from .endpoint import Endpoint, EndpointLimits
from .group_commit import GroupCommit
from .ledger import CandidateCaps, Ledger
from .loop_thread import LoopThread
from .pool import ProgramCall, Relayed
from .prices import Price

__all__ = ["Gateway", "GatewaySettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway serves.

    Attributes:
        prices: List price by role; a role without one is free unless its model prices its own replies.
        proposer_prices: List price of each proposer by alias, before that of the role.
        named_models: Models that a request may name, each with its list price; others are refused. Its role's endpoint serves it.
        proposer_max_tokens: Output tokens of one proposer call, unless the operator asks for fewer.
        judge_max_tokens: Output tokens of one judge call, unless the scorer asks for fewer.
        endpoints: Limits of each role's endpoint; roles whose limits have the same name share it.
        attempts: How often one call is sent while it alone fails, at least 1; while its endpoint is busy or down it only waits.
        backoff_s: Pause before the second attempt; doubled each time, then drawn between half and all of it.
        patience_s: Wall seconds of one attempt.
        drain_s: Wall seconds that `close` gives to calls in flight, so that they are settled and not in doubt.
    """

    prices: Mapping[Role, Price] = field(default_factory=dict)
    proposer_prices: Mapping[str, Price] = field(default_factory=dict)
    named_models: Mapping[str, Price] = field(default_factory=dict)
    proposer_max_tokens: int = 8192
    judge_max_tokens: int = 1024
    endpoints: Mapping[Role, EndpointLimits] = field(default_factory=dict)
    attempts: int = 4
    backoff_s: float = 1.0
    patience_s: float = 600.0
    drain_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call on its way: what the reservation says, and the request."""

    role: Role
    model: Model
    request: ChatRequest
    price: Price
    bound: Usage
    key: str
    draw: str
    candidate: int
    example_id: str = ""
    component: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """How a call that was sent ended.

    Attributes:
        id: Of its reservation.
        outcome: What it gave.
        seconds: Wall seconds at the endpoint.
        counts: Whether it is one of the attempts that a call has.
        fatal: Why the run cannot go on, or None.
    """

    id: str
    outcome: RecordedCall
    seconds: float
    counts: bool
    fatal: EndpointError | None


@dataclass(slots=True, kw_only=True)
class _Flight:
    """A call that is being made, and how many wait for it."""

    task: asyncio.Task[RecordedCall]
    waiters: int = 0


class Gateway:
    """Makes every model call of a run, on a loop thread of its own. A `Relay` for programs; `propose` for operators.

    A call is answered from the store where the same request with the same draw stands there. Else its upper bound is
    reserved, durably, before it is sent, and settled after; a caller that is cancelled meanwhile changes nothing of that.

    Args:
        models: By role; a call in a role without one is a failure `invalid`.
        store: Where calls are recorded.
        more_proposers: Models in the role `proposer` beside the one in `models`, each under an alias of its own, at the same endpoint.
        ledger: The run's money.
        settings: How to serve.
        rng: Draws pauses and the ids of reservations; must differ between sessions of one run.

    Attributes:
        thread: Where it lives; a pool on this machine may live there too.
    """

    def __init__(
        self,
        models: Mapping[Role, Model],
        store: CallStore,
        *,
        more_proposers: Sequence[Model] = (),
        ledger: Ledger,
        settings: GatewaySettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._models = dict(models)
        self._proposers = {model.alias: model for model in (*_first_proposer(models), *more_proposers)}
        self._store = store
        self._ledger = ledger
        self._settings = settings or GatewaySettings()
        self._rng = rng or random.Random()
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._commit = GroupCommit(store.sync)
        self._closing = False
        self.thread = LoopThread("graftwork-gateway")

    @property
    def spent(self) -> Mapping[Role, Usage]:
        """Settled usage by role, from this session and earlier ones of the run."""
        return self._ledger.spent

    @property
    def aliases(self) -> tuple[str, ...]:
        """The proposers' names in the lineage, the first one's first; empty where the run has none."""
        return tuple(self._proposers)

    def cap_candidates(self, caps: CandidateCaps) -> None:
        """Set each candidate's limits from now on."""
        self._ledger.cap_candidates(caps)

    @property
    def in_flight(self) -> int:
        """Calls that are being made or wait for their turn."""
        return len(self._flights)

    @property
    def trouble(self) -> str:
        """Which endpoints are down and why, in one line; empty while all is well."""
        return "; ".join(trouble for endpoint in tuple(self._endpoints.values()) if (trouble := endpoint.trouble))

    async def call(self, call: ProgramCall) -> Relayed:
        """Make a call for a program; from any loop.

        Raises:
            CeilingReached: The run's budget is spent.
            EndpointError: The endpoint refuses the key or the model's name, or was down for too long.
            InfrastructureError: The gateway is closed.
        """
        return await self.thread.awaitable(self._call(call))

    async def propose(self, body: Mapping[str, object], *, brief: int, attempt: int, alias: str) -> Relayed:
        """Make a call for an operator; from any loop.

        Args:
            body: Chat-completion body.
            brief: Number of the brief; the call is booked to its candidate.
            attempt: Tells this brief's calls apart, from 0.
            alias: The proposer, of `aliases`.

        Raises:
            CeilingReached: The run's budget is spent.
            EndpointError: The endpoint refuses the key or the model's name, or was down for too long.
            InfrastructureError: The gateway is closed.
        """
        return await self.thread.awaitable(self._propose(body, alias, brief, attempt))

    async def judge(self, body: Mapping[str, object], *, candidate: int, example_id: str, draw: str) -> Relayed:
        """Make a call for a scorer; from any loop. No candidate's caps hold for it, the judge's own ceiling does.

        Args:
            body: Chat-completion body.
            candidate: Number of the brief whose output is judged; the call is booked to it.
            example_id: The example that it was given on.
            draw: Tells equal requests apart.

        Raises:
            CeilingReached: The run's budget is spent, or the judge's.
            EndpointError: The endpoint refuses the key or the model's name, or was down for too long.
            InfrastructureError: The gateway is closed.
        """
        return await self.thread.awaitable(self._judge(body, candidate, example_id, draw))

    def close(self) -> None:
        """Let calls in flight settle for `drain_s`, release the models and stop. Calling it twice is harmless."""
        if not self._closing:
            self.thread.run(self._drain())
        self.thread.close()

    async def _call(self, call: ProgramCall) -> Relayed:
        started = _now()
        # The caps are made for the search; confirmation and test have more examples, and the run's ceiling still holds.
        capped = call.draw.startswith("search/")
        try:
            allowed = {*self._settings.named_models, *(role for role in self._models if role != "judge")}
            request = sanitise_request(call.body, max_tokens=call.max_tokens, models=allowed)
            role = self._role(request)
            going = self._prepare(role, request, candidate=call.candidate, draw=call.draw, model=self._models.get(role))
            self._ledger.enter(call.candidate, run_id=call.run_id, max_calls=call.max_calls, capped=capped)
        except CallFailed as error:
            return Relayed(failure=error.failure, usage=Usage(), seconds=_now() - started)
        recorded = await self._make(replace(going, example_id=call.example_id, component=call.component, path=call.path))
        self._ledger.leave(call.candidate, usage=recorded.usage, capped=capped)
        return _relayed(recorded, started)

    async def _propose(self, body: Mapping[str, object], alias: str, brief: int, attempt: int) -> Relayed:
        started = _now()
        try:
            limit = self._settings.proposer_max_tokens
            request = sanitise_request(body, max_tokens=limit, models=self._settings.named_models)
            model = self._proposers.get(alias)
            going = self._prepare("proposer", request, candidate=brief, draw=f"b{brief}/{attempt}", model=model)
            self._ledger.enter(brief)
        except CallFailed as error:
            return Relayed(failure=error.failure, usage=Usage(), seconds=_now() - started)
        recorded = await self._make(going)
        self._ledger.leave(brief, usage=recorded.usage)
        return _relayed(recorded, started)

    async def _judge(self, body: Mapping[str, object], candidate: int, example_id: str, draw: str) -> Relayed:
        started = _now()
        try:
            request = sanitise_request(body, max_tokens=self._settings.judge_max_tokens)
            going = self._prepare("judge", request, candidate=candidate, draw=draw, model=self._models.get("judge"))
        except CallFailed as error:
            return Relayed(failure=error.failure, usage=Usage(), seconds=_now() - started)
        return _relayed(await self._make(replace(going, example_id=example_id, component="judge")), started)

    def _role(self, request: ChatRequest) -> Role:
        """Whose model a program's request is for: the one that it names by its role, else the task's."""
        for role in self._models:
            if role == request.model:
                return role
        return "task"

    def _prepare(self, role: Role, request: ChatRequest, *, candidate: int, draw: str, model: Model | None) -> _Call:
        if model is None:
            raise CallFailed(Failure(kind="invalid", message=f"this run has no model in the role {role!r}: give it one, or call none"))
        if request.model == role:
            request = request.without_model()
        settings = self._settings
        price = settings.named_models.get(request.model) or settings.prices.get(role, Price())
        if role == "proposer" and not request.model:
            price = settings.proposer_prices.get(model.alias, price)
        return _Call(
            role=role,
            model=model,
            request=request,
            price=price,
            bound=request.upper_bound(price),
            key=call_key(role, alias=model.alias, body=request.body),
            draw=draw,
            candidate=candidate,
        )

    async def _make(self, call: _Call) -> RecordedCall:
        recorded = self._store.find(call.key, call.draw)
        if recorded is not None:
            return recorded
        if self._closing:
            raise InfrastructureError("the gateway is closed")
        flight = self._flights.get((call.key, call.draw))
        if flight is None:
            flight = _Flight(task=asyncio.create_task(self._fly(call)))
            flight.task.add_done_callback(_retrieve)
            self._flights[call.key, call.draw] = flight
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1

    async def _fly(self, call: _Call) -> RecordedCall:
        """Send a call until it is answered for good, its attempts are spent, or nobody waits for it any more."""
        settings, flight, endpoint = self._settings, self._flights[call.key, call.draw], self._endpoint(call.role)
        outcome, n_counted = _abandoned("nobody waits for this model call any more"), 0
        try:
            for attempt in itertools.count():
                async with endpoint.turn((call.role, call.candidate), tokens=call.request.estimated_tokens) as turn:
                    if not flight.waiters:
                        return outcome
                    attempted = await self._attempt(call, attempt, endpoint)
                    outcome = attempted.outcome
                    if outcome.reply is not None:
                        turn.tokens = outcome.usage.tokens
                # Its place is the next call's, so that one sync makes this settlement and that reservation durable.
                await self._settle(attempted)
                n_counted += attempted.counts
                if outcome.lasts or n_counted == settings.attempts:
                    break
                if attempted.counts:
                    await asyncio.sleep(settings.backoff_s * 2 ** (n_counted - 1) * self._rng.uniform(0.5, 1.0))
            return outcome
        finally:
            del self._flights[call.key, call.draw]

    def _endpoint(self, role: Role) -> Endpoint:
        limits = self._settings.endpoints.get(role, EndpointLimits())
        if limits.name not in self._endpoints:
            self._endpoints[limits.name] = Endpoint(limits, self._rng)
        return self._endpoints[limits.name]

    async def _attempt(self, call: _Call, attempt: int, endpoint: Endpoint) -> _Attempt:
        """What came of sending a call once."""
        call_id = await self._reserve(call, attempt)
        started, counts = _now(), True
        fatal: EndpointError | None = None
        try:
            reply = await self._answer(call)
            outcome = RecordedCall(reply=reply, usage=self._priced(call, reply))
        except CallFailed as error:
            outcome = RecordedCall(failure=error.failure, usage=call.bound if error.in_doubt else Usage())
            if not outcome.lasts:
                try:
                    counts = endpoint.failed(f"{call.key}/{call.draw}", error)
                except EndpointError as hopeless:
                    fatal = hopeless
        except EndpointError as error:
            fatal, outcome = error, RecordedCall(failure=Failure(kind="model", message=str(error)), usage=Usage())
        if outcome.lasts:
            endpoint.answered()
        return _Attempt(id=call_id, outcome=outcome, seconds=_now() - started, counts=counts, fatal=fatal)

    async def _answer(self, call: _Call) -> Reply:
        try:
            async with asyncio.timeout(self._settings.patience_s):
                return await call.model.complete(call.request.body, draw=call.draw)
        except TimeoutError:
            message = f"the endpoint gave no answer within {self._settings.patience_s:g} s"
            raise CallFailed(Failure(kind="model", message=message)) from None

    async def _reserve(self, call: _Call, attempt: int) -> str:
        call_id = f"{self._rng.getrandbits(64):016x}"
        self._ledger.reserve(call_id, role=call.role, bound=call.bound)
        self._store.reserve(
            Reservation(
                id=call_id,
                role=call.role,
                key=call.key,
                draw=call.draw,
                candidate=call.candidate,
                example_id=call.example_id,
                component=call.component,
                path=call.path,
                attempt=attempt,
                reserved=call.bound,
            )
        )
        await self._commit.durable()
        return call_id

    async def _settle(self, attempted: _Attempt) -> None:
        """Book what an attempt did cost, durably.

        Raises:
            EndpointError: What the attempt found out.
        """
        outcome = attempted.outcome
        self._store.settle(
            Settlement(id=attempted.id, reply=outcome.reply, failure=outcome.failure, usage=outcome.usage, seconds=attempted.seconds)
        )
        self._ledger.settle(attempted.id, outcome.usage)
        await self._commit.durable()
        if attempted.fatal is not None:
            raise attempted.fatal

    def _priced(self, call: _Call, reply: Reply) -> Usage:
        """What a reply is booked at: as counted; at its bound where the endpoint counted nothing, for a reply is never free."""
        usage = reply.usage
        if not usage.tokens:
            return call.bound
        usd = usage.usd or call.price.usd(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        return replace(usage, usd=usd, calls=1)

    async def _drain(self) -> None:
        self._closing = True
        tasks = [flight.task for flight in self._flights.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.drain_s)
        for model in {id(model): model for model in (*self._models.values(), *self._proposers.values())}.values():
            await model.aclose()


def _first_proposer(models: Mapping[Role, Model]) -> tuple[Model, ...]:
    return (models["proposer"],) if "proposer" in models else ()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _abandoned(message: str) -> RecordedCall:
    return RecordedCall(failure=Failure(kind="infrastructure", message=message), usage=Usage())


def _relayed(recorded: RecordedCall, started: float) -> Relayed:
    return Relayed(reply=recorded.reply, failure=recorded.failure, usage=recorded.usage, seconds=_now() - started)


def _retrieve(task: asyncio.Task[RecordedCall]) -> None:
    # Every waiter may have been cancelled; an exception that nobody fetches would be reported as lost.
    if not task.cancelled():
        task.exception()
