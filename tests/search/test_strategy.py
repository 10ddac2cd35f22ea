"""Tests of the strategies: every operator that they name exists, and controls build on nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from graftwork.evaluators.make_task import make_task
from graftwork.programs.parse import parse
from graftwork.search.catalogue import rewriters, variations
from graftwork.search.operator import Facts
from graftwork.search.seed_vote import SeedVote, vote_sizes
from graftwork.search.state import State, ask, tell
from graftwork.search.strategy import BEST_OF_N, PROMPT_OPERATORS, sampling, strategies
from tests.search.factory import result
from tests.search.operator_cases import brief, member_of

PROMPT = 'from graftwork.programs import prompt\n\n\n@prompt\ndef solve(x: str) -> int:\n    """Give the number."""\n'


def facts(*, calls: int = 16, frozen: tuple[str, ...] = ()) -> Facts:
    """Facts of a task with that limit of calls."""
    task = make_task(PROMPT, [({"x": str(n)}, n) for n in range(12)], lambda _output, _example: 1.0, name="t", frozen=frozen)
    return replace(Facts.of(task), calls=calls)


def test_every_operator_of_a_strategy_is_in_the_catalogue() -> None:
    for strategy in strategies().values():
        assert strategy.operators.keys() <= {**variations(), **rewriters()}.keys()


def test_sampling_draws_with_every_operator_of_one_parent_and_with_no_other() -> None:
    parents = {name: operator.n_parents for name, operator in variations().items()}
    parents |= {name: operator.n_parents for name, operator in rewriters().items()}
    assert all(parents[name] == 1 for name in PROMPT_OPERATORS)
    for name in ("model", "no-model"):
        strategy = strategies()[name]
        assert sampling(strategy).operators == {n: weight for n, weight in strategy.operators.items() if parents[n] == 1}


def test_every_child_of_a_control_has_the_seed_as_its_parent() -> None:
    state = State.start(sampling(strategies()["no-model"]), 0)
    for number in range(30):
        tell(state, result(number, [number / 30] * 4))
    briefs = [ask(state, number, operators={"perturb": (1.0, 1)}) for number in range(30, 60)]
    assert Counter(brief.parents[0].candidate.number for brief in briefs) == {0: 30}
    assert state.finalists[0].candidate.number == 29


def test_votes_of_the_seed_grow_as_far_as_the_limit_of_calls_holds_them() -> None:
    program = parse(PROMPT)
    assert vote_sizes(program, facts(calls=18)) == (3, 5, 9)
    assert vote_sizes(program, facts(calls=4)) == ()
    assert vote_sizes(program, facts(frozen=("solve",))) == ()
    assert vote_sizes(parse("def solve(x):\n    return x\n"), facts()) == ()


def test_brief_k_of_best_of_n_gets_its_vote_and_then_there_is_none() -> None:
    drafts = [SeedVote().write(replace(brief(member_of(PROMPT)), number=number), facts(calls=18), attempt=0) for number in range(1, 5)]
    assert [draft and draft.note for draft in drafts] == [*(f"seed_vote: a vote of {n} calls of solve" for n in (3, 5, 9)), None]
    assert strategies()[BEST_OF_N].operators == {SeedVote().name: 1.0}
