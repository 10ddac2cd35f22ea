from __future__ import annotations

import ast

import pytest

from graftwork.programs.calls import calls_in, calls_of, local_names
from graftwork.programs.parse import parse
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
    lambda o: o
"""
    node = syntax(parse(source)["f"])
    assert isinstance(node, ast.FunctionDef)
    assert local_names(node) == frozenset("abcdeghijklmo")
