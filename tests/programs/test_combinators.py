"""Branches, votes and retries."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.combinators import BRANCH, parallel, retry, vote


def test_results_come_in_the_order_of_the_arguments_whoever_is_faster() -> None:
    def late(number: int) -> int:
        time.sleep(0.03 - number / 100)
        return number

    assert parallel(*[lambda n=n: late(n) for n in range(3)]) == (0, 1, 2)


def test_no_branches_give_no_results() -> None:
    assert parallel() == ()


def test_branches_work_at_the_same_time() -> None:
    meeting = threading.Barrier(4)
    assert sorted(parallel(*[lambda: meeting.wait(5)] * 4)) == [0, 1, 2, 3]


def test_nested_branches_never_work_more_than_sixteen_at_once() -> None:
    lock, working, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.005)
        with lock:
            working -= 1

    parallel(*[lambda: parallel(*[work] * 6)] * 6)
    assert 6 <= most <= 16


def test_the_first_failing_branch_by_index_is_raised_after_all_have_ended() -> None:
    ended: list[int] = []

    def fail(number: int) -> None:
        time.sleep(0.03 - number / 100)
        ended.append(number)
        if number:
            raise ValueError(str(number))

    with pytest.raises(ValueError, match="1"):
        parallel(*[lambda n=n: fail(n) for n in range(3)])
    assert sorted(ended) == [0, 1, 2]


def test_a_branch_has_a_copy_of_the_context_and_its_index() -> None:
    colour: ContextVar[str] = ContextVar("colour", default="none")
    colour.set("red")

    def branch() -> tuple[str, tuple[int, ...]]:
        seen = colour.get()
        colour.set("blue")
        return seen, BRANCH.get()

    assert parallel(branch, lambda: parallel(branch)) == (("red", (0,)), (("red", (1, 0)),))
    assert colour.get() == "red"
    assert BRANCH.get() == ()


@given(st.lists(st.sampled_from(["a", "b", {"x": 1}, [1, 2]]), min_size=1, max_size=6))
def test_a_vote_gives_what_most_calls_give_and_the_earliest_among_equals(ballots: list[object]) -> None:
    winner = vote(len(ballots), lambda: ballots[BRANCH.get()[-1]])
    assert ballots.count(winner) == max(map(ballots.count, ballots))
    assert all(ballots.count(other) < ballots.count(winner) for other in ballots[: ballots.index(winner)])


def test_a_vote_hands_arguments_on() -> None:
    assert vote(2, round, 2.718, ndigits=1) == 2.7


@pytest.mark.parametrize("combinator", [vote, retry])
def test_less_than_one_call_is_refused(combinator: object) -> None:
    assert callable(combinator)
    with pytest.raises(ValueError, match="got 0"):
        combinator(0, int)


def test_a_retry_stops_at_the_first_result_that_is_liked() -> None:
    tries = iter([1, 2, 3, 4])
    assert retry(4, lambda: next(tries), accept=lambda x: x > 1) == 2
    assert next(tries) == 3


def test_a_retry_gives_the_last_result_when_none_is_liked() -> None:
    tries = iter([1, 2, 3])
    assert retry(3, lambda: next(tries), accept=lambda x: x > 9) == 3


def test_a_retry_tries_again_after_a_bad_value_and_raises_the_last() -> None:
    tries = iter(["x", "7", "y", "z"])
    assert retry(2, lambda: int(next(tries))) == 7
    with pytest.raises(ValueError, match="'z'"):
        retry(2, lambda: int(next(tries)))


def test_a_retry_does_not_hide_what_trying_again_cannot_mend() -> None:
    tries = iter([1, 2])

    def forbidden() -> None:
        next(tries)
        raise PermissionError

    with pytest.raises(PermissionError):
        retry(2, forbidden)
    assert next(tries) == 2
