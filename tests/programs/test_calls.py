from __future__ import annotations

import ast

import pytest

from graftwork.programs.calls import calls_in, calls_of, fits, local_names
from graftwork.programs.parse import parse
from graftwork.programs.signature import signature_of
from graftwork.programs.structure import syntax

SOURCE = '''\
from graftwork.programs import prompt, retry, tool, vote


@tool
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@prompt(tools=[add])
def work(question: str, steps: str = "") -> int:
    """Answer."""


def solve(question: str) -> int:
    first = work(question, steps="none")
    for _ in range(3):
        first += add(first, work(question))
    if first > 3:
        return vote(5, work, question, steps="x")
    return retry(2, work, question, accept=lambda value: value > add(1, 2))
'''


def test_calls_come_in_the_order_of_the_text_with_what_they_give() -> None:
    found = [(call.callee, call.through, len(call.arguments), tuple(call.keywords)) for call in calls_of(parse(SOURCE))]
    assert found == [
        ("work", "", 1, ("steps",)),
        ("add", "", 2, ()),
        ("work", "", 1, ()),
        ("work", "vote", 1, ("steps",)),
        ("work", "retry", 1, ()),
        ("add", "", 2, ()),
    ]


def test_a_call_knows_its_statement_and_what_is_around_it() -> None:
    program = parse(SOURCE)
    inner = calls_in(program, program["solve"])[2]
    assert isinstance(inner.statement, ast.AugAssign)
    assert [type(node) for node in inner.parents] == [ast.FunctionDef, ast.For, ast.AugAssign, ast.Call]


@pytest.mark.parametrize(
    "body",
    [
        "    work = str\n    return work(question)",
        "    def work(x):\n        return x\n    return work(question)",
        "    from math import floor as work\n    return work(question)",
    ],
)
def test_a_local_name_hides_the_component(body: str) -> None:
    program = parse(SOURCE + f"\n\ndef other(question):\n{body}\n")
    assert calls_in(program, program["other"]) == ()


def test_a_comprehension_elsewhere_hides_nothing() -> None:
    program = parse(SOURCE + "\n\ndef other(question):\n    hints = [work for work in question]\n    return work(question)\n")
    assert [call.callee for call in calls_in(program, program["other"])] == ["work"]


def test_local_names_are_all_that_a_function_binds() -> None:
    source = """\
def f(a, *b, c=1, **d):
    try:
        (e := 1)
        for g, (h, i) in a:
            pass
    except ValueError as j:
        raise
    match a:
        case [k, *l]:
            import m.n
        case {**p}:
            pass
    lambda o: o
"""
    node = syntax(parse(source)["f"])
    assert isinstance(node, ast.FunctionDef)
    assert local_names(node) == frozenset("abcdeghijklmop")


@pytest.mark.parametrize(
    ("parameters", "call", "expected"),
    [
        ("x, y", "f(1, 2)", True),
        ("x, y", "f(1, y=2)", True),
        ("x, y=0", "f(1)", True),
        ("x, y", "f(1)", False),
        ("x", "f(1, 2)", False),
        ("x", "f(z=1)", False),
        ("x, y=0", "f(1, x=2)", False),
        ("x, /", "f(x=1)", False),
        ("x, *, y", "f(1, 2)", False),
        ("x, *, y", "f(1, y=2)", True),
        ("*rest", "f(1, 2, 3)", True),
        ("x, **rest", "f(1, z=2)", True),
        ("x, /, **rest", "f(1, x=2)", True),
        ("x, y", "f(*z)", True),
        ("x, y", "f(1, **z)", True),
        ("x, y", "vote(3, f, 1, 2)", True),
        ("x, y", "vote(3, f, 1)", False),
    ],
)
def test_a_call_fits_what_python_would_take(parameters: str, call: str, *, expected: bool) -> None:
    text = f"from graftwork.programs import vote\n\n\ndef f({parameters}):\n    return 0\n\n\ndef solve(z):\n    return {call}\n"
    program = parse(text)
    signature = signature_of(program["f"])
    assert signature is not None
    assert [fits(one, signature) for one in calls_of(program)] == [expected]
