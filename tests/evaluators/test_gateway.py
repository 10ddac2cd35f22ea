"""The gateway: metering, cache, single flight, caps, retries, and money that is right whatever happens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from graftwork.evaluators.call_store import Booked, CallStore, MemoryCallStore, RecordedCall, Reservation, Settlement, call_key
from graftwork.evaluators.endpoint import EndpointLimits
from graftwork.evaluators.gateway import Gateway, GatewaySettings
from graftwork.evaluators.ledger import CandidateCaps, Ceilings, Ledger
from graftwork.evaluators.pool import ProgramCall, Relayed
from graftwork.evaluators.prices import Price
from graftwork.programs.errors import CallFailed, CeilingReached, EndpointError, InfrastructureError
from graftwork.programs.failure import Failure, FailureKind
from graftwork.programs.model import Reply, Usage

Body = Mapping[str, Any]
Script = Callable[[Body, str], Reply | Awaitable[Reply]]

PRICE = Price(input_usd_per_mtok=1.0, output_usd_per_mtok=2.0)
LIMITS = EndpointLimits(backoff_s=0.001, max_backoff_s=0.01)
QUICK = GatewaySettings(
    prices={"task": PRICE, "proposer": PRICE}, endpoints={"task": LIMITS, "proposer": LIMITS}, backoff_s=0.001, drain_s=0.2
)
USAGE = Usage(input_tokens=10, output_tokens=5)


def answer(body: Body, draw: str) -> Reply:
    return Reply(text=f"{body['messages'][-1]['content']} {draw}", usage=USAGE)


def failing(kind: FailureKind, *, in_doubt: bool | None = None) -> CallFailed:
    return CallFailed(Failure(kind=kind, message="no reply"), in_doubt=in_doubt)


class FakeModel:
    """A model whose reply is a function of (body, draw); it counts what it served, as an endpoint does."""

    def __init__(self, script: Script = answer) -> None:
        self.alias = "fake"
        self.asked: list[tuple[Body, str]] = []
        self.served = Usage()
        self.at_once = self.most_at_once = 0
        self.closed = False
        self._script = script

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        self.asked.append((body, draw))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            reply = self._script(body, draw)
            reply = reply if isinstance(reply, Reply) else await reply
        finally:
            self.at_once -= 1
        self.served += replace(reply.usage, calls=1)
        return reply

    async def aclose(self) -> None:
        self.closed = True


@contextmanager
def opened(
    model: FakeModel,
    *,
    store: CallStore | None = None,
    ledger: Ledger | None = None,
    settings: GatewaySettings = QUICK,
) -> Iterator[Gateway]:
    ledger = ledger or Ledger(Ceilings())
    gateway = Gateway({"task": model, "proposer": model}, store or MemoryCallStore(), ledger=ledger, settings=settings)
    try:
        yield gateway
    finally:
        gateway.close()


def a_call(text: str = "hello", draw: str = "search/0/0#0", **changes: Any) -> ProgramCall:
    call = ProgramCall(
        candidate=3,
        digest="d",
        example_id="e",
        body={"messages": [{"role": "user", "content": text}]},
        component="work",
        path="0",
        draw=draw,
        run_id="run",
        max_calls=100,
        max_tokens=50,
    )
    return replace(call, **changes)


def call_all(gateway: Gateway, *calls: ProgramCall) -> list[Relayed]:
    async def together() -> list[Relayed]:
        return await asyncio.gather(*(gateway.call(call) for call in calls))

    return asyncio.run(together())


def wait_until_idle(gateway: Gateway) -> None:
    while gateway.in_flight:
        time.sleep(0.001)


def text_of(relayed: Relayed) -> str:
    assert relayed.reply is not None, relayed.failure
    return relayed.reply.text


class CallStoreConformance:
    """What every call store does. Subclasses give `store`."""

    @pytest.fixture
    def store(self) -> CallStore:
        raise NotImplementedError

    def _reserve(self, store: CallStore, call_id: str, draw: str = "search/0/0#0") -> None:
        reserved = Usage(input_tokens=100, output_tokens=50, usd=0.25, calls=1)
        store.reserve(Reservation(id=call_id, role="task", key="k", draw=draw, candidate=3, reserved=reserved))

    def test_a_settled_reply_is_found_under_its_key_and_draw_only(self, store: CallStore) -> None:
        self._reserve(store, "1")
        assert store.find("k", "search/0/0#0") is None
        reply = Reply(text="hi", usage=replace(USAGE, usd=0.5, calls=1))
        store.settle(Settlement(id="1", reply=reply, usage=reply.usage, seconds=0.1))
        assert store.find("k", "search/0/0#0") == RecordedCall(reply=reply, usage=reply.usage)
        assert store.find("k", "confirm/0/0#0") is None
        assert store.find("other", "search/0/0#0") is None

    def test_a_failure_of_the_endpoint_is_not_found_and_a_refused_request_is(self, store: CallStore) -> None:
        for call_id, kind, found in (("1", "model", False), ("2", "invalid", True)):
            self._reserve(store, call_id)
            failure = Failure(kind=kind, message="no")  # type: ignore[arg-type]  # a literal from a tuple is a str to mypy
            store.settle(Settlement(id=call_id, failure=failure, usage=Usage()))
            assert (store.find("k", "search/0/0#0") is not None) is found

    def test_what_is_booked_is_settlements_and_the_whole_of_what_is_open(self, store: CallStore) -> None:
        self._reserve(store, "1")
        self._reserve(store, "2", "search/1/0#0")
        store.settle(Settlement(id="1", reply=Reply(text=""), usage=Usage(input_tokens=1, usd=0.125, calls=1)))
        booked = list(store.booked())
        assert {entry.role for entry in booked} == {"task"}
        total = sum((entry.usage for entry in booked), Usage())
        assert total == Usage(input_tokens=101, output_tokens=50, usd=0.375, calls=2)


class TestMemoryCallStore(CallStoreConformance):
    @pytest.fixture
    def store(self) -> CallStore:
        return MemoryCallStore()


def test_a_call_is_answered_and_booked_at_list_price_to_its_role() -> None:
    with opened(FakeModel()) as gateway:
        (relayed,) = call_all(gateway, a_call())
        assert text_of(relayed) == "hello search/0/0#0"
        assert relayed.usage == Usage(input_tokens=10, output_tokens=5, usd=20e-6, calls=1)
        assert gateway.spent["task"] == relayed.usage
        assert gateway.spent["proposer"] == Usage()


def test_the_proposer_draws_by_brief_and_attempt_and_is_booked_apart() -> None:
    model = FakeModel()
    with opened(model) as gateway:
        body = {"messages": [{"role": "user", "content": "write"}], "max_tokens": 7}
        first = asyncio.run(gateway.propose(body, brief=4, attempt=0, alias="fake"))
        second = asyncio.run(gateway.propose(body, brief=4, attempt=1, alias="fake"))
        assert (text_of(first), text_of(second)) == ("write b4/0", "write b4/1")
        assert gateway.spent["proposer"].calls == 2
        assert gateway.spent["task"].calls == 0
        assert gateway.aliases == ("fake",)
    assert [body["max_tokens"] for body, _ in model.asked] == [7, 7]


def test_the_judge_is_booked_apart_and_no_program_can_ask_it() -> None:
    model, ledger = FakeModel(), Ledger(Ceilings(), caps=CandidateCaps(calls=0))
    gateway = Gateway({"judge": model}, MemoryCallStore(), ledger=ledger, settings=QUICK)
    try:
        body = {"messages": [{"role": "user", "content": "grade it"}]}
        first, again = (asyncio.run(gateway.judge(body, candidate=3, example_id="e", draw="search/0/judge#0")) for _ in range(2))
        assert text_of(first) == text_of(again) == "grade it search/0/judge#0"
        assert (gateway.spent["judge"].calls, len(model.asked)) == (1, 1)
        asked = a_call(body={**body, "model": "judge"})
        (refused,) = call_all(gateway, asked)
        assert refused.failure is not None
        assert refused.failure.kind == "invalid"
        assert len(model.asked) == 1
    finally:
        gateway.close()


def test_a_repeated_call_is_a_hit_that_costs_nothing_and_counts_at_its_price() -> None:
    model, ledger = FakeModel(), Ledger(Ceilings(), caps=CandidateCaps(calls=2))
    with opened(model, ledger=ledger) as gateway:
        (live,), (hit,) = call_all(gateway, a_call()), call_all(gateway, a_call())
        assert (hit.reply, hit.usage) == (live.reply, live.usage)
        assert gateway.spent["task"].calls == len(model.asked) == 1
        (refused,) = call_all(gateway, a_call())
        assert refused.failure is not None
        assert refused.failure.kind == "budget"


def test_another_draw_or_another_request_is_no_hit() -> None:
    model = FakeModel()
    with opened(model) as gateway:
        calls = (a_call(), a_call(draw="search/1/0#0"), a_call("other"), a_call(draw="confirm/0/0#0"))
        assert len({text_of(relayed) for relayed in call_all(gateway, *calls)}) == 4
    assert len(model.asked) == 4


def test_a_resumed_run_pays_for_no_call_twice() -> None:
    model, store = FakeModel(), MemoryCallStore()
    with opened(model, store=store) as gateway:
        before = call_all(gateway, a_call(), a_call("other"))
        spent = gateway.spent
    with opened(model, store=store, ledger=Ledger(Ceilings(), booked=store.booked())) as gateway:
        after = call_all(gateway, a_call(), a_call("other"))
        assert gateway.spent["task"] == spent["task"]
    assert [(r.reply, r.usage) for r in after] == [(r.reply, r.usage) for r in before]
    assert len(model.asked) == 2


def test_identical_calls_at_the_same_time_are_sent_once() -> None:
    async def slowly(body: Body, draw: str) -> Reply:
        await asyncio.sleep(0.02)
        return answer(body, draw)

    model = FakeModel(slowly)
    with opened(model) as gateway:
        relayed = call_all(gateway, *(a_call(candidate=number) for number in range(10)))
        assert {text_of(one) for one in relayed} == {"hello search/0/0#0"}
        assert gateway.spent["task"].calls == len(model.asked) == 1


def test_no_more_calls_than_allowed_are_in_flight() -> None:
    async def slowly(body: Body, draw: str) -> Reply:
        await asyncio.sleep(0.005)
        return answer(body, draw)

    model = FakeModel(slowly)
    with opened(model, settings=replace(QUICK, endpoints={"task": replace(LIMITS, in_flight=3)})) as gateway:
        call_all(gateway, *(a_call(str(number)) for number in range(12)))
    assert model.most_at_once == 3


def test_an_answer_and_the_call_that_gets_its_place_are_made_durable_together() -> None:
    synced: list[tuple[int, int]] = []

    class CountingStore(MemoryCallStore):
        def sync(self) -> None:
            synced.append((len(self.reservations), len(self.settlements)))

    async def once_all_wait(body: Body, draw: str) -> Reply:
        while len(model.asked) == 1 and gateway.in_flight < 3:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)
        return answer(body, draw)

    model = FakeModel(once_all_wait)
    one_place = replace(QUICK, endpoints={"task": replace(LIMITS, in_flight=1)})
    with opened(model, store=CountingStore(), settings=one_place) as gateway:
        call_all(gateway, a_call("one"), a_call("two"), a_call("three"))
    assert synced == [(1, 0), (2, 1), (3, 2), (3, 3)]


def test_calls_from_several_loops_are_served() -> None:
    with opened(FakeModel()) as gateway:
        texts: list[str] = []
        threads = [threading.Thread(target=lambda n=n: texts.append(text_of(asyncio.run(gateway.call(a_call(str(n))))))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(texts) == [f"{n} search/0/0#0" for n in range(4)]


def test_a_reservation_is_on_record_before_the_call_is_sent_and_bounds_what_it_costs() -> None:
    store = MemoryCallStore()

    def script(body: Body, draw: str) -> Reply:
        (reservation,) = store.reservations
        assert (reservation.draw, reservation.candidate, reservation.example_id) == (draw, 3, "e")
        assert reservation.key == call_key("task", alias="fake", body=body)
        assert reservation.reserved.output_tokens == body["max_tokens"] == 50
        assert reservation.reserved.input_tokens > 64 + len("hello")
        return answer(body, draw)

    with opened(FakeModel(script), store=store) as gateway:
        text_of(call_all(gateway, a_call())[0])
    (reservation,), (settlement,) = store.reservations, store.settlements
    assert settlement.id == reservation.id
    assert settlement.usage.usd <= reservation.reserved.usd


def test_the_ceiling_ends_the_run_before_the_call_is_sent() -> None:
    model = FakeModel()
    with opened(model, ledger=Ledger(Ceilings(calls=1))) as gateway:
        call_all(gateway, a_call())
        with pytest.raises(CeilingReached, match="1 calls"):
            call_all(gateway, a_call("other"))
        text_of(call_all(gateway, a_call())[0])
    assert len(model.asked) == 1


def test_the_ledger_equals_the_endpoints_count_when_no_call_was_in_doubt() -> None:
    failed: Counter[str] = Counter()

    def flaky(body: Body, draw: str) -> Reply:
        failed[draw] += 1
        if failed[draw] == 1:
            raise failing("model", in_doubt=False)
        return answer(body, draw)

    model = FakeModel(flaky)
    with opened(model) as gateway:
        relayed = call_all(gateway, *(a_call(draw=f"search/0/{n}#0") for n in range(5)))
        assert all(one.reply for one in relayed)
        assert replace(gateway.spent["task"], usd=0.0) == model.served


def test_a_call_in_doubt_counts_as_spent_in_full_and_is_tried_again() -> None:
    store, attempts = MemoryCallStore(), iter(range(9))

    def flaky(body: Body, draw: str) -> Reply:
        if next(attempts) == 0:
            raise failing("model")
        return answer(body, draw)

    with opened(FakeModel(flaky), store=store) as gateway:
        (relayed,) = call_all(gateway, a_call())
        first, second = store.reservations
        assert (first.attempt, second.attempt) == (0, 1)
        assert gateway.spent["task"] == first.reserved + relayed.usage
        # What the search's arithmetic sees is what a replay will see: the reply alone.
        assert relayed.usage.tokens == USAGE.tokens


def test_an_endpoint_that_keeps_failing_is_given_up_and_asked_again_next_time() -> None:
    def down(_body: Body, _draw: str) -> Reply:
        raise failing("model", in_doubt=False)

    model = FakeModel(down)
    with opened(model) as gateway:
        for n_asked in (4, 8):
            (relayed,) = call_all(gateway, a_call())
            assert relayed.failure is not None
            assert relayed.failure.kind == "model"
            assert len(model.asked) == n_asked
        assert gateway.spent["task"] == Usage()


def test_a_request_that_the_endpoint_rejects_is_not_tried_again() -> None:
    def rejects(_body: Body, _draw: str) -> Reply:
        raise failing("invalid")

    model = FakeModel(rejects)
    with opened(model) as gateway:
        for _ in range(2):
            (relayed,) = call_all(gateway, a_call())
            assert relayed.failure is not None
            assert relayed.failure.kind == "invalid"
    assert len(model.asked) == 1


def test_an_endpoint_without_an_answer_fails_in_time() -> None:
    async def never(body: Body, draw: str) -> Reply:
        await asyncio.sleep(60)
        return answer(body, draw)

    with opened(FakeModel(never), settings=replace(QUICK, patience_s=0.05)) as gateway:
        (relayed,) = call_all(gateway, a_call())
        assert relayed.failure is not None
        assert "no answer within 0.05 s" in relayed.failure.message
        assert gateway.spent["task"].calls == QUICK.attempts  # each may have been served


def test_while_its_endpoint_is_down_a_call_waits_and_is_then_answered() -> None:
    asked: Counter[str] = Counter()
    answering = threading.Event()

    def down(body: Body, draw: str) -> Reply:
        asked[body["messages"][0]["content"]] += 1
        if answering.is_set():
            return answer(body, draw)
        raise failing("model", in_doubt=False)

    def mend() -> None:
        while not gateway.trouble or sum(asked.values()) < 40:
            time.sleep(0.001)
        said.append(gateway.trouble)
        answering.set()

    said: list[str] = []
    with opened(FakeModel(down)) as gateway:
        mender = threading.Thread(target=mend)
        mender.start()
        relayed = call_all(gateway, *(a_call(str(number)) for number in range(8)))
        mender.join()
        assert said[0].startswith("the endpoint is down (no reply): waiting")
        assert [text_of(one) for one in relayed] == [f"{number} search/0/0#0" for number in range(8)]
        assert gateway.trouble == ""
        assert gateway.spent["task"].calls == 8
    assert max(asked.values()) > 4  # more than its attempts


def test_one_request_that_always_fails_is_given_up_while_others_are_answered() -> None:
    def poisoned(body: Body, draw: str) -> Reply:
        if body["messages"][0]["content"] == "poison":
            raise failing("model", in_doubt=False)
        return answer(body, draw)

    model = FakeModel(poisoned)
    with opened(model) as gateway:
        relayed = call_all(gateway, a_call("poison"), *(a_call(str(number)) for number in range(8)))
        assert [one.failure.kind if one.failure else None for one in relayed] == ["model", *[None] * 8]
    assert len(model.asked) == 4 + 8


def test_an_endpoint_that_is_down_for_too_long_ends_the_run() -> None:
    def down(_body: Body, _draw: str) -> Reply:
        raise failing("model", in_doubt=False)

    settings = replace(QUICK, endpoints={"task": replace(LIMITS, outage_s=0.05)})
    with (
        opened(FakeModel(down), settings=settings) as gateway,
        pytest.raises(EndpointError, match=r"the endpoint gave no answer .*no reply"),
    ):
        call_all(gateway, *(a_call(str(number)) for number in range(8)))


def test_a_refused_key_ends_the_run_and_costs_nothing() -> None:
    def refused(_body: Body, _draw: str) -> Reply:
        raise EndpointError("the key is refused")

    store = MemoryCallStore()
    with opened(FakeModel(refused), store=store) as gateway:
        with pytest.raises(EndpointError, match="the key is refused"):
            call_all(gateway, a_call())
        assert gateway.spent["task"] == Usage()
        assert len(store.settlements) == 1


def test_a_reply_without_a_count_is_booked_at_its_bound() -> None:
    def uncounted(_body: Body, _draw: str) -> Reply:
        return Reply(text="hi")

    with opened(FakeModel(uncounted)) as gateway:
        (relayed,) = call_all(gateway, a_call())
        assert relayed.usage.output_tokens == 50
        assert gateway.spent["task"] == relayed.usage


def test_a_cancelled_caller_leaves_the_call_settled() -> None:
    sent, go = threading.Event(), threading.Event()

    async def held(body: Body, draw: str) -> Reply:
        sent.set()
        await asyncio.to_thread(go.wait)
        return answer(body, draw)

    async def cancel() -> None:
        task = asyncio.create_task(gateway.call(a_call()))
        await asyncio.to_thread(sent.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()

    store = MemoryCallStore()
    with opened(FakeModel(held), store=store) as gateway:
        asyncio.run(cancel())
        wait_until_idle(gateway)
        assert gateway.spent["task"].calls == 1
        assert len(store.settlements) == 1
        text_of(call_all(gateway, a_call())[0])
        assert gateway.spent["task"].calls == 1


def test_a_call_that_nobody_waits_for_any_more_is_not_tried_again() -> None:
    sent = threading.Event()

    async def down(_body: Body, _draw: str) -> Reply:
        sent.set()
        await asyncio.sleep(0.01)
        raise failing("model")

    async def cancel() -> None:
        task = asyncio.create_task(gateway.call(a_call()))
        await asyncio.to_thread(sent.wait)
        task.cancel()

    model = FakeModel(down)
    with opened(model) as gateway:
        asyncio.run(cancel())
        wait_until_idle(gateway)
    assert len(model.asked) == 1


def test_a_run_makes_no_more_calls_than_its_limit_hits_included() -> None:
    with opened(FakeModel()) as gateway:
        calls = [call_all(gateway, a_call(max_calls=2))[0] for _ in range(3)]
        assert [call.failure.kind if call.failure else None for call in calls] == [None, None, "budget"]


def test_caps_of_candidates_hold_in_the_search_and_not_in_confirmation() -> None:
    with opened(FakeModel()) as gateway:
        gateway.cap_candidates(CandidateCaps(calls=1))
        relayed = call_all(gateway, a_call(), a_call("other"), a_call("other", draw="confirm/0/0#0"))
        assert [one.failure.kind if one.failure else None for one in relayed] == [None, "budget", None]


def test_closing_settles_what_is_in_flight_and_refuses_what_comes_after() -> None:
    store, sent = MemoryCallStore(), threading.Event()

    async def slowly(body: Body, draw: str) -> Reply:
        sent.set()
        await asyncio.sleep(0.05)
        return answer(body, draw)

    async def close_meanwhile() -> Relayed:
        task = asyncio.create_task(gateway.call(a_call()))
        await asyncio.to_thread(sent.wait)
        await asyncio.to_thread(gateway.close)
        return await task

    model = FakeModel(slowly)
    with opened(model, store=store) as gateway:
        text_of(asyncio.run(close_meanwhile()))
        assert len(store.settlements) == 1
        assert model.closed
        with pytest.raises(InfrastructureError, match="closed"):
            call_all(gateway, a_call("other"))


def test_a_call_cut_off_by_closing_stays_open_and_counts_as_spent() -> None:
    store, sent = MemoryCallStore(), threading.Event()

    async def never(body: Body, draw: str) -> Reply:
        sent.set()
        await asyncio.sleep(60)
        return answer(body, draw)

    async def close_meanwhile() -> None:
        task = asyncio.create_task(gateway.call(a_call()))
        await asyncio.to_thread(sent.wait)
        await asyncio.to_thread(gateway.close)
        with pytest.raises(asyncio.CancelledError):
            await task

    with opened(FakeModel(never), store=store, settings=replace(QUICK, drain_s=0.01)) as gateway:
        asyncio.run(close_meanwhile())
    assert store.settlements == ()
    assert list(store.booked()) == [Booked(role="task", usage=store.reservations[0].reserved)]


def test_each_of_several_proposers_answers_under_its_own_alias_and_is_released() -> None:
    first, second, store = FakeModel(), FakeModel(), MemoryCallStore()
    second.alias = "other"
    gateway = Gateway({"proposer": first}, store, more_proposers=[second], ledger=Ledger(Ceilings()))
    body = {"messages": [{"role": "user", "content": "write"}]}
    for alias in ("fake", "other", "fake", "other"):  # the last two are the same requests again
        assert asyncio.run(gateway.propose(body, brief=4, attempt=0, alias=alias)).reply is not None
    unknown = asyncio.run(gateway.propose(body, brief=4, attempt=0, alias="third"))
    assert gateway.aliases == ("fake", "other")
    gateway.close()
    assert (len(first.asked), len(second.asked)) == (1, 1)
    assert unknown.failure is not None
    assert first.closed
    assert second.closed


def test_a_role_without_a_model_is_a_failure_of_the_call() -> None:
    gateway = Gateway({}, MemoryCallStore(), ledger=Ledger(Ceilings()))
    (relayed,) = call_all(gateway, a_call())
    gateway.close()
    assert relayed.failure is not None
    assert "no model in the role 'task'" in relayed.failure.message
    assert gateway.aliases == ()
