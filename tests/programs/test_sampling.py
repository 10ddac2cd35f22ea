"""Calls made several times."""

from __future__ import annotations

import pytest

from graftwork.programs.moves import Context, moved
from graftwork.programs.options import options_of
from graftwork.programs.parse import parse
from graftwork.programs.sampling import ChangeBound, Unwrap, WrapInRetry, WrapInVote

from .sessions import Asked
from .structures import PROGRAMS, run

CHAIN, CONTEXT = PROGRAMS["chain"]
BRANCHES, BRANCHES_CONTEXT = PROGRAMS["branches"]


def script(asked: Asked) -> str:
    """One in three answers is off; the plan always is the same."""
    return "the plan" if asked.component == "plan" else "7" if asked.path.endswith("1") else "12"


def test_a_vote_asks_several_times_and_takes_what_most_say() -> None:
    place = WrapInVote().places(CHAIN, CONTEXT)[1]
    child = moved(WrapInVote(), CHAIN, place, CONTEXT).program
    output, asked = run(child, script)
    assert output == 12.0
    assert [item.component for item in asked].count("work") == 5
    assert child["solve"].source.endswith("return vote(5, work, question, plan(question))")


def test_a_prompt_that_always_says_the_same_is_set_warmer_for_a_vote() -> None:
    for place in WrapInVote().places(CHAIN, CONTEXT):
        child = moved(WrapInVote(), CHAIN, place, CONTEXT).program
        cold = (options_of(child["work"]) or {})["temperature"]
        assert cold == ("0.7" if "work, " in child["solve"].source else "0.0")


def test_a_frozen_prompt_that_always_says_the_same_is_not_voted_on() -> None:
    context = Context(entry="solve", frozen=frozenset({"work"}))
    callees = {moved(WrapInVote(), CHAIN, place, context).note.split()[-1] for place in WrapInVote().places(CHAIN, context)}
    assert callees == {"plan"}


@pytest.mark.parametrize("move", [WrapInVote(), WrapInRetry()])
def test_a_combinator_is_imported_beside_the_others_and_goes_with_its_last_use(move: WrapInVote | WrapInRetry) -> None:
    child = moved(move, CHAIN, move.places(CHAIN, CONTEXT)[0], CONTEXT).program
    assert f"from graftwork.programs import {', '.join(sorted(['prompt', 'tool', move.name]))}\n" in child.source
    back = moved(Unwrap(), child, Unwrap().places(child, CONTEXT)[0], CONTEXT).program
    assert back["solve"] == CHAIN["solve"]
    assert back.imports == CHAIN.imports


def test_votes_are_not_nested() -> None:
    # `answer` is voted on: neither what it calls nor who calls it may be.
    voted = {place.component for place in WrapInVote().places(BRANCHES, BRANCHES_CONTEXT)}
    assert voted == {"solve"}
    child = BRANCHES
    while places := WrapInVote().places(child, BRANCHES_CONTEXT):
        child = moved(WrapInVote(), child, places[0], BRANCHES_CONTEXT).program
    assert child["answer"].source.count("vote(") == 0
    assert child["solve"].source.count("vote(") == 3


def test_a_retry_asks_again_where_an_output_cannot_be_read() -> None:
    child = moved(WrapInRetry(), CHAIN, WrapInRetry().places(CHAIN, CONTEXT)[0], CONTEXT).program
    assert "retry(2, work, question, plan(question))" in child["solve"].source
    replies = iter(["the plan", "no", "none", "12"])
    assert run(child, lambda _: next(replies))[0] == 12.0


def test_a_bound_that_is_a_number_becomes_another_one() -> None:
    found = {(place.component, place.choice) for place in ChangeBound().places(BRANCHES, BRANCHES_CONTEXT)}
    assert found == {("answer", "1"), ("answer", "3"), ("answer", "4"), ("solve", "5"), ("solve", "7")}
    for place in ChangeBound().places(BRANCHES, BRANCHES_CONTEXT):
        child = moved(ChangeBound(), BRANCHES, place, BRANCHES_CONTEXT).program
        expected = f"vote({place.choice}, answer, question)" if place.component == "solve" else f"range({place.choice})"
        assert expected in child[place.component].source


def test_a_call_over_several_lines_is_laid_out_anew_and_one_with_comments_is_not() -> None:
    several = "    return work(\n        question,\n        plan(question),\n    )"
    program = parse(CHAIN.source.replace("    return work(question, plan(question))", several))
    assert (
        "return vote(3, work, question, plan(question))"
        in moved(WrapInVote(), program, WrapInVote().places(program, CONTEXT)[0], CONTEXT).program.source
    )
    remark = parse(program.source.replace("question,\n", "question,  # as it is\n"))
    assert (
        "vote(3, work, question,  # as it is\n"
        in moved(WrapInVote(), remark, WrapInVote().places(remark, CONTEXT)[0], CONTEXT).program.source
    )
