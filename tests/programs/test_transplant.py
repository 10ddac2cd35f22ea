"""A transplanted component brings what it needs, shares what is equal, renames what collides, and runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graftwork.programs.calls import calls_in, calls_of, given_by
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.runtime import trace_functions, using_session
from graftwork.programs.signature import signature_of
from graftwork.programs.transplant import Graft, Transplant, grafts, transplant

from .changed import CHAIN, EXAMPLES, changed_programs
from .sessions import Asked, RecordingSession, loaded
from .test_merge import errors, replaced

RECIPIENT = parse(CHAIN)
DONOR = parse(
    '''"""Answer questions otherwise."""

import cmath as math
import json

from graftwork.programs import prompt, tool

LIMIT = 7


@tool
def calculate(expression: str) -> float:
    """The value; `LIMIT` is added by `calculate`."""
    return abs(math.sqrt(LIMIT)) + LIMIT


@prompt(max_tokens=96)
def plan(question: str) -> str:
    """List the steps.

    Compute nothing.
    """


@prompt(tools=[calculate])
def reason(text: str, hint: str = "none") -> str:
    """Reason about it, with `calculate`."""


def careful(steps: str, question: str) -> int:
    return int(len(json.dumps([reason(steps, hint=question), plan(question)])))


def solve(question: str) -> float:
    return careful(reason(question), question)
'''
)


def found(caller: str, callee: str, donor: str) -> Graft:
    fitting = grafts(RECIPIENT, DONOR, entry="solve")
    return next(item for item in fitting if (item.caller, item.callee, item.donor) == (caller, callee, donor))


def put(caller: str, callee: str, donor: str) -> Transplant:
    return transplant(RECIPIENT, DONOR, found(caller, callee, donor), entry="solve")


def answer(asked: Asked) -> str:
    return "4.5" if asked.component.startswith("work") else "thought"


def run(program: Program, **inputs: Any) -> tuple[object, list[str]]:
    session = RecordingSession(script=answer)
    with loaded(program.source) as module:
        trace_functions(module.__dict__)
        with using_session(session):
            value = module.solve(**inputs)
    return value, [asked.component for asked in session.asked]


def test_the_places_are_the_calls_whose_signature_fits() -> None:
    places = [(item.caller, item.callee, item.donor) for item in grafts(RECIPIENT, DONOR, entry="solve")]
    assert places == [("solve", "plan", "reason"), ("solve", "work", "careful")]
    assert grafts(RECIPIENT, DONOR, entry="solve", frozen=["solve"]) == ()
    assert grafts(RECIPIENT, DONOR, entry="other") == ()


def test_a_component_comes_with_what_it_needs_under_names_that_are_free() -> None:
    child = put("solve", "plan", "reason")
    assert child.program.names == ("LIMIT", "calculate", "LIMIT_2", "calculate_2", "reason", "work", "solve")
    assert child.names == {"LIMIT": "LIMIT_2", "calculate": "calculate_2", "reason": "reason"}
    assert child.dropped == ("plan",)
    assert "return abs(math_2.sqrt(LIMIT_2)) + LIMIT_2" in child.program["calculate_2"].source
    assert '"""The value; `LIMIT` is added by `calculate`."""' in child.program["calculate_2"].source
    assert "@prompt(tools=[calculate_2])" in child.program["reason"].source
    assert "import cmath as math_2" in {item.statement for item in child.program.imports}
    assert errors(child.program) == []
    assert run(child.program, question="How many?") == (4.5, ["reason", "work"])


def test_what_both_have_alike_is_shared_and_what_nothing_needs_is_dropped() -> None:
    child = put("solve", "work", "careful")
    assert child.names["plan"] == "plan"
    assert child.program["plan"] == RECIPIENT["plan"]
    assert child.dropped == ("LIMIT", "calculate", "work")
    assert child.program["calculate"].source == DONOR["calculate"].source
    assert child.program["LIMIT"].source == "LIMIT = 7"
    assert {item.statement for item in child.program.imports} >= {"import cmath as math", "import json"}
    assert "answer = careful(steps, question)" in child.program["solve"].source
    value, asked = run(child.program, question="How many?")
    assert isinstance(value, int)
    assert asked == ["plan", "reason", "plan"]


def test_arguments_go_where_their_names_or_types_say() -> None:
    recipient = parse("def f(a: str, n: int) -> str:\n    return a\n\n\ndef solve(x: str) -> str:\n    return f(n=(3), a=x + '!')\n")
    donor = parse(
        "def g(k: int, text: str, *, loud: bool = False) -> str:\n    return text * k\n\n\ndef solve(x: str) -> str:\n    return g(1, x)\n"
    )
    (graft,) = grafts(recipient, donor, entry="solve")
    child = transplant(recipient, donor, graft, entry="solve").program
    assert "return g(3, x + '!')" in child["solve"].source
    assert "f" not in child


def test_a_call_through_a_combinator_keeps_it() -> None:
    source = CHAIN.replace("prompt, tool", "prompt, retry, tool").replace(
        "work(question, steps)", "retry(3, work, question, steps, accept=lambda value: value > 1)"
    )
    (graft,) = [item for item in grafts(parse(source), DONOR, entry="solve") if item.callee == "work"]
    child = transplant(parse(source), DONOR, graft, entry="solve").program
    assert "retry(3, careful, steps, question, accept=lambda value: value > 1)" in child["solve"].source


def test_one_of_two_calls_is_changed_and_the_callee_stays() -> None:
    recipient = replaced("solve", "plan(question)", "plan(question) + plan('again')", RECIPIENT)
    fitting = [item for item in grafts(recipient, DONOR, entry="solve") if item.callee == "plan"]
    assert [item.number for item in fitting] == [0, 1]
    child = transplant(recipient, DONOR, fitting[1], entry="solve").program
    assert "plan(question) + reason('again')" in child["solve"].source
    assert "plan" in child


def test_a_copy_of_the_caller_that_comes_along_stays_as_it_was() -> None:
    recipient = parse(
        "def g(x: int) -> int:\n    return x\n\n\ndef f(x: int) -> int:\n    return g(x)\n\n\ndef solve(x: int) -> int:\n    return f(x)\n"
    )
    donor = parse(recipient.source.replace("def solve", "def twice(x: int) -> int:\n    return f(f(x))\n\n\ndef solve"))
    graft = next(item for item in grafts(recipient, donor, entry="solve") if (item.caller, item.donor) == ("f", "twice"))
    child = transplant(recipient, donor, graft, entry="solve")
    assert child.names == {"g": "g", "f": "f_2", "twice": "twice"}
    assert run(child.program, x=3) == (3, [])


def test_a_name_that_would_hide_a_builtin_is_changed_or_the_transplant_refused() -> None:
    donor = parse("def len(x: str) -> str:\n    return x\n\n\ndef solve(question: str) -> str:\n    return len(question)\n")
    (graft,) = [item for item in grafts(RECIPIENT, donor, entry="solve") if item.callee == "plan"]
    assert transplant(RECIPIENT, donor, graft, entry="solve").names == {"len": "len_2"}
    recipient = parse("def print(x: str) -> str:\n    return x\n\n\ndef solve(q: str) -> str:\n    return print(q) + print(q)\n")
    donor = parse("def f(x: str) -> str:\n    print(x)\n    return x\n\n\ndef solve(q: str) -> str:\n    return f(q)\n")
    with pytest.raises(ProgramError, match="'print' would take the place of the builtin that 'f' uses"):
        transplant(recipient, donor, grafts(recipient, donor, entry="solve")[0], entry="solve")


def all_fit(program: Program) -> bool:
    """Whether every call gives what is asked for; not so where a component was given the name of a builtin that others call."""
    pairs = [(call, signature_of(program[call.callee])) for call in calls_of(program)]
    return all(signature is None or given_by(call, signature) is not None for call, signature in pairs)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_a_child_passes_check_and_each_of_its_calls_fits_what_it_calls(data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(EXAMPLES)), data.draw(st.sampled_from(EXAMPLES))
    recipient, donor = data.draw(changed_programs(one)), data.draw(changed_programs(other))
    for graft in grafts(recipient, donor, entry="solve")[:3]:
        try:
            child = transplant(recipient, donor, graft, entry="solve")
        except ProgramError:
            continue
        if not (errors(recipient) or errors(donor)):
            assert errors(child.program) == []
        call = calls_in(child.program, child.program[graft.caller])[graft.number]
        assert call.callee == child.names[graft.donor]
        if all_fit(recipient) and all_fit(donor):
            assert all_fit(child.program)
        names = [new for old, new in child.names.items() if old != new]
        assert not set(names) & set(recipient.names)
        assert transplant(recipient, donor, graft, entry="solve").program.source == child.program.source
