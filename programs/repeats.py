"""Repeats: which components a program calls several times, by a vote or a retry."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .compose import imported_as
from .program import Program
from .structure import reachable, syntax

__all__ = ["is_voted", "reached", "repeats"]


def is_voted(program: Program, name: str) -> bool:
    """Whether some vote in a program calls a component, directly or not."""
    return any(name in reached(program, target) for _, target in repeats(program, "vote"))


def repeats(program: Program, combinator: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Who uses a combinator, and the components that it may call there: one by name, or whatever the user refers to."""
    alias = imported_as(program, combinator)
    for component in program.components:
        if alias not in component.refs:
            continue
        for node in ast.walk(syntax(component)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == alias:
                target = node.args[1].id if len(node.args) > 1 and isinstance(node.args[1], ast.Name) else ""
                yield component.name, frozenset((target,)) if target in program else component.refs & frozenset(program.names)


def reached(program: Program, names: frozenset[str]) -> frozenset[str]:
    """The components that some components need, themselves included."""
    return frozenset(item for name in names for item in reachable(program, name))
