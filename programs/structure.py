"""Structure: what a program's call sites make of its components."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .errors import ProgramError
from .layout import read
from .program import Component, Program

__all__ = ["Descriptors", "call_graph", "descriptors", "misplaced", "reachable", "syntax"]

_CALLABLE: Final = frozenset(("prompt", "tool", "function"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """Numbers that place a program among others. They count what the entry reaches.

    Attributes:
        n_prompts: Prompts.
        n_tools: Tools.
        n_functions: Plain functions, the entry included.
        depth: Calls on the shortest way from the entry to the farthest prompt, tool or function; 0 when it calls none.
        size: Syntax nodes.
        n_lines: Lines that are not blank.
    """

    n_prompts: int
    n_tools: int
    n_functions: int
    depth: int
    size: int
    n_lines: int


def call_graph(program: Program) -> Mapping[str, frozenset[str]]:
    """For each component, in the order of the text, the components that it refers to."""
    names = frozenset(program.names)
    return {component.name: component.refs & names for component in program.components}


def reachable(program: Program, entry: str) -> frozenset[str]:
    """The components that the entry needs, directly or not, itself included; without an entry all of them.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    return frozenset(_levels(program, entry))


def descriptors(program: Program, entry: str) -> Descriptors:
    """The structural descriptors of a program.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    levels = _levels(program, entry)
    used = [component for component in program.components if component.name in levels]
    return Descriptors(
        n_prompts=sum(component.kind == "prompt" for component in used),
        n_tools=sum(component.kind == "tool" for component in used),
        n_functions=sum(component.kind == "function" for component in used),
        depth=max((levels[component.name] for component in used if component.kind in _CALLABLE), default=0),
        size=sum(_size(component) for component in used),
        n_lines=sum(bool(line.strip()) for component in used for line in component.source.splitlines()),
    )


def syntax(component: Component) -> ast.stmt:
    """The one statement that a component's text is.

    Raises:
        ProgramError: If it is not one statement; `parse` makes no such component.
    """
    statements = read(component.source)
    if len(statements) != 1:
        raise ProgramError(f"component {component.name!r} is not one statement; make programs with `parse`")
    return statements[0]


def misplaced(program: Program) -> tuple[tuple[str, str], ...]:
    """Pairs (user, needed) where the text of `user` is evaluated before `needed`, which stands below it, is defined.

    Constants, decorators, defaults, bases and annotations are evaluated when the program is loaded; function bodies are not.
    """
    below = set(program.names)
    found = []
    for component in program.components:
        below.discard(component.name)
        found += [(component.name, name) for name in sorted(component.immediate & below)]
    return tuple(found)


def _levels(program: Program, entry: str) -> dict[str, int]:
    """Each needed component's distance from the entry, in references; 0 for all where the module is used as a whole, without entry."""
    graph = call_graph(program)
    levels = dict.fromkeys((program[entry].name,) if entry else program.names, 0)
    front = list(levels)
    while front:
        front = sorted({name for user in front for name in graph[user]} - levels.keys())
        levels.update(dict.fromkeys(front, max(levels.values()) + 1))
    return levels


def _size(component: Component) -> int:
    return sum(not isinstance(node, ast.expr_context) for node in ast.walk(syntax(component)))
