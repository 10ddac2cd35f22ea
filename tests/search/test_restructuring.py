"""Moves as operators."""

from __future__ import annotations

import pytest

from graftwork.programs.restructure import moves
from graftwork.search.catalogue import variations
from graftwork.search.operator import Facts
from graftwork.search.restructuring import Restructure
from graftwork.search.strategy import PROMPT_OPERATORS
from tests.programs.structures import example_programs

from .operator_cases import brief, member_of

CASES = [
    (name, program, Facts(description="", unit="", score_range=(0.0, 1.0), entry="solve", frozen=context.frozen, packages=(), train=()))
    for name, program, context in example_programs()
]
GROWING = ("verify", "refine_loop", "vote", "retry", "split_prompt", "add_tool")
SHRINKING = ("bypass", "unwrap", "fuse_prompts", "remove_tool")


@pytest.mark.parametrize("move", moves(), ids=lambda move: str(move.name))
def test_where_it_applies_most_briefs_get_a_new_program_and_where_not_none_does(move: object) -> None:
    n_applied = n_new = 0
    for operator in (operator for operator in variations().values() if isinstance(operator, Restructure) and operator.move == move):
        for _, program, facts in CASES:
            for seed in range(4):
                asked = brief(member_of(program.source), seed=seed)
                draft = operator.write(asked, facts, attempt=0)
                if operator.applies(asked, facts):
                    n_applied += 1
                    n_new += draft is not None and draft.program.digest != program.digest and draft.note.startswith(f"{operator.name}: ")
                else:
                    assert draft is None
    assert n_new >= 0.6 * n_applied


def test_the_same_brief_gives_the_same_child_and_other_attempts_give_others() -> None:
    _, program, facts = CASES[0]
    for operator in (operator for operator in variations().values() if isinstance(operator, Restructure)):
        asked = brief(member_of(program.source))
        assert operator.write(asked, facts, attempt=0) == operator.write(asked, facts, attempt=0)
    decoding = variations()["decoding"]
    assert (
        len({draft.note for attempt in range(8) if (draft := decoding.write(brief(member_of(program.source)), facts, attempt=attempt))}) > 2
    )


def test_every_move_has_a_weight_and_what_shrinks_weighs_as_much_as_what_grows() -> None:
    assert {move.name for move in moves()} < set(PROMPT_OPERATORS) <= set(variations())
    assert sum(PROMPT_OPERATORS[name] for name in SHRINKING) >= sum(PROMPT_OPERATORS[name] for name in GROWING) - 1e-9
