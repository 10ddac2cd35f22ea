"""A second prompt that looks at what a call gave."""

from __future__ import annotations

from graftwork.programs.moves import Context, moved
from graftwork.programs.parse import parse
from graftwork.programs.refine import InsertVerify, RefineInLoop

from .sessions import Asked
from .structures import PROGRAMS, run, told

CHAIN, CONTEXT = PROGRAMS["chain"]


def script(asked: Asked) -> str:
    """Gives back what it is asked to look at; answers else."""
    given = told(asked)
    if asked.component.startswith(("verify_", "refine_")):
        return list(given.values())[-1]
    return "12" if asked.component == "work" else "add them"


def test_the_call_is_made_first_and_its_output_is_handed_on() -> None:
    for move in (InsertVerify(), RefineInLoop()):
        for place in move.places(CHAIN, CONTEXT):
            child = moved(move, CHAIN, place, CONTEXT).program
            output, asked = run(child, script)
            assert output == run(CHAIN, script)[0]
            reviews = [index for index, item in enumerate(asked) if item.component.startswith(("verify_", "refine_"))]
            assert reviews
            for index in reviews:
                original = asked[reviews[0] - 1]
                assert original.component == asked[index].component.split("_", 1)[1]
                assert list(told(asked[index]).values())[:-1] == list(told(original).values())
                assert list(told(asked[index]).values())[-1] == {"work": "12", "plan": "add them"}[original.component].replace("12", "12.0")


def test_arguments_are_evaluated_once() -> None:
    for place in InsertVerify().places(CHAIN, CONTEXT):
        child = moved(InsertVerify(), CHAIN, place, CONTEXT).program
        assert [item.component for item in run(child, script)[1]].count("plan") == 1


def test_a_value_that_is_returned_is_given_a_name_first() -> None:
    place = next(place for place in InsertVerify().places(CHAIN, CONTEXT) if place.number == 0)
    assert moved(InsertVerify(), CHAIN, place, CONTEXT).program["solve"].source.splitlines()[1:] == [
        "    steps = plan(question)",
        "    answer = work(question, steps)",
        "    return verify_work(question, steps, answer)",
    ]


def test_a_loop_has_a_bound_and_the_type_of_the_call() -> None:
    place = next(place for place in RefineInLoop().places(CHAIN, CONTEXT) if place.choice == "3")
    child = moved(RefineInLoop(), CHAIN, place, CONTEXT).program
    assert "    for _ in range(3):\n        answer = refine_work(question, steps, answer)\n    return answer" in child["solve"].source
    assert "def refine_work(question: str, steps: str, answer: float) -> float:" in child["refine_work"].source
    assert [item.component for item in run(child, script)[1]].count("refine_work") == 3


def test_an_instruction_quotes_the_one_that_was_followed_whatever_stands_in_it() -> None:
    source = CHAIN.source.replace(
        '"""List the steps."""', "'''Say \"\"\"so\"\"\", with a \\\\ in it.\n\n        Further in.\n    Back.\n    '''"
    )
    program = parse(source)
    place = InsertVerify().places(program, CONTEXT)[-1]
    child = moved(InsertVerify(), program, place, CONTEXT).program
    asked = next(item for item in run(child, script)[1] if item.component == "verify_plan")
    assert 'Say """so""", with a \\ in it.\n\n    Further in.' in str(asked.body["messages"][0]["content"])


def test_nobody_is_looked_at_twice_or_looks_at_who_looks() -> None:
    program = CHAIN
    while places := InsertVerify().places(program, CONTEXT):
        program = moved(InsertVerify(), program, places[0], CONTEXT).program
    assert program.names == ("calculate", "plan", "verify_plan", "work", "verify_work", "solve")


def test_arguments_that_cannot_be_written_twice_are_no_place() -> None:
    body = "    return [work(question, plan(question)) for _ in '12'][0]"
    program = parse(CHAIN.source.replace("    return work(question, plan(question))", body))
    assert [place.number for place in InsertVerify().places(program, CONTEXT)] == [1]
    assert RefineInLoop().places(program, CONTEXT) == ()


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    program = parse(CHAIN.source.replace('"""Answer questions."""', "answer = 1"))
    place = InsertVerify().places(program, Context(entry="solve"))[0]
    child = moved(InsertVerify(), program, place, CONTEXT).program
    assert run(child, script)[0] == 12.0
