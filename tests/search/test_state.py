"""Tests of ask and tell."""

from __future__ import annotations

import copy
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.ledger import CandidateCaps, Ceilings
from graftwork.programs.model import Usage
from graftwork.search.archive import AddStatus
from graftwork.search.state import Budget, State, ask, settle, tell
from graftwork.search.strategy import Strategy
from tests.search.factory import result

STRATEGY = Strategy(name="test", operators={"perturb": 1.0, "blend": 1.0}, islands=3, archive_size=4, migrate_every=5)
OPERATORS = {"perturb": (1.0, 1), "blend": (1.0, 2)}


def started(seed: int = 0) -> State:
    """A state that was told its seed."""
    state = State.start(STRATEGY, seed)
    tell(state, result(0, [0.1]))
    return state


def test_asking_changes_nothing_and_gives_the_same_brief_again() -> None:
    state = started()
    before = copy.deepcopy(state)
    assert ask(state, 1, operators=OPERATORS) == ask(state, 1, operators=OPERATORS)
    assert state == before


def test_a_brief_has_as_many_parents_as_its_operator_takes() -> None:
    state = started()
    for number in range(1, 40):
        brief = ask(state, number, operators=OPERATORS)
        assert len(brief.parents) == OPERATORS[brief.operator][1]


def test_the_seed_lives_on_every_island() -> None:
    assert [len(island) for island in started().islands] == [1, 1, 1]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=25))
def test_a_state_equals_another_that_was_told_the_same(scores: list[int]) -> None:
    first, second = started(), started()
    for number, score in enumerate(scores, 1):
        told = result(number, [score / 20], island=number % 3)
        tell(first, settle(first, told))
        tell(second, settle(second, told))
    assert first == second
    assert ask(first, 99, operators=OPERATORS) == ask(second, 99, operators=OPERATORS)


def test_a_program_that_was_told_meanwhile_is_told_as_a_duplicate_and_enters_no_archive() -> None:
    state = started()
    tell(state, result(1, [0.9], source="def solve(x: int) -> int:\n    return 7\n"))
    twin = settle(state, result(2, [0.9], source="def solve(x: int) -> int:\n    return  7\n"))
    assert twin.status == "duplicate"
    assert tell(state, twin).added is AddStatus.REFUSED
    assert state.statuses == {"evaluated": 2, "duplicate": 1}


def test_what_is_known_is_known_as_of_a_number_of_results() -> None:
    state = started()
    told = result(1, [0.9])
    assert told.candidate is not None
    tell(state, told)
    assert not state.known(told.candidate.program.digest, as_of=1)
    assert state.known(told.candidate.program.digest, as_of=2)


def test_the_best_of_an_island_migrates_along_the_ring() -> None:
    state = started()
    moved = [tell(state, result(number, [0.2 + number / 10], island=0)).moves.migrated for number in range(1, 5)]
    assert moved[:3] == [{}, {}, {}]
    assert moved[3][1] == 4
    assert 4 in {m.candidate.number for m in state.islands[1]}


def test_finalists_are_the_best_of_all_islands_without_twins() -> None:
    state = started()
    for number in range(1, 10):
        tell(state, result(number, [number / 10], island=number % 3))
    assert [m.candidate.number for m in state.finalists] == [9, 8, 7, 6]


def test_a_budget_fits_only_if_the_caps_of_all_in_flight_do() -> None:
    budget = Budget(candidates=9, ceilings=Ceilings(tokens=1000), caps=CandidateCaps(tokens=100))
    assert budget.fits(Usage(input_tokens=500), 5)
    assert not budget.fits(Usage(input_tokens=501), 5)
    assert Budget(candidates=9).fits(Usage(input_tokens=10**9, usd=1e9), 1000)


def test_a_program_that_nobody_could_run_is_not_known_and_may_be_tried_again() -> None:
    state = started()
    lost = replace(result(1, [0.9]), status="abandoned")
    tell(state, lost)
    assert settle(state, result(2, [0.9], source="def solve(x: int) -> int:\n    return x + 1\n")).status == "evaluated"
