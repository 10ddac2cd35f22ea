"""Tests of the stops: each ends a search for its own reason, and those that follow from the state follow from it again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from graftwork.search.state import State, tell
from graftwork.search.stops import AnyOf, Candidates, Due, FileAppears, Patience, Seconds, Signalled, StopRule, Target, same_rule
from graftwork.search.strategy import Strategy
from tests.search.factory import result


def told(*scores: float) -> State:
    """The state after results with these scores, the seed's first."""
    state = State.start(Strategy(name="test", operators={}, islands=1), 0)
    for number, value in enumerate(scores):
        tell(state, result(number, [value, value]))
    return state


def reason(rule: StopRule, state: State) -> str:
    """What a rule says before the next brief; empty where it says nothing."""
    due = rule.due(state, state.told)
    return "" if due is None else due.reason


def test_a_target_is_met_by_the_best_score_and_not_before() -> None:
    assert reason(Target(score=0.5), told(0.1, 0.4, 0.2)) == ""
    assert reason(Target(score=0.5), told(0.1, 0.5, 0.2)) == "target"


def test_patience_counts_the_candidates_since_the_best_score_last_rose() -> None:
    assert reason(Patience(candidates=3), told(0.1, 0.4, 0.2, 0.3)) == ""
    assert reason(Patience(candidates=3), told(0.1, 0.4, 0.2, 0.3, 0.4)) == "patience"
    assert reason(Patience(candidates=3), told(0.1, 0.4, 0.2, 0.3, 0.5)) == ""


def test_an_equal_score_is_no_improvement() -> None:
    state = told(0.4, 0.4, 0.4)
    assert (state.best, state.improved) == (0.4, 1)


def test_the_number_of_candidates_is_a_ceiling() -> None:
    state = told(0.1)
    assert Candidates(most=3).due(state, 3) is None
    assert Candidates(most=3).due(state, 4) == Due(reason="candidates")


def test_the_clock_a_file_and_a_signal_end_a_search_once_they_are_there(tmp_path: Path) -> None:
    state, event, file = told(0.1), threading.Event(), tmp_path / "stop"
    times = iter((1.0, 2.0))
    clock = Seconds(ends_at=1.5, clock=lambda: next(times))
    rules: dict[str, StopRule] = {"seconds": clock, "file": FileAppears(path=file), "interrupted": Signalled(event=event)}
    assert [reason(rule, state) for rule in rules.values()] == ["", "", ""]
    file.touch()
    event.set()
    assert [reason(rule, state) for rule in rules.values()] == list(rules)


def test_of_several_the_first_in_order_gives_the_reason() -> None:
    state = told(0.9, 0.1, 0.1)
    target, patience = Target(score=0.5), Patience(candidates=2)
    assert reason(AnyOf(rules=(target, patience)), state) == "target"
    assert reason(AnyOf(rules=(patience, target)), state) == "patience"
    assert reason(AnyOf(rules=()), state) == ""


@pytest.mark.parametrize("rule", [Target(score=0.5), Patience(candidates=2)])
def test_what_follows_from_the_state_can_be_asked_again_from_what_it_said(rule: StopRule) -> None:
    due = rule.due(told(0.9, 0.1, 0.1), 3)
    assert due is not None
    assert same_rule(due) == rule


def test_a_fact_of_the_day_cannot_be_asked_again() -> None:
    assert same_rule(Due(reason="seconds")) is None
