"""A call left out."""

from __future__ import annotations

from graftwork.programs.bypass import Bypass
from graftwork.programs.moves import Context, moved
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.refine import InsertVerify, RefineInLoop

from .sessions import Asked
from .structures import PROGRAMS, run, told

CHAIN, CONTEXT = PROGRAMS["chain"]


def bypassed(program: Program, callee: str, context: Context = CONTEXT) -> list[Program]:
    outcomes = [moved(Bypass(), program, place, context) for place in Bypass().places(program, context)]
    return [outcome.program for outcome in outcomes if f"what {callee} makes" in outcome.note]


def test_the_child_behaves_as_the_parent_where_the_call_gives_back_its_argument() -> None:
    def script(asked: Asked) -> str:
        return told(asked)["question"] if asked.component == "plan" else str(len(told(asked)["steps"]))

    (child,) = bypassed(CHAIN, "plan")
    assert child["solve"].source.endswith("return work(question, question)")
    assert "plan" not in child
    assert run(child, script)[0] == run(CHAIN, script)[0]
    assert [item.component for item in run(child, script)[1]] == ["work"]


def test_a_result_of_another_type_is_no_place() -> None:
    assert bypassed(CHAIN, "work") == []


def test_what_was_put_in_to_look_at_an_output_is_taken_out_again() -> None:
    body = "    steps = plan(question)\n    return work(question, steps)"
    program = parse(CHAIN.source.replace("    return work(question, plan(question))", body))
    for move, prefix in ((InsertVerify(), "verify"), (RefineInLoop(), "refine")):
        place = next(place for place in move.places(program, CONTEXT) if place.number == 0)
        child = moved(move, program, place, CONTEXT).program
        back = bypassed(child, f"{prefix}_plan")
        assert program.source in {item.source for item in back}


def test_what_nobody_reads_any_more_goes_with_the_call() -> None:
    body = "    steps = plan(question)\n    text = extend(question, steps)\n    return work(text, 'none')"
    extend = '@prompt\ndef extend(question: str, steps: str) -> str:\n    """Say more."""\n\n\n'
    program = parse(CHAIN.source.replace("    return work(question, plan(question))", body).replace("def solve", f"{extend}def solve"))
    children = bypassed(program, "extend")
    assert [child["solve"].source.split(":\n", 1)[1] for child in children] == [
        "    text = question\n    return work(text, 'none')",
        "    steps = plan(question)\n    text = steps\n    return work(text, 'none')",
    ]
    assert [("plan" in child, "extend" in child) for child in children] == [(False, False), (True, False)]


def test_a_value_that_is_replaced_unread_is_not_computed() -> None:
    loop = "    for _ in range(2):\n        steps = polish(steps)\n"
    body = f"    steps = plan(question)\n{loop}    steps = choose(question, steps)\n    return work(question, steps)"
    more = "".join(
        f'@prompt\ndef {name}({fields}) -> str:\n    """Do."""\n\n\n'
        for name, fields in [("polish", "steps: str"), ("choose", "question: str, steps: str")]
    )
    program = parse(CHAIN.source.replace("    return work(question, plan(question))", body).replace("def solve", f"{more}def solve"))
    shortest = min(bypassed(program, "choose"), key=lambda child: len(child.source))
    assert shortest["solve"].source.endswith("float:\n    steps = question\n    return work(question, steps)")
    assert shortest.names == ("calculate", "work", "solve")


def test_a_frozen_component_that_is_left_unused_stays_with_what_it_needs() -> None:
    program = parse(CHAIN.source.replace("max_tokens=96", "max_tokens=ROOM").replace("@tool\n", "ROOM = 96\n\n\n@tool\n"))
    (child,) = bypassed(program, "plan", Context(entry="solve", frozen=frozenset({"plan"})))
    assert {"plan", "ROOM"} < set(child.names)
