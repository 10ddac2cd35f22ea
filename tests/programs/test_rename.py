"""Names change where Python would look them up in the module, and nowhere else."""

from __future__ import annotations

import pytest

from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.rename import fresh_name, import_as, renamed, renamed_program, words_of


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(x):\n    return  plan(x)  # plan", "def f(x):\n    return  plan_2(x)  # plan"),
        ('def f(plan=plan):\n    """plan"""\n    return plan', 'def f(plan=plan_2):\n    """plan"""\n    return plan'),
        ("def f(x):\n    plan = x\n    return plan", "def f(x):\n    plan = x\n    return plan"),
        ("def f(x):\n    global plan\n    plan = x", "def f(x):\n    global plan_2\n    plan_2 = x"),
        ("def f(x):\n    return [plan for plan in plan(x)]", "def f(x):\n    return [plan for plan in plan_2(x)]"),
        ("def f(x):\n    return (lambda plan: plan)(plan)", "def f(x):\n    return (lambda plan: plan)(plan_2)"),
        ("def f(x):\n    return x.plan(plan=plan)", "def f(x):\n    return x.plan(plan=plan_2)"),
        ("def f(x: 'list[plan]') -> plan: ...", "def f(x: 'list[plan_2]') -> plan_2: ..."),
        ("def f(x: Literal['plan']): ...", "def f(x: Literal['plan']): ..."),
        ("def f(x):\n    return f'größe {plan(x)!r:>4} plan'", "def f(x):\n    return f'größe {plan_2(x)!r:>4} plan'"),
        ("class f(plan):\n    def plan(self):\n        return plan()", "class f(plan_2):\n    def plan(self):\n        return plan_2()"),
        ("class f:\n    plan: int = 1", "class f:\n    plan: int = 1"),
        ("f = [plan, 'plan', 'größe', plan]", "f = [plan_2, 'plan', 'größe', plan_2]"),
        (
            "def f(x):\n    def g():\n        return plan\n    match x:\n        case [plan]:\n            return g",
            "def f(x):\n    def g():\n        return plan\n    match x:\n        case [plan]:\n            return g",
        ),
        (
            "def f(x):\n    if any(plan := y for y in x):\n        return plan",
            "def f(x):\n    if any(plan := y for y in x):\n        return plan",
        ),
        (
            "def f(x):\n    try:\n        return x\n    except ValueError as plan:\n        return plan",
            "def f(x):\n    try:\n        return x\n    except ValueError as plan:\n        return plan",
        ),
    ],
)
def test_a_reference_is_renamed_where_it_is_the_modules(before: str, after: str) -> None:
    assert renamed(parse(before)["f"], {"plan": "plan_2"}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@f\ndef  f(f):\n    return f", "@g\ndef  g(f):\n    return f"),
        ("def f(x):\n    return f(x - 1)", "def g(x):\n    return g(x - 1)"),
        ("class f: ...", "class g: ..."),
        ("f: int = 1  # f", "g: int = 1  # f"),
    ],
)
def test_a_definition_is_renamed_with_its_own_uses(before: str, after: str) -> None:
    assert renamed(parse(before)["f"], {"f": "g"}) == after


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ProgramError, match="binds 'plan' and reads it"):
        renamed(parse("class f:\n    plan = plan")["f"], {"plan": "plan_2"})
    with pytest.raises(ProgramError, match="cannot bind another name"):
        import_as("import os.path", "other")


def test_a_program_is_renamed_with_its_imports() -> None:
    program = parse("import math\nfrom re import sub as cut\n\nA = math.pi\n\ndef f():\n    return A, cut\n")
    child = renamed_program(program, {"A": "B", "math": "maths", "cut": "cut_2"})
    assert {item.statement for item in child.imports} == {"import math as maths", "from re import sub as cut_2"}
    assert child.source.endswith("\n\nB = maths.pi\n\ndef f():\n    return B, cut_2\n")


def test_a_fresh_name_is_readable_and_new() -> None:
    program = parse("plan = 1\nplan_2 = 2\n")
    assert fresh_name("plan", words_of([program])) == "plan_3"
    assert fresh_name("plan_2", {"plan_2"}) == "plan_3"
