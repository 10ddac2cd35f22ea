"""The ledger: never above a ceiling, roles apart, caps of candidates and of runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.call_store import Booked
from graftwork.evaluators.ledger import MAX_ACCOUNTS, CandidateCaps, Ceilings, Ledger
from graftwork.programs.errors import CallFailed, CeilingReached
from graftwork.programs.model import Role, Usage

ROLES: tuple[Role, ...] = ("proposer", "task", "judge")


def _usage(tokens: int, usd: float) -> Usage:
    return Usage(input_tokens=tokens, usd=usd, calls=1)


def _sum(ledger: Ledger) -> Usage:
    return sum(ledger.spent.values(), Usage())


@given(
    usd=st.floats(min_value=0, max_value=5),
    tokens=st.integers(min_value=0, max_value=500),
    calls=st.integers(min_value=0, max_value=12),
    steps=st.lists(
        st.tuples(
            st.sampled_from(ROLES),
            st.integers(min_value=0, max_value=100),
            st.floats(min_value=0, max_value=1),
            st.floats(min_value=0, max_value=1),
            st.integers(min_value=0, max_value=5),
        ),
        max_size=40,
    ),
)
def test_spent_and_reserved_pass_no_ceiling_however_calls_interleave(
    usd: float, tokens: int, calls: int, steps: list[tuple[Role, int, float, float, int]]
) -> None:
    """Each step reserves a bound, then settles one of the open calls (a failure settles at 0, one in doubt at its bound)."""
    ledger, open_calls = Ledger(Ceilings(usd=usd, tokens=tokens, calls=calls)), []
    for number, (role, bound_tokens, bound_usd, share, which) in enumerate(steps):
        bound = _usage(bound_tokens, bound_usd)
        before = _sum(ledger) + ledger.reserved
        fits = before.usd + bound.usd <= usd and before.tokens + bound.tokens <= tokens and before.calls + 1 <= calls
        try:
            ledger.reserve(str(number), role=role, bound=bound)
            open_calls.append((str(number), bound))
        except CeilingReached:
            assert not fits or before.usd + bound.usd == pytest.approx(usd)
            assert (_sum(ledger) + ledger.reserved).tokens == before.tokens
        if open_calls and which < len(open_calls):
            call_id, settled = open_calls.pop(which)
            ledger.settle(call_id, Usage(input_tokens=int(settled.tokens * share), usd=settled.usd * share, calls=round(share)))
        total = _sum(ledger) + ledger.reserved
        assert total.usd <= usd * (1 + 1e-12)
        assert total.tokens <= tokens
        assert total.calls <= calls


def test_what_is_settled_below_its_bound_makes_room_again() -> None:
    ledger = Ledger(Ceilings(tokens=100))
    ledger.reserve("a", role="task", bound=_usage(100, 0.0))
    with pytest.raises(CeilingReached, match="budget of 100 tokens has no room"):
        ledger.reserve("b", role="task", bound=_usage(1, 0.0))
    ledger.settle("a", _usage(40, 0.0))
    ledger.reserve("b", role="task", bound=_usage(60, 0.0))


def test_a_role_has_a_ceiling_of_its_own_and_leaves_the_others_alone() -> None:
    ledger = Ledger(
        Ceilings(tokens=1_000), roles={"proposer": Ceilings(tokens=100, usd=1.0)}, booked=[Booked(role="proposer", usage=_usage(60, 0.1))]
    )
    ledger.reserve("a", role="proposer", bound=_usage(30, 0.1))
    with pytest.raises(CeilingReached, match="the proposer's budget of 100 tokens"):
        ledger.reserve("b", role="proposer", bound=_usage(20, 0.1))
    with pytest.raises(CeilingReached, match="the proposer's budget of 1 usd"):
        ledger.reserve("b", role="proposer", bound=_usage(1, 0.9))
    ledger.reserve("b", role="task", bound=_usage(910, 5.0))
    with pytest.raises(CeilingReached, match="the budget of 1000 tokens"):
        ledger.reserve("c", role="task", bound=_usage(1, 0.0))


def test_each_role_has_its_own_total() -> None:
    ledger = Ledger(Ceilings())
    for role, tokens in (("proposer", 5), ("task", 7)):
        ledger.reserve(role, role=role, bound=_usage(100, 1.0))  # type: ignore[arg-type]  # a literal from a tuple is a str to mypy
        ledger.settle(role, _usage(tokens, 0.1))
    assert {role: usage.tokens for role, usage in ledger.spent.items()} == {"proposer": 5, "task": 7, "judge": 0}


def test_a_resumed_run_starts_from_what_is_booked() -> None:
    ledger = Ledger(Ceilings(calls=2), booked=[Booked(role="task", usage=_usage(3, 0.5))])
    assert ledger.spent["task"] == _usage(3, 0.5)
    ledger.reserve("a", role="task", bound=_usage(1, 0.0))
    with pytest.raises(CeilingReached, match="2 calls"):
        ledger.reserve("b", role="task", bound=_usage(1, 0.0))


def test_a_run_on_one_example_makes_no_more_calls_than_allowed() -> None:
    ledger = Ledger(Ceilings())
    for _ in range(2):
        ledger.enter(1, run_id="first", max_calls=2)
    with pytest.raises(CallFailed, match="budget: a run on one example may make 2 model calls"):
        ledger.enter(1, run_id="first", max_calls=2)
    ledger.enter(1, run_id="second", max_calls=2)


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        (CandidateCaps(calls=1), "may make 1 model calls"),
        (CandidateCaps(tokens=9), "may use 9 tokens, and this one has used 10"),
        (CandidateCaps(usd=0.4), "may spend 0.4 usd, and this one has spent 0.5"),
    ],
)
def test_a_candidate_that_passed_a_cap_is_refused_and_others_are_not(caps: CandidateCaps, message: str) -> None:
    ledger = Ledger(Ceilings())
    ledger.cap_candidates(caps)
    ledger.enter(1)
    ledger.leave(1, usage=_usage(10, 0.5))
    with pytest.raises(CallFailed, match=message) as caught:
        ledger.enter(1)
    assert caught.value.failure.is_the_programs
    ledger.enter(2)
    ledger.enter(1, capped=False)


def test_a_cap_of_nothing_lets_free_calls_pass() -> None:
    ledger = Ledger(Ceilings(), caps=CandidateCaps(usd=0.0))
    ledger.enter(1)
    ledger.leave(1, usage=_usage(10, 0.0))
    ledger.enter(1)
    ledger.leave(1, usage=_usage(10, 0.01))
    with pytest.raises(CallFailed, match="usd"):
        ledger.enter(1)


def test_accounts_of_candidates_long_gone_are_forgotten() -> None:
    ledger = Ledger(Ceilings(), caps=CandidateCaps(calls=1))
    for candidate in range(MAX_ACCOUNTS + 1):
        ledger.enter(candidate)
    ledger.enter(0)
    with pytest.raises(CallFailed):
        ledger.enter(MAX_ACCOUNTS)
