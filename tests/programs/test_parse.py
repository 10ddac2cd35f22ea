"""Parsing: every text is a program or a ProgramError, and a program is its text."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graftwork.programs.check import check_source
from graftwork.programs.cutting import split
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse

from .strategies import programs

HELLO = '''"""Answer grade-school maths questions."""
from __future__ import annotations

import os.path
from math import exp as e, log
from typing import Literal, TypeAlias

import graftwork as gw
from graftwork.programs import prompt, tool as instrument

# A free comment.

# How sure it is.
Sure = Literal["yes", "no"]
Both: TypeAlias = "Sure | None"
Either = int | list[str] | None
LIMIT: int = 10  # at most
TABLE = [1, 2][0]

@instrument
def calculate(expression: str) -> float:
    """The value of an expression."""
    return float(expression)
    # nothing else is done

@prompt
def plan(question: str) -> str:
    """List the steps."""

@gw.programs.prompt(tools=[calculate], temperature=0.0)
def work(question: str, steps: str) -> float:
    """Follow the steps."""

class Shape:
    size = LIMIT

def solve(question: str, unused: int = 0) -> float:
    return work(question, plan(question)) + e(log(Shape.size))


if __name__ == "__main__":
    print(solve("1 + 1"))
'''


def test_components_have_their_kinds_in_the_order_of_the_text() -> None:
    assert [(component.name, component.kind) for component in parse(HELLO).components] == [
        ("Sure", "type"),
        ("Both", "type"),
        ("Either", "type"),
        ("LIMIT", "constant"),
        ("TABLE", "constant"),
        ("calculate", "tool"),
        ("plan", "prompt"),
        ("work", "prompt"),
        ("Shape", "type"),
        ("solve", "function"),
    ]


def test_imports_are_one_for_each_name_sorted_and_normalised() -> None:
    assert [(item.name, item.statement, item.module) for item in parse(HELLO).imports] == [
        ("Literal", "from typing import Literal", "typing"),
        ("TypeAlias", "from typing import TypeAlias", "typing"),
        ("annotations", "from __future__ import annotations", "__future__"),
        ("e", "from math import exp as e", "math"),
        ("gw", "import graftwork as gw", "graftwork"),
        ("instrument", "from graftwork.programs import tool as instrument", "graftwork"),
        ("log", "from math import log", "math"),
        ("os", "import os.path", "os"),
        ("prompt", "from graftwork.programs import prompt", "graftwork"),
    ]


def test_touching_comments_belong_to_a_component_and_free_ones_do_not() -> None:
    program = parse(HELLO)
    assert program["Sure"].source == '# How sure it is.\nSure = Literal["yes", "no"]'
    assert program["LIMIT"].source == "LIMIT: int = 10  # at most"
    assert program["calculate"].source.startswith("@instrument\n")
    assert program["calculate"].source.endswith("    # nothing else is done")
    lines = HELLO.split("\n")
    for component in program.components:
        assert "\n".join(lines[component.first_line - 1 : component.last_line]) == component.source


def test_references_follow_scopes_and_include_decorators_defaults_and_annotations() -> None:
    program = parse(HELLO)
    assert program["solve"].refs == {"work", "plan", "e", "log", "Shape"}
    assert program["work"].refs == {"gw", "calculate"}
    assert program["work"].immediate == {"gw", "calculate"}
    assert program["Both"].refs == {"TypeAlias", "Sure"} - {"Sure"}
    assert program["solve"].unused == {"unused"}
    assert program.doc == "Answer grade-school maths questions."


@pytest.mark.parametrize(
    ("text", "refs"),
    [
        ("def f(x):\n    LIMIT = 1\n    return LIMIT", set()),
        ("def f(x):\n    return [LIMIT for LIMIT in x]", set()),
        ("def f(x):\n    return [y for y in LIMIT]", {"LIMIT"}),
        ("def f(x):\n    def g():\n        return LIMIT\n    LIMIT = 2\n    return g", set()),
        ("def f(x):\n    global LIMIT\n    LIMIT = 2", {"LIMIT"}),
        ("def f(x):\n    def g():\n        nonlocal x\n        x = LIMIT\n    return g", {"LIMIT"}),
        ("def f(x, y=LIMIT):\n    return y", {"LIMIT"}),
        ("class f:\n    LIMIT = LIMIT\n    def g(self):\n        return other", {"LIMIT", "other"}),
        ("class f:\n    other = 1\n    def g(self):\n        return other", {"other"}),
        ("class f:\n    other = 1\n    more = other", set()),
        ("f = lambda x: x + LIMIT", {"LIMIT"}),
        ("def f(x):\n    if (LIMIT := x):\n        return LIMIT", set()),
        ("def f(x):\n    return [LIMIT := y for y in x] and LIMIT", set()),
        ("def f(x: 'other | None') -> 'list[LIMIT]': ...", {"other", "LIMIT"}),
        ("def f(x: Literal['other']): ...", {"Literal"}),
        ("def f(x):\n    import LIMIT\n    return LIMIT", set()),
        ("def f(x):\n    match x:\n        case [LIMIT, *other] | {'a': LIMIT, **other}:\n            return LIMIT, other", set()),
        ("def f(x):\n    try:\n        x()\n    except ValueError as LIMIT:\n        return LIMIT", set()),
        ("def f(x):\n    return f(x - 1)", set()),
        ("def f(x):\n    with x as LIMIT:\n        return LIMIT.other", set()),
    ],
)
def test_a_name_is_a_reference_only_where_python_looks_it_up_in_the_module(text: str, refs: set[str]) -> None:
    assert parse(f"LIMIT = 1\nother = 2\n{text}\n")["f"].refs == refs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "line 1: not Python"),
        ("x = 1\nx = 2", "line 2: 'x' is defined again, first in line 1"),
        ("import x\nx = 2", "line 2: 'x' is defined and imported"),
        ("from a import x\nfrom b import x", "line 2: 'x' is imported as a.x and as b.x"),
        ("from a import *", "line 1: a star import"),
        ("from . import a", "line 1: a relative import"),
        ("import a\nfrom __future__ import annotations", "line 2: a __future__ import below other statements"),
        ("from __future__ import braces", "line 1: __future__ has no 'braces'"),
        ("a, b = 1, 2", "line 1: an assignment must bind one name"),
        ("a = b = 2", "line 1: an assignment must bind one name"),
        ("a: int", "line 1: 'a' is declared without a value"),
        ("print(1)", "line 1: a top-level Expr statement"),
        ("for i in []: pass", "line 1: a top-level For statement"),
        ("x = 1\n'text'", "line 2: a string stands alone"),
        ("async def f(): pass", "line 1: 'f' is async"),
        ("a = 1; b = 2", "line 1: two statements on one line"),
        ("a = 1; \\\nb = 2", "line 1: two statements on one line"),
        ("def f():\n    break", "line 2: break outside a loop"),
        ("class A:\n    return 1", "line 2: return outside a function"),
        ("def f(a, a): pass", "a parameter is named twice"),
        ("def f():\n    nonlocal a", "nonlocal 'a' is bound in no enclosing function"),
        ("def f():\n    g(a=1, a=2)", "line 2"),
        ("x = '\0'", "not Python"),
        ("x = '\ud800'", "line 1: not Python: a lone surrogate"),
        ("x = " + "(" * 5000, "not Python"),
        ("x = " + "-" * 200 + "1", "line 1: nested more than 150 levels deep"),
        ("x = " + "-" * 50_000 + "1", "nested"),
        ("x = 'a'\n" * 30_000, "may have 200000 bytes"),
    ],
)
def test_what_is_no_program_is_refused_with_line_and_reason(text: str, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_odd_escapes_are_read_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert parse("x = '\\d'\n").names == ("x",)
    assert seen == []


def test_submodules_of_one_package_may_be_imported_together() -> None:
    assert [item.statement for item in parse("import xml.dom\nimport xml.sax\nx = xml\n").imports] == ["import xml.dom", "import xml.sax"]


@given(programs())
def test_pieces_joined_are_the_text_and_parsing_keeps_it(source: str) -> None:
    program = parse(source)
    assert program.source == source
    assert "".join(piece.text for piece in split(source)) == source
    for component in program.components:
        assert component.source in source
        assert parse(program.source)[component.name] == component


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="ab=()[]:\n\r\f \t#\\'\"@;,.\0{}\ud800"),
        programs().flatmap(lambda text: st.sampled_from([text[: len(text) // 2], text[1:], text.replace("\n", "\r")])),
    )
)
@example("\ufeffx = 1")
@example("x = 1\f\n\fy = 2")
@example("x = 1\ry = 2")
@example("@(\nx\n)\ndef f(): pass")
@example("@ \\\nx\ndef f(): pass")
@example("\\\nx = 1")
@example("x = 1 \\\n\n# c")
@example("x = 0x" + "f" * 10_000)
@example("x = 1\u2028y = 2")
@example("x = '''\u2028\x1c\x85'''\ny = 2")
def test_no_text_raises_anything_but_a_program_error(text: str) -> None:
    try:
        program = parse(text)
    except ProgramError:
        assert check_source(text, entry="f", parameters=[])[0].severity == "error"
    else:
        assert "".join(piece.text for piece in split(text)) == text
        assert all(parse(component.source).names == (component.name,) for component in program.components)
