"""Descriptors: numbers that place a program among others."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass

from .calls import calls_in
from .program import CALLABLE, Component, Program
from .structure import levels, syntax
from .worst_case import worst_case_calls

__all__ = ["Descriptors", "depth_of", "descriptors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """What a program is made of. Everything counts what the entry reaches, and that alone.

    Attributes:
        n_prompts: Prompts.
        n_tools: Tools.
        n_functions: Plain functions, the entry included.
        n_types: Classes and aliases.
        n_constants: Constants.
        n_calls: Places in functions and tools where a component is called by its name, or by `vote` and `retry`.
        depth: References on the shortest way from the entry to the farthest prompt, tool or function; 0 when it needs none.
        worst_case_calls: The most model calls of one run; None where the text sets no bound, or there is no entry.
        size: Syntax nodes.
        n_lines: Lines that are not blank.
        modules: Modules that are imported and used, sorted, by their top-level names; not our own.
    """

    n_prompts: int
    n_tools: int
    n_functions: int
    n_types: int
    n_constants: int
    n_calls: int
    depth: int
    worst_case_calls: int | None
    size: int
    n_lines: int
    modules: tuple[str, ...]


def descriptors(program: Program, entry: str) -> Descriptors:
    """The structural descriptors of a program.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    found = levels(program, entry)
    used = [component for component in program.components if component.name in found]
    kinds = Counter(component.kind for component in used)
    names = frozenset().union(*(component.refs for component in used))
    modules = {item.module for item in program.imports if item.name in names} - {"graftwork", "__future__"}
    return Descriptors(
        n_prompts=kinds["prompt"],
        n_tools=kinds["tool"],
        n_functions=kinds["function"],
        n_types=kinds["type"],
        n_constants=kinds["constant"],
        n_calls=sum(len(calls_in(program, component)) for component in used),
        depth=depth_of(program, entry),
        worst_case_calls=worst_case_calls(program, entry) if entry else None,
        size=sum(_size(component) for component in used),
        n_lines=sum(bool(line.strip()) for component in used for line in component.source.splitlines()),
        modules=tuple(sorted(modules)),
    )


def depth_of(program: Program, entry: str) -> int:
    """References on the shortest way from the entry to the farthest prompt, tool or function; 0 when it needs none.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    found = levels(program, entry)
    return max((found[item.name] for item in program.components if item.name in found and item.kind in CALLABLE), default=0)


def _size(component: Component) -> int:
    return sum(not isinstance(node, ast.expr_context) for node in ast.walk(syntax(component)))
