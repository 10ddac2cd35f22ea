"""Tests of the bandit over operators and proposers."""

from __future__ import annotations

import json
import random
from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.model import Usage
from graftwork.search.bandit import Arm, Bandit, Drawn
from graftwork.search.candidate import Result
from graftwork.search.snapshot import Snapshot
from graftwork.search.state import State, ask, settle, tell
from graftwork.search.strategy import Strategy
from tests.search.factory import result

GROW, SWAP, MERGE = Arm(operator="grow"), Arm(operator="swap"), Arm(operator="merge")
WEIGHTS = {GROW: 3.0, SWAP: 1.0, MERGE: 0.25}
OPERATORS = {"perturb": (1.0, 1), "rewrite": (3.0, 1), "blend": (0.5, 2)}
PROPOSERS = {"rewrite": ("large", "small"), "blend": ("large", "small")}
STRATEGY = Strategy(name="test", operators={}, islands=2, archive_size=4, migrate_every=5, bandit=True)


def drawn(bandit: Bandit, n: int = 4_000) -> Counter[Arm]:
    """How often each arm is drawn."""
    return Counter(bandit.draw(WEIGHTS, random.Random(f"draw/{k}")).arm for k in range(n))


@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_without_evidence_an_arm_is_drawn_as_often_as_its_weight_says(floor: float) -> None:
    counts = drawn(Bandit(floor=floor, memory=100), 20_000)
    for arm, weight in WEIGHTS.items():
        assert counts[arm] / 20_000 == pytest.approx(weight / 4.25, abs=0.012)


def test_an_arm_that_gains_is_drawn_more_and_the_others_do_not_starve() -> None:
    bandit = Bandit(floor=0.2, memory=1_000)
    for k in range(300):
        bandit.learn((GROW, SWAP, MERGE)[k % 3], gain=0.1 if k % 15 == 2 else 0.0, usd=0.0)
    counts = drawn(bandit)
    assert counts[MERGE] > 2_000
    assert counts[SWAP] > 0.2 * 4_000 / 4.25 * 0.8


def test_of_two_arms_that_gain_alike_the_cheaper_is_drawn_more() -> None:
    bandit = Bandit(floor=0.0, memory=1_000)
    for k in range(400):
        bandit.learn((GROW, SWAP)[k % 2], gain=0.1 if k % 10 in {0, 1} else 0.0, usd=(0.04, 0.002)[k % 2])
    counts = drawn(bandit)
    assert counts[SWAP] > 5 * counts[GROW]


def test_what_an_arm_gained_long_ago_counts_little() -> None:
    bandit = Bandit(floor=0.0, memory=50)
    for k in range(100):
        bandit.learn(SWAP, gain=0.1 * (k % 5 == 0), usd=0.0)
    early = drawn(bandit)[SWAP]
    for k in range(600):
        bandit.learn(SWAP if k % 2 else GROW, gain=0.1 * (k % 10 == 0), usd=0.0)
    assert drawn(bandit)[SWAP] < early / 4


def test_one_great_gain_among_nothing_but_zeros_does_not_decide_the_rest_of_the_search() -> None:
    bandit = Bandit(floor=0.25, memory=500)
    for k in range(60):
        bandit.learn((GROW, SWAP, MERGE)[k % 3], gain=1e6 * (k == 2), usd=0.0)
    counts = drawn(bandit)
    assert counts[GROW] > 800
    assert counts[MERGE] < 2_400


def test_a_reward_is_a_half_for_a_gain_like_those_before_and_nothing_without_gain() -> None:
    bandit = Bandit(floor=0.0, memory=1e9)
    assert bandit.learn(GROW, gain=0.3, usd=0.0) == 0.5
    assert bandit.learn(GROW, gain=-4.0, usd=0.0) == 0.0
    assert bandit.learn(SWAP, gain=0.3, usd=0.0) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from((GROW, SWAP, MERGE)), st.floats(-1, 1), st.floats(0, 1)), max_size=30))
