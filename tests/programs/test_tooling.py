"""The tools of a prompt."""

from __future__ import annotations

import pytest

from graftwork.programs.moves import Context, moved
from graftwork.programs.parse import parse
from graftwork.programs.tooling import MAX_TOOLS, AddTool, RemoveTool

from .structures import PROGRAMS, run

CHAIN, CONTEXT = PROGRAMS["chain"]


def test_a_tool_is_offered_to_the_model() -> None:
    (place,) = AddTool().places(CHAIN, CONTEXT)
    assert (place.component, place.choice) == ("plan", "calculate")
    child = moved(AddTool(), CHAIN, place, CONTEXT).program
    asked = run(child, lambda item: "12")[1][0]
    assert [tool["function"]["name"] for tool in asked.body["tools"]] == ["calculate"]


def test_a_tool_that_is_taken_away_goes_where_nothing_else_uses_it() -> None:
    for frozen, kept in ((frozenset[str](), False), (frozenset({"calculate"}), True)):
        context = Context(entry="solve", frozen=frozen)
        child = moved(RemoveTool(), CHAIN, RemoveTool().places(CHAIN, context)[0], context).program
        assert child["work"].source.startswith("@prompt(temperature=0.0)\n")
        assert ("calculate" in child) is kept
    shared = moved(AddTool(), CHAIN, AddTool().places(CHAIN, CONTEXT)[0], CONTEXT).program
    assert all(
        "calculate" in moved(RemoveTool(), shared, place, Context(entry="solve")).program for place in RemoveTool().places(shared, CONTEXT)
    )


@pytest.mark.parametrize("function", [
    "def other(x):\n    '''No types.'''\n    return x",
    "def other(x: str) -> str:\n    return x",
    "def other(x: dict[str, Path]) -> str:\n    '''A type that is not JSON's.'''\n    return str(x)",
    "def other(x: 'not a type') -> str:\n    '''A type that cannot be read.'''\n    return str(x)",
    "def other(x: str) -> str:\n    '''Asks.'''\n    return plan(x)",
    "def other(*x: str) -> str:\n    '''Any number.'''\n    return x[0]",
])  # fmt: skip
def test_a_function_that_a_model_cannot_be_told_of_is_no_tool(function: str) -> None:
    program = parse(CHAIN.source.replace("def solve", f"{function}\n\n\ndef solve").replace("plan(question))", "other(plan(question)))"))
    assert {place.choice for place in AddTool().places(program, CONTEXT)} == {"calculate"}


def test_a_plain_function_with_words_and_types_may_be_one_and_is_moved_above_its_prompt() -> None:
    other = "def other(x: str) -> str:\n    '''Another.'''\n    return x"
    program = parse(CHAIN.source.replace("def solve", f"{other}\n\n\ndef solve"))
    place = next(place for place in AddTool().places(program, CONTEXT) if place.choice == "other" and place.component == "work")
    child = moved(AddTool(), program, place, CONTEXT).program
    assert child["work"].source.startswith("@prompt(tools=[calculate, other], temperature=0.0)")
    assert child.names.index("other") < child.names.index("work")


def test_there_is_a_most_of_tools() -> None:
    names = [f"other_{k}" for k in range(MAX_TOOLS)]
    tools = "".join(f"@tool\ndef {name}(x: str) -> str:\n    '''Another.'''\n    return x\n\n\n" for name in names)
    program = parse(CHAIN.source.replace("@tool\ndef calculate", f"{tools}@tool\ndef calculate"))
    n = 0
    while places := AddTool().places(program, CONTEXT):
        program, n = moved(AddTool(), program, places[0], CONTEXT).program, n + 1
    assert n == 2 * MAX_TOOLS - 1
