"""Holding: what the names of one component's text hold while it is read: origins, joined where ways come together."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .origins import Interface, Names, Summary

__all__ = ["Bindings", "Holding", "Inner", "join"]

Bindings = dict[str, int]


# Mutable: filled while the text around it is read.
@dataclass(slots=True, kw_only=True)
class Inner:
    """A function or class defined within the component."""

    interface: Interface
    bit: int
    parameters: dict[str, int] = field(default_factory=dict)
    returns: int = 0


class Holding:
    """The memory of a reading.

    Args:
        names: The program.
        place: The component's.
        summaries: What is known of every component so far, by place.
        through: Whether what comes back from a function is also what passed through it, or its output alone.
    """

    def __init__(self, names: Names, place: int, summaries: Sequence[Summary], *, through: bool) -> None:
        self._names, self._summaries, self._through = names, summaries, through
        component = names.components[place]
        self._node = names.nodes[place]
        self._interface = names.interfaces[place]
        self._outside = component.refs | {component.name}
        self._own = place
        self._found = Summary()
        self._ever: Bindings = {}
        self._evaluated = 0
        self._global = _declared_global(self._node) & names.constants if "global" in component.source else frozenset[str]()
        self._shared: set[str] = set()  # names that inner functions change
        self._inner: dict[int, Inner] = {}
        self._by_bit: dict[int, Inner] = {}
        self._rounds: dict[int, Bindings] = {}
        self._jumps: list[Bindings] = []
        self._caught: list[tuple[int, Bindings]] = []  # what names may hold when a handler begins
        self._scopes: list[tuple[frozenset[str], Inner]] = []
        self._limit = 1 << (names.first_parameter + len(self._interface.named))
        self._data = (self._limit - 1) & ~names.references  # origins that are no functions
        self._next_bit = self._limit
        self._changed = False
        self._flood = 0
        self._flooding = False

    def _known(self, node: ast.FunctionDef | ast.Lambda | ast.ClassDef) -> Inner:
        if id(node) not in self._inner:
            inner = self._inner[id(node)] = Inner(interface=Interface.of(node), bit=self._next_bit)
            self._by_bit[self._next_bit] = inner
            self._next_bit <<= 1
        return self._inner[id(node)]

    def _enter(self, inner: Inner, bound: Mapping[str, int]) -> int:
        for name, value in bound.items():
            before = inner.parameters.get(name, 0)
            if value | before != before:
                inner.parameters[name] = value | before
                self._changed = True
        return inner.returns

    def _store(self, name: str, value: int, environment: Bindings) -> None:
        if name in self._global:
            self._give(self._names.index[name], "", value)
            return
        environment[name] = value
        before = self._ever.get(name, 0)
        if value | before != before:
            self._ever[name] = value | before
            self._changed = self._changed or bool(self._inner)
        self._flood |= value
        for depth, somewhere in self._caught:
            if depth == len(self._scopes):
                somewhere[name] = somewhere.get(name, 0) | value
        self._note_shared(name)

    def _note_shared(self, name: str) -> None:
        if self._scopes and name not in self._scopes[-1][0] and name not in self._shared:
            self._shared.add(name)
            self._changed = True

    def _change(self, node: ast.expr, value: int, environment: Bindings) -> None:
        """Something is put into the object that an expression begins with."""
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Call):
            if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
                return
            node = node.func if isinstance(node, ast.Call) else node.value
        if not (isinstance(node, ast.Name) and value):
            return
        name = node.id
        if name in environment:
            if name in self._interface.named:
                before = self._found.changes.get(name, 0)
                self._found.changes[name] = before | self._settled(value)
                self._changed = self._changed or self._found.changes[name] != before
            if self._scopes and name in (inner := self._scopes[-1][1]).interface.named:
                self._grow(inner, value)
            self._store(name, environment[name] | value, environment)
        elif name in self._outside and name in self._names.index:
            self._give(self._names.index[name], "", self._settled(value))

    def _grow(self, inner: Inner, value: int) -> None:
        """What is put into a parameter of an inner function or method may be seen again through what it belongs to."""
        before = inner.returns
        inner.returns |= value
        self._changed = self._changed or inner.returns != before

    def _give(self, place: int, parameter: str, value: int) -> None:
        key = place, parameter
        self._found.given[key] = self._found.given.get(key, 0) | self._settled(value)

    def _returns(self, value: int) -> None:
        if self._scopes:
            self._grow(self._scopes[-1][1], value)
        else:
            self._found.returns |= value

    def _settled(self, value: int) -> int:
        """A value without the functions that only this component knows: what they give back stands for them."""
        known = self._limit - 1
        seen = 0
        while value > known:
            open_bits = value & ~known & ~seen
            if not open_bits:
                break
            seen |= open_bits
            for bit, inner in self._by_bit.items():
                if open_bits & bit:
                    value |= inner.returns
        return value & known

    def _come_round(self, node: ast.AST, environment: Bindings) -> Bindings:
        """Add what earlier turns of a loop left; returns a copy that takes up what leaves this one."""
        join(environment, self._rounds.get(id(node), {}))
        return environment.copy()

    def _go_round(self, node: ast.AST, environment: Bindings) -> None:
        before = self._rounds.setdefault(id(node), {})
        self._changed = join(before, environment) or self._changed


def _declared_global(node: ast.AST) -> frozenset[str]:
    return frozenset(name for item in ast.walk(node) if isinstance(item, ast.Global) for name in item.names)


def join(into: Bindings, other: Mapping[str, int]) -> bool:
    """Add what names hold elsewhere; whether that was new."""
    new = False
    for name, origins in other.items():
        before = into.get(name)
        if before is None or origins | before != before:
            into[name] = origins | (before or 0)
            new = True
    return new
