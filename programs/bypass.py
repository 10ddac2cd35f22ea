"""Bypass: a call left out, and one of its arguments taken in its place."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final

from .calls import Call, calls_of
from .edit import Replace, apply
from .moves import Context, Moved, Place, changeable
from .program import Component, Program
from .rewire import Site, edited, site_of, stands_alone, without_statement
from .splice import text_of
from .structure import syntax

__all__ = ["Bypass"]

_ATOMS: Final = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass:
    """A call replaced by one of its arguments, of the type that the call gives.

    What that leaves without use goes too: an assignment of a value to itself, the loop around it, values that nobody reads any more.
    Law: the child behaves as the parent where the call gives back that argument. A place's number counts the program's calls; its choice
    is the parameter whose argument is taken.
    """

    name: str = "bypass"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Calls of other components, each with every argument of the right type."""
        open_names = changeable(program, context)
        return tuple(
            Place(component=call.caller, number=number, choice=name)
            for number, call in enumerate(calls_of(program))
            if call.caller in open_names and call.callee not in (call.caller, context.entry)
            if (site := site_of(program, call)) is not None
            for name in _passing(program[call.callee], site)
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program without the call."""
        call = calls_of(program)[place.number]
        site = site_of(program, call)
        assert site is not None  # noqa: S101 - it was found there
        value = site.given[place.choice]
        source = _without(site) if _is_idle(site, value) else edited(site.source, call.statement, changes=[(call.node, _text(site, value))])
        child = apply(program, [Replace(name=call.caller, source=source)])
        child = _without_unread(program, child, call)
        return Moved(program=child, note=f"{place.component} takes {place.choice} instead of what {call.callee} makes of it")


def _passing(callee: Component, site: Site) -> list[str]:
    """Parameters whose arguments may stand for the result."""
    returns = site.signature.returns or ("str" if callee.kind == "prompt" else "")
    if not returns or callee.kind == "type":
        return []
    default = "str" if callee.kind == "prompt" else ""
    found = [name for name, item in site.parameters.items() if (item.annotation or default) == returns]
    return [name for name in found if not _is_idle(site, site.given[name]) or _without(site)]


def _is_idle(site: Site, value: ast.expr) -> bool:
    """Whether the statement does nothing once the call is its argument: it assigns a name to itself, or drops the result."""
    dropped = isinstance(site.call.statement, ast.Expr) and site.call.statement.value is site.call.node
    return dropped or (bool(site.target) and isinstance(value, ast.Name) and value.id == site.target)


def _without(site: Site) -> str:
    """The caller's text without the call's statement, or the loop that does nothing else; empty where it cannot be taken out."""
    return _cut(site.source, site.call.parents[: site.call.parents.index(site.call.statement)], site.call.statement)


def _cut(source: str, parents: tuple[ast.AST, ...], statement: ast.stmt) -> str:
    block = parents[-1]
    items = next((items for _, items in ast.iter_fields(block) if isinstance(items, list) and statement in items), [])
    if len(items) > 1 and stands_alone(source, statement):
        return without_statement(source, statement)
    # A bare `for` without any statement would be no Python; one that counts rounds goes whole.
    if isinstance(block, ast.For) and not block.orelse and items is block.body and not any(isinstance(n, ast.Call) for n in _inner(block)):
        return _cut(source, parents[:-1], block)
    return ""


def _inner(loop: ast.For) -> list[ast.AST]:
    """What a loop goes over, less a plain `range(2)`."""
    match loop.iter:
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant()], keywords=[]):
            return []
    return list(ast.walk(loop.iter))


def _text(site: Site, value: ast.expr) -> str:
    text = text_of(site.source, value)
    return text if (isinstance(value, _ATOMS) and "\n" not in text) or isinstance(value, ast.Call) else f"({text})"


def _without_unread(before: Program, after: Program, call: Call) -> Program:
    """The program without assignments in the caller whose values nobody reads any more, where making them only calls components."""
    read = _read(before[call.caller])
    while True:
        component = after[call.caller]
        idle = _idle_assignment(after, component, read - _read(component))
        if idle is None:
            return after
        source = _cut(component.source, *idle)
        if not source:
            return after
        after = apply(after, [Replace(name=component.name, source=source)])


def _read(component: Component) -> frozenset[str]:
    return frozenset(item.id for item in ast.walk(syntax(component)) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load))


def _idle_assignment(program: Program, component: Component, unread: frozenset[str]) -> tuple[tuple[ast.AST, ...], ast.stmt] | None:
    """The first assignment of a name that is not read, with what is around it."""
    for call in calls_of(program):
        match call.statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) as statement if call.caller == component.name and name in unread:
                made = [item for item in ast.walk(value) if isinstance(item, ast.Call)]
                known = [item for item in calls_of(program) if item.caller == component.name]
                if len(made) == sum(item.statement.lineno == statement.lineno for item in known) and stands_alone(
                    component.source, statement
                ):
                    return call.parents[: call.parents.index(statement)], statement
    return None
