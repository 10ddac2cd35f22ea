"""Two prompts made into one."""

from __future__ import annotations

import pytest

from graftwork.programs.fuse import FusePrompts
from graftwork.programs.moves import Context, moved
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

from .structures import PROGRAMS, run, told

CHAIN, CONTEXT = PROGRAMS["chain"]
CALL = "    return work(question, plan(question))"


def with_body(*lines: str) -> Program:
    return parse(CHAIN.source.replace(CALL, "\n".join(f"    {line}" for line in lines)))


def test_one_request_has_the_inputs_of_both_and_both_instructions() -> None:
    assert len(FusePrompts().places(CHAIN, CONTEXT)) == 1
    child = moved(FusePrompts(), CHAIN, FusePrompts().places(CHAIN, CONTEXT)[0], CONTEXT).program
    output, asked = run(child, lambda _: "12")
    assert output == 12.0
    assert [item.component for item in asked] == ["work"]
    assert told(asked[0]) == {"question": "What is 5 plus 7?"}
    system = str(asked[0].body["messages"][0]["content"])
    assert system.index("List the steps.") < system.index("Follow the steps.")
    assert child["solve"].source.endswith("return work(question)")


def test_a_value_that_is_only_handed_over_is_no_longer_named() -> None:
    program = with_body("steps = plan(question)", "long = len(question)", "return work(question, steps) + long")
    child = moved(FusePrompts(), program, FusePrompts().places(program, CONTEXT)[0], CONTEXT).program
    assert child["solve"].source.endswith("    long = len(question)\n    return work(question) + long")


@pytest.mark.parametrize("lines", [
    ("steps = plan(question)", "print(steps)", "return work(question, steps)"),
    ("steps = plan(question)", "question = 'another'", "return work(question, steps)"),
    ("steps = plan(question)", "while question:", "    question = work(question, steps)", "return question"),
    ("steps = plan(question)", "return sum(work(part, steps) for part in question)"),
    ("steps = 'none'", "if question:", "    steps = plan(question)", "return work(question, steps)"),
    ("steps = plan(question)", "return work(question, steps) + work(question, '')"),
    ("return work(question, steps=plan('another'))",),
])  # fmt: skip
def test_prompts_that_are_tied_in_another_way_are_no_place(lines: tuple[str, ...]) -> None:
    assert FusePrompts().places(with_body(*lines), CONTEXT) == ()


def test_a_place_in_the_instruction_that_would_stay_empty_is_no_place() -> None:
    program = parse(CHAIN.source.replace("Follow the steps.", "Follow {steps}."))
    assert FusePrompts().places(program, CONTEXT) == ()


def test_tools_of_both_are_kept_and_demonstrations_are_not() -> None:
    demo = 'tools=[calculate], demos=[{"inputs": {"question": "a", "steps": "b"}, "output": 1.0}]'
    source = CHAIN.source.replace("tools=[calculate]", demo).replace("max_tokens=96", "tools=[other]")
    program = parse(
        source.replace(
            "@prompt(tools=[other]", '@tool\ndef other(x: str) -> str:\n    """Other."""\n    return x\n\n\n@prompt(tools=[other]'
        )
    )
    child = moved(FusePrompts(), program, FusePrompts().places(program, Context(entry="solve"))[0], Context(entry="solve")).program
    assert child["work"].source.startswith("@prompt(tools=[calculate, other], temperature=0.0)\n")
