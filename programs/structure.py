"""Structure: what a program's call sites make of its components."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from .cutting import statement_of
from .program import Component, Program

__all__ = ["call_graph", "callees_first", "closed", "levels", "misplaced", "reachable", "syntax"]


def call_graph(program: Program) -> Mapping[str, frozenset[str]]:
    """For each component, in the order of the text, the components that it refers to."""
    names = frozenset(program.names)
    return {component.name: component.refs & names for component in program.components}


def callees_first(graph: Mapping[str, frozenset[str]], roots: Iterable[str]) -> Iterator[str]:
    """Some components of a call graph and all that they need, each behind what it refers to as far as there are no circles."""
    seen: set[str] = set()
    for root in roots:
        path = [] if root in seen else [(root, iter(sorted(graph[root])))]
        seen.add(root)
        while path:
            name, below = path[-1]
            following = next((other for other in below if other not in seen), None)
            if following is None:
                yield name
                path.pop()
            else:
                seen.add(following)
                path.append((following, iter(sorted(graph[following]))))


def reachable(program: Program, entry: str) -> frozenset[str]:
    """The components that the entry needs, directly or not, itself included; without an entry all of them.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    return frozenset(levels(program, entry))


def closed(graph: Mapping[str, frozenset[str]], roots: Iterable[str]) -> frozenset[str]:
    """The roots and all that they lead to."""
    found = set(roots)
    front = list(found)
    while front:
        more = graph[front.pop()] - found
        found |= more
        front += more
    return frozenset(found)


def levels(program: Program, entry: str) -> dict[str, int]:
    """Each needed component's distance from the entry, in references.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    graph = call_graph(program)
    found = dict.fromkeys((program[entry].name,) if entry else program.names, 0)
    front = list(found)
    while front:
        front = sorted({name for user in front for name in graph[user]} - found.keys())
        found.update(dict.fromkeys(front, max(found.values()) + 1))
    return found


def syntax(component: Component) -> ast.stmt:
    """The one statement that a component's text is. Nobody changes it: it may be kept, and be given to others.

    Raises:
        ProgramError: If it is not one statement; `parse` makes no such component.
    """
    return statement_of(component.source)


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
