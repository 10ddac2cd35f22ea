"""Bypass: a call left out, and one of its arguments taken in its place."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final

from .calls import Call, calls_of
from .edit import Replace, apply
from .moves import Context, Moved, Place, changeable
from .program import Component, Program
from .rewire import CallSite, edited, site_at, site_of, without_statement
from .splice import stands_alone, text_of
from .structure import syntax

__all__ = ["Bypass"]

_ATOMS: Final = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp)

# What may go on elsewhere, or later, with the value that a name has here.
_LEAVING: Final = (ast.Break, ast.Continue, ast.FunctionDef, ast.Lambda, ast.ClassDef)


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
        site = site_at(program, place.number)
        call = site.call
        value = site.given[place.choice]
        source = _without(site) if _is_idle(site, value) else edited(site.source, call.statement, changes=[(call.node, _text(site, value))])
        child = apply(program, [Replace(name=call.caller, source=source)])
        child = _without_unread(program, _without_overwritten(child, call.caller), call)
        return Moved(program=child, note=f"{place.component} takes {place.choice} instead of what {call.callee} makes of it")


def _passing(callee: Component, site: CallSite) -> list[str]:
    """Parameters whose arguments may stand for the result."""
    returns = site.signature.returns or ("str" if callee.kind == "prompt" else "")
    if not returns or callee.kind == "type":
        return []
    default = "str" if callee.kind == "prompt" else ""
    found = [name for name, item in site.parameters.items() if (item.annotation or default) == returns]
    in_loop = any(isinstance(item, ast.For | ast.While) for item in site.call.parents)
    idle = {name for name in found if _is_idle(site, site.given[name])}
    # In a loop a name that always gets the same value says nothing: there only what the loop goes without may go.
    return [name for name in found if (_without(site) if name in idle else not (in_loop and site.target))]


def _is_idle(site: CallSite, value: ast.expr) -> bool:
    """Whether the statement does nothing once the call is its argument: it assigns a name to itself, or drops the result."""
    dropped = isinstance(site.call.statement, ast.Expr) and site.call.statement.value is site.call.node
    return dropped or (bool(site.target) and isinstance(value, ast.Name) and value.id == site.target)


def _without(site: CallSite) -> str:
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


def _text(site: CallSite, value: ast.expr) -> str:
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


def _without_overwritten(program: Program, caller: str) -> Program:
    """The program without assignments in a caller whose values are replaced before anybody reads them."""
    while True:
        component = program[caller]
        for call in calls_of(program):
            if call.caller != caller or not isinstance(call.statement, ast.Assign):
                continue
            parents = call.parents[: call.parents.index(call.statement)]
            name = _target(call.statement)
            around = tuple(item for item in parents if isinstance(item, ast.stmt))
            own = name and name not in _declared(component)
            if own and _is_overwritten(around, call.statement, name) and _only_calls(program, component, call.statement):
                source = _cut(component.source, parents, call.statement)
                break
        else:
            return program
        if not source:
            return program
        program = apply(program, [Replace(name=caller, source=source)])


def _is_overwritten(parents: tuple[ast.stmt, ...], statement: ast.stmt, name: str) -> bool:
    """Whether the next statement that mentions a name in the same block, or after the counting loop around it, gives it another value."""
    if any(isinstance(item, ast.Try) for item in parents):
        return False
    block = parents[-1]
    items = next((items for _, items in ast.iter_fields(block) if isinstance(items, list) and statement in items), [])
    for item in items[items.index(statement) + 1 :]:
        if any(isinstance(node, _LEAVING) for node in ast.walk(item)):
            return False
        names = [node for node in ast.walk(item) if isinstance(node, ast.Name) and node.id == name]
        if names:
            return len(names) == 1 and isinstance(item, ast.Assign) and _target(item) == name
    return isinstance(block, ast.For) and items == [statement] and not block.orelse and _is_overwritten(parents[:-1], block, name)


def _declared(component: Component) -> frozenset[str]:
    return frozenset(name for item in ast.walk(syntax(component)) if isinstance(item, ast.Global | ast.Nonlocal) for name in item.names)


def _target(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""


def _read(component: Component) -> frozenset[str]:
    """Names that a component's text needs bound: read, grown in place, deleted, or declared to be another scope's."""
    found: set[str] = set()
    for item in ast.walk(syntax(component)):
        match item:
            case ast.Name(id=name, ctx=ast.Load() | ast.Del()) | ast.AugAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found.update(names)
    return frozenset(found)


def _idle_assignment(program: Program, component: Component, unread: frozenset[str]) -> tuple[tuple[ast.AST, ...], ast.stmt] | None:
    """The first assignment of a name that is not read, with what is around it."""
    for call in calls_of(program):
        if call.caller == component.name and _target(call.statement) in unread and _only_calls(program, component, call.statement):
            return call.parents[: call.parents.index(call.statement)], call.statement
    return None


def _only_calls(program: Program, component: Component, statement: ast.stmt) -> bool:
    """Whether a statement calls nothing but components, whose outputs are all that they do."""
    known = [call for call in calls_of(program) if call.caller == component.name and call.statement.lineno == statement.lineno]
    made = [item for item in ast.walk(statement) if isinstance(item, ast.Call)]
    return len(made) == len(known) and stands_alone(component.source, statement)
