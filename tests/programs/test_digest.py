"""The digest: equal for what means the same, different for what a machine or a model reads differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graftwork.programs.parse import parse

from .strategies import programs, relaid

HEAD = "import math\nfrom graftwork.programs import prompt, tool\n\n"


def digest(text: str) -> str:
    return parse(HEAD + text).digest


@given(st.data())
def test_layout_comments_order_and_import_form_do_not_count(data: st.DataObject) -> None:
    program = parse(data.draw(programs()))
    again = parse(data.draw(relaid(program)))
    assert again.digest == program.digest
    assert {item.name: item.digest for item in again.components} == {item.name: item.digest for item in program.components}


@given(programs(), st.data())
def test_an_instruction_counts(source: str, data: st.DataObject) -> None:
    program = parse(source)
    assume(program.prompts)
    prompt = data.draw(st.sampled_from(program.prompts))
    changed = parse(source.replace(prompt.source, prompt.source.replace('"""', '"""Please: ', 1)))
    assert changed.digest != program.digest
    assert [item.name for item in changed.components if item.digest != program[item.name].digest] == [prompt.name]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n    return x + 1", "def f( x ):  # c\n\n    return (x\n        + 1)"),
        ("def f(x):\n    '''One.'''\n    return x", 'def f(x):\n    """Two."""\n    return x'),
        ("def f(x):\n    '''One.'''", "def f(x):\n    pass"),
        ("class A:\n    def f(self):\n        '''One.'''\n        return 1", "class A:\n    def f(self):\n        return 1"),
        ("@prompt\ndef f(x):\n    '''Say\n    it.'''", '@prompt\ndef f(x):\n    """\n    Say\n    it.\n    """\n    ...'),
        ("X = 1_000", "X = 0x3E8"),
        ("X = 'a' 'b'", 'X = "ab"'),
        ("import os", ""),
        ("import os\nX = os, math", "import os as os\nX = (os, math,)"),
    ],
)
def test_texts_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n    return x + 1", "def f(y):\n    return y + 1"),
        ("def f(x):\n    return x + 1", "def f(x):\n    return x - 1"),
        ("def f(x):\n    return x", "def f(x: int):\n    return x"),
        ("def f(x, y=1):\n    return x", "def f(x, *, y=1):\n    return x"),
        ("def f(*, x, y=1): ...", "def f(*, y, x=1): ..."),
        ("def f(x=1, /): ...", "def f(x=1): ..."),
        ("@prompt\ndef f(x):\n    '''One.'''", "@prompt\ndef f(x):\n    '''Two.'''"),
        ("@prompt\ndef f(x):\n    '''One.'''", "@tool\ndef f(x):\n    '''One.'''"),
        ("@prompt\ndef f(x):\n    '''One.'''", "@prompt(temperature=0.0)\ndef f(x):\n    '''One.'''"),
        ("@tool\ndef f(x):\n    '''One.'''\n    return x", "@tool\ndef f(x):\n    '''Two.'''\n    return x"),
        ("class A:\n    '''One.'''", "class A:\n    '''Two.'''"),
        (
            "def g():\n    @prompt\n    def f(x):\n        '''One.'''\n    return f",
            "def g():\n    @prompt\n    def f(x):\n        '''Two.'''\n    return f",
        ),
        ("X = 1", "X = 1.0"),
        ("X = 1", "X = True"),
        ("X = '1'", "X = 1"),
        ("X = ''", "X = b''"),
        ("X = ['a', 'b']", "X = ['a', ['b']]"),
        ("X = 'a\\nNone'", "X = 'a', None"),
        ("X = {**math}", "X = {None: math}"),
        ("def f(x):\n    if x:\n        x = 1\n        x = 2", "def f(x):\n    if x:\n        x = 1\n    x = 2"),
        ("def f(x):\n    for y in x:\n        pass\n    else:\n        x = 1", "def f(x):\n    for y in x:\n        pass\n    x = 1"),
        ("X = math.exp", "from numpy import exp\nX = exp"),
        ("def f(*, x): ...", "def f(*, x=None): ..."),
    ],
)
def test_texts_that_mean_something_else_differ(one: str, other: str) -> None:
    assert digest(one) != digest(other)


def test_only_imports_in_use_count() -> None:
    assert parse("import math\nX = 1\n").digest == parse("X = 1\n").digest
    assert parse("from math import exp\nX = exp\n").digest != parse("from cmath import exp\nX = exp\n").digest
    assert parse("from __future__ import annotations\nX = 1\n").digest != parse("X = 1\n").digest


def test_a_digest_is_the_same_on_every_machine() -> None:
    program = parse(
        '@p\ndef f(x: int, *y: "A", z=1.5) -> str:\n    """Doc."""\n    return f"{x!r:>{z}} ä" if y else b"\\x00"\n\nclass A: "Doc."\n'
    )
    assert program.digest == "7a66dec35bddcd45dbc332c687e403d2"
    assert len(program.digest) == 32


_RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("recorded_programs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("recorded", _RECORDED, ids=[recorded["name"] for recorded in _RECORDED])
def test_programs_of_earlier_runs_have_the_digests_that_they_had(recorded: dict[str, Any]) -> None:
    program = parse(recorded["source"])
    found = {
        item.name: {
            "kind": item.kind,
            "digest": item.digest,
            "shape": item.shape,
            "refs": sorted(item.refs),
            "immediate": sorted(item.immediate),
            "unused": sorted(item.unused),
            "lines": [item.first_line, item.last_line],
        }
        for item in program.components
    }
    assert program.digest == recorded["digest"]
    assert found == recorded["components"]