def test_what_is_restored_from_json_text_draws_and_learns_alike(history: list[tuple[Arm, float, float]]) -> None:
    bandit = Bandit(floor=0.3, memory=20)
    for arm, gain, usd in history:
        bandit.learn(arm, gain=gain, usd=usd)
    again = Bandit(floor=0.3, memory=20).restored(json.loads(json.dumps(bandit.as_json())))
    assert again == bandit
    assert again.learn(GROW, gain=0.5, usd=0.1) == bandit.learn(GROW, gain=0.5, usd=0.1)
    draws = [one.draw(WEIGHTS, random.Random(7)) for one in (bandit, again)]
    assert draws[0] == draws[1]
    assert isinstance(draws[0], Drawn)


def child(number: int, value: float, state: State, *, usd: float = 0.0) -> tuple[Result, float | None]:
    """A result that answers the state's next brief, and the reward that telling it gave."""
    brief = ask(state, number, operators=OPERATORS, proposers=PROPOSERS)
    made = replace(
        result(number, [value] * 3, island=brief.island),
        operator=brief.operator,
        parents=tuple(parent.candidate.number for parent in brief.parents),
        proposing=Usage(usd=usd),
    )
    made = settle(state, made)
    learned = tell(state, made, brief).learned
    return made, None if learned is None else learned[0]


def started() -> State:
    """A state with a bandit that was told its seed."""
    state = State.start(STRATEGY, 0)
    tell(state, result(0, [0.1] * 3))
    return state


def test_a_child_that_is_better_than_its_parents_is_a_reward_and_one_that_is_not_is_none() -> None:
    state = started()
    assert child(1, 0.5, state)[1] == 0.5
    assert child(2, 0.01, state)[1] == 0.0
    assert state.bandit is not None
    assert sum(evidence.pulls for evidence in state.bandit.evidence.values()) == pytest.approx(2, abs=0.01)


def test_of_a_brief_that_was_passed_on_it_learns_that_its_own_operator_gave_and_cost_nothing() -> None:
    state = started()
    brief = ask(state, 1, operators=OPERATORS, proposers=PROPOSERS)
    parents = tuple(parent.candidate.number for parent in brief.parents)
    made = replace(result(1, [0.5] * 3, island=brief.island), operator="another", parents=parents, proposing=Usage(usd=2.0))
    assert tell(state, settle(state, made), brief).learned == (0.0, 0.0)
    assert state.bandit is not None
    assert set(state.bandit.evidence) == {Arm(operator=brief.operator, proposer=brief.proposer)}


def test_the_proposers_of_an_operator_share_its_weight_and_each_is_drawn() -> None:
    state = started()
    briefs = [ask(state, number, operators=OPERATORS, proposers=PROPOSERS) for number in range(1, 2_001)]
    counts = Counter((brief.operator, brief.proposer) for brief in briefs)
    assert counts["rewrite", "large"] / 2_000 == pytest.approx(1.5 / 4.5, abs=0.04)
    assert counts["rewrite", "small"] / 2_000 == pytest.approx(1.5 / 4.5, abs=0.04)
    assert {alias for operator, alias in counts if operator == "perturb"} == {""}


def test_without_a_bandit_the_proposers_of_an_operator_are_drawn_alike_and_one_alone_is_not_named() -> None:
    state = State.start(replace(STRATEGY, bandit=False), 0)
    tell(state, result(0, [0.1]))
    several = [ask(state, number, operators=OPERATORS, proposers=PROPOSERS) for number in range(1, 401)]
    alone = [ask(state, number, operators=OPERATORS) for number in range(1, 401)]
    assert [replace(brief, proposer="") for brief in several] == alone
    written = Counter(brief.proposer for brief in several if brief.operator == "rewrite")
    assert written.keys() == {"large", "small"}
    assert min(written.values()) > 80


def test_a_state_restored_from_a_snapshot_knows_what_its_bandit_knew() -> None:
    state = started()
    for number in range(1, 30):
        child(number, 0.1 + (number % 7) / 20, state, usd=number / 1_000)
    briefs = [ask(state, 30, operators=OPERATORS, proposers=PROPOSERS)]
    snapshot = Snapshot.of(state, briefs)
    assert state.islands.founder is not None
    standing = (member for island in state.islands for member in island)
    members = {member.candidate.number: member for member in (*standing, *briefs[0].parents, state.islands.founder)}
    again, begun = snapshot.restored(State.start(STRATEGY, snapshot.seed), lambda number, _: members[number], seen=deepcopy(state.seen))
    assert again == state
    assert begun == tuple(briefs)
