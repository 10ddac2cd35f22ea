"""Example programs and random changes of them, for the laws of merging and of provenance."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from graftwork.programs.edit import Add, Edit, Remove, Replace, apply
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.program import Component, Program
from graftwork.programs.rename import renamed_program

__all__ = ["CHAIN", "EXAMPLES", "changed_programs"]

CHAIN: Final = '''"""Answer questions."""

import math

from graftwork.programs import prompt, tool

LIMIT = 3


@tool
def calculate(expression: str) -> float:
    """The value of an expression."""
    return math.floor(len(expression)) + LIMIT


@prompt(max_tokens=96)
def plan(question: str) -> str:
    """List the steps.

    Compute nothing.
    """


@prompt(tools=[calculate], temperature=0.0)
def work(question: str, steps: str) -> float:
    """Follow the steps."""


def solve(question: str) -> float:
    steps = plan(question)
    answer = work(question, steps)
    return answer
'''
_FOLDER: Final = Path(__file__).parents[2] / "examples"
EXAMPLES: Final = (parse(CHAIN), *(parse(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("*/program.py"))))


_Change = Callable[[Program, Component, int], Program]


def _renumber(program: Program, component: Component, number: int) -> Program:
    return apply(program, [Replace(name=component.name, source=re.sub(r"\b\d+\b", str(number), component.source))])


def _instruct(program: Program, component: Component, number: int) -> Program:
    return apply(program, [Replace(name=component.name, source=re.sub(r"\.(\s|\")", rf". Mind {number}.\1", component.source, count=1))])


def _lay_out(program: Program, component: Component, number: int) -> Program:
    return apply(program, [Replace(name=component.name, source=f"# Note {number}.\n{component.source}")])


def _call_new(program: Program, component: Component, number: int) -> Program:
    if component.kind != "function" or (found := re.search(r"^    (?=\w+ = |return )", component.source, re.MULTILINE)) is None:
        return program
    helper = f"helper_{number % 3}"
    call = f"    print({helper}({number}))\n"
    source = component.source[: found.start()] + call + component.source[found.start() :]
    text = f"import statistics\n\n\ndef {helper}(x):\n    return statistics.mean([x, {number}])\n"
    edits: list[Edit] = [Replace(name=component.name, source=source), *([] if helper in program else [Add(source=text)])]
    return apply(program, edits)


def _remove(program: Program, component: Component, number: int) -> Program:
    used = any(component.name in item.refs for item in program.components)
    return program if used or component.name == "solve" else apply(program, [Remove(name=component.name)])


def _rename(program: Program, component: Component, number: int) -> Program:
    return program if component.name == "solve" else renamed_program(program, {component.name: f"{component.name}_{number}"})


def _hide_builtin(program: Program, component: Component, number: int) -> Program:
    if component.name == "solve" or component.kind not in ("function", "constant"):
        return program
    return renamed_program(program, {component.name: ("len", "float", "print")[number % 3]})


_CHANGES: Final[tuple[_Change, ...]] = (_renumber, _instruct, _lay_out, _call_new, _call_new, _remove, _rename, _hide_builtin)


@st.composite
def changed_programs(draw: st.DrawFn, program: Program, *, n: int = 4) -> Program:
    """A program after up to n changes of its components."""
    for _ in range(draw(st.integers(0, n))):
        change, component = draw(st.sampled_from(_CHANGES)), draw(st.sampled_from(program.components))
        try:
            program = change(program, component, draw(st.integers(2, 9)))
        except ProgramError:
            continue
    return program
