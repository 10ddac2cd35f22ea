"""One prompt made into two."""

from __future__ import annotations

from graftwork.programs.fuse import FusePrompts
from graftwork.programs.moves import Place, moved
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.split import SplitPrompt

from .sessions import Asked
from .structures import PROGRAMS, run, told

CHAIN, CONTEXT = PROGRAMS["chain"]


def script(asked: Asked) -> str:
    return {"plan": "the plan", "work": "12"}.get(asked.component, f"notes for {asked.component}")


def place_of(program: Program, name: str) -> Place:
    return next(place for place in SplitPrompt().places(program, CONTEXT) if place.component == name)


def test_the_first_has_the_same_inputs_and_the_second_its_output_besides() -> None:
    for place in SplitPrompt().places(CHAIN, CONTEXT):
        child = moved(SplitPrompt(), CHAIN, place, CONTEXT).program
        output, asked = run(child, script)
        assert output == 12.0
        first = next(item for item in asked if item.component == f"{place.component}_notes")
        second = next(item for item in asked if item.component == place.component)
        assert asked.index(first) < asked.index(second)
        assert told(second) == {**told(first), "notes": f"notes for {place.component}_notes"}


def test_fusing_the_two_gives_the_prompt_again() -> None:
    for place in SplitPrompt().places(CHAIN, CONTEXT):
        child = moved(SplitPrompt(), CHAIN, place, CONTEXT).program
        back = [moved(FusePrompts(), child, other, CONTEXT).program for other in FusePrompts().places(child, CONTEXT)]
        assert CHAIN[place.component].digest in {program[place.component].digest for program in back if place.component in program}


def test_demonstrations_stay_and_are_shown_without_notes() -> None:
    demo = 'demos=[{"inputs": {"question": "1 + 1", "steps": "add"}, "output": 2.0}], tools=[calculate]'
    program = parse(CHAIN.source.replace("tools=[calculate]", demo))
    child = moved(SplitPrompt(), program, place_of(program, "work"), CONTEXT).program
    asked = next(item for item in run(child, script)[1] if item.component == "work")
    messages = [str(message["content"]) for message in asked.body["messages"]]
    assert messages[1:3] == ["question: 1 + 1\n\nsteps: add", "2.0"]
    assert messages[3].endswith("notes: notes for work_notes")


def test_a_prompt_that_is_called_twice_or_has_notes_is_no_place() -> None:
    twice = parse(CHAIN.source.replace("plan(question))", "plan(plan(question)))"))
    assert [place.component for place in SplitPrompt().places(twice, CONTEXT)] == ["work"]
    once = moved(SplitPrompt(), CHAIN, place_of(CHAIN, "work"), CONTEXT).program
    assert [place.component for place in SplitPrompt().places(once, CONTEXT)] == ["plan"]


def test_a_parameter_goes_on_a_line_of_its_own_where_the_others_do() -> None:
    program = parse(CHAIN.source.replace("def work(question: str, steps: str)", "def work(\n    question: str,\n    steps: str,\n)"))
    child = moved(SplitPrompt(), program, place_of(program, "work"), CONTEXT).program
    assert "def work(\n    question: str,\n    steps: str,\n    notes: str,\n) -> float:" in child["work"].source
