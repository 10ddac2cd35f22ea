"""Bounds: how often what is written in one component can happen at most, where its text alone says so."""

from __future__ import annotations

import ast
import functools
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Final

from .calls import bindings
from .parse import Kinds
from .program import Component, Program
from .structure import syntax

__all__ = ["UNBOUNDED", "Bounds", "Module", "times"]

UNBOUNDED: Final = math.inf
Ask = Callable[[ast.expr], float]
_MAX_STEPS: Final = 50  # from one name to the next
_LARGEST: Final = 10**9  # what is more is as good as unbounded, and its digits would fill the screen

_SAME_LENGTH: Final = frozenset(("enumerate", "frozenset", "iter", "list", "reversed", "set", "sorted", "tuple"))
_READERS: Final = frozenset((*_SAME_LENGTH, "all", "any", "dict", "filter", "len", "map", "max", "min", "range", "str", "sum", "zip"))
_PASSING: Final = frozenset(("max", "min", "sum"))
"""Readers that may give back one of several operands as it is."""

_READING_METHODS: Final = frozenset(("copy", "count", "format", "get", "index", "items", "join", "keys", "values"))


def times(count: float, each: float) -> float:
    """A number of turns times what each can cost; what costs nothing costs nothing however often."""
    product = count * each if count and each else 0
    return product if product <= _LARGEST else UNBOUNDED


class Module:
    """A program's definitions, each parsed when it is first asked for.

    Args:
        program: The program.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kinds = Kinds.of(program)
        self.components: Mapping[str, Component] = {component.name: component for component in program.components}
        self.imported = frozenset(item.name for item in program.imports)
        self._nodes: dict[str, ast.stmt] = {}

    def node(self, name: str) -> ast.stmt:
        """The definition of a component."""
        if name not in self._nodes:
            self._nodes[name] = syntax(self.components[name])
        return self._nodes[name]

    def constant(self, name: str) -> ast.expr | None:
        """What a constant is and stays; None where it is no constant or may be changed."""
        if name not in self.components or self.components[name].kind != "constant":
            return None
        node = self.node(name)
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        return value if value is not None and not (name in self._rebound or (_is_mutable(value) and name in self._changed)) else None

    @cached_property
    def _changed(self) -> frozenset[str]:
        return frozenset().union(*(_changed_in(self.node(name), hidden={*self.components, *self.imported}) for name in self.components))

    @cached_property
    def _rebound(self) -> frozenset[str]:
        told = (component for component in self.program.components if "global" in component.source)
        nodes = (item for component in told for item in ast.walk(self.node(component.name)))
        return frozenset(name for item in nodes if isinstance(item, ast.Global) for name in item.names)


class Bounds:
    """Upper bounds of numbers and lengths that stand in one component.

    Args:
        module: The program.
        component: The component.
    """

    def __init__(self, module: Module, component: Component) -> None:
        self._module, self._node = module, module.node(component.name)
        self._outer = component.refs
        self._open: set[str] = set()
        self._answers: dict[tuple[str, Ask], float] = {}

    @cached_property
    def bound(self) -> Mapping[str, int]:
        """How often the component, where it is a function, binds each name that is bound in it."""
        return Counter(bindings(self._node)) if isinstance(self._node, ast.FunctionDef) else Counter()

    def builtin(self, node: ast.expr) -> str:
        """The built-in function that a name means, where it matters here, or the dotted origin of what is imported; else empty."""
        if isinstance(node, ast.Name) and node.id not in self._module.imported:
            return node.id if node.id in _READERS and node.id not in self._module.components and node.id not in self.bound else ""
        return self._module.kinds.origin(node, self.bound)

    def value(self, name: str) -> ast.expr | None:
        """What a name stands for wherever it is read; None where that can change."""
        if name not in self.bound:
            return self._module.constant(name)
        return self._once.get(name) if name not in self._outer else None  # an inner function binds what the outer one takes from outside

    def at_most(self, node: ast.expr) -> float:
        """The largest integer that an expression can be."""
        number = self.exactly(node)
        most = UNBOUNDED if number is None else number
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                most = self.at_most(left) + self.at_most(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right) if (less := self.exactly(right)) is not None:
                most = self.at_most(left) - less
            case ast.IfExp(body=body, orelse=orelse):
                most = max(self.at_most(body), self.at_most(orelse))
            case ast.Name(id=name) if number is None:
                most = self.through(name, self.at_most)
            case ast.Call(func=function, args=[first, *others], keywords=[]) if not any(
                isinstance(item, ast.Starred) for item in node.args
            ):
                name = self.builtin(function)
                if name == "len" and not others:
                    most = self.count(first)
                elif name in {"max", "min"} and others:
                    most = (max if name == "max" else min)(map(self.at_most, node.args))
        return most

    def exactly(self, node: ast.expr | None) -> int | None:
        """The integer that an expression is; None where it can be another."""
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool) and number <= _LARGEST:
                return number
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if number <= _LARGEST:
                return -number
            case ast.Name(id=name) if isinstance(value := self.value(name), ast.Constant | ast.UnaryOp):
                return self.exactly(value)
        return None

    def count(self, node: ast.expr) -> float:
        """How many items going through an expression once can give."""
        most: float = UNBOUNDED
        match node:
            case ast.Constant(value=str() | bytes() as text):
                most = len(text)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                most = sum(self.count(item.value) if isinstance(item, ast.Starred) else 1 for item in items)
            case ast.Dict(keys=keys, values=values):
                most = sum(1 if key is not None else self.count(value) for key, value in zip(keys, values, strict=True))
            case ast.ListComp(generators=parts) | ast.SetComp(generators=parts) | ast.GeneratorExp(generators=parts):
                most = functools.reduce(times, (self.count(part.iter) for part in parts), 1.0)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                most = self.count(left) + self.count(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                most = times(self.count(left), max(0, self.at_most(right)))
            case ast.IfExp(body=body, orelse=orelse):
                most = max(self.count(body), self.count(orelse))
            case ast.NamedExpr(value=value):
                most = self.count(value)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                most = min(self.count(value), self._slice(lower, upper, step))
            case ast.Name(id=name):
                most = self.through(name, self.count)
            case ast.Call():
                most = self._count_call(node)
        return most

    def _count_call(self, node: ast.Call) -> float:
        function, given = node.func, node.args
        if isinstance(function, ast.Attribute) and function.attr in {"items", "keys", "values", "copy"} and not given:
            return self.count(function.value)
        if not given or any(isinstance(item, ast.Starred) for item in given):
            return UNBOUNDED
        most: float = UNBOUNDED
        match self.builtin(function):
            case "range":
                most = self._range(given)
            case "zip":
                most = min(map(self.count, given))
            case "map" if len(given) > 1:
                most = min(map(self.count, given[1:]))
            case "filter" if len(given) == 2:
                most = self.count(given[1])
            case "itertools.islice" if len(given) == 2:
                most = min(self.count(given[0]), max(0, self.at_most(given[1])))
            case name if name in _SAME_LENGTH and len(given) <= 2:
                most = self.count(given[0])
        return most

    def _range(self, given: list[ast.expr]) -> float:
        if len(given) == 1:
            return max(0, self.at_most(given[0]))
        start, step = self.exactly(given[0]), self.exactly(given[2]) if len(given) == 3 else 1
        if start is None or not step:
            return UNBOUNDED
        if step < 0:
            stop = self.exactly(given[1])
            return len(range(start, stop, step)) if stop is not None else UNBOUNDED
        most = self.at_most(given[1])
        return len(range(start, int(most), step)) if most <= _LARGEST else UNBOUNDED

    def _slice(self, lower: ast.expr | None, upper: ast.expr | None, step: ast.expr | None) -> float:
        """How long a slice can be, whatever is sliced. A negative end counts from the back."""
        start, stop = self.exactly(lower), self.exactly(upper)
        if lower is not None and (start is None or start < 0):
            return -start if start is not None and upper is None and step is None else UNBOUNDED
        return max(0, stop - (start or 0)) if stop is not None and stop >= 0 and step is None else UNBOUNDED

    def through(self, name: str, ask: Ask) -> float:
        """What a name's value answers; a name that stands for itself, or leads through too many others, is unbounded."""
        key = name, ask
        if key not in self._answers:
            value = self.value(name)
            if value is None or name in self._open or len(self._open) >= _MAX_STEPS:
                return UNBOUNDED
            self._open.add(name)
            self._answers[key] = ask(value)
            self._open.discard(name)
        return self._answers[key]

    @cached_property
    def _once(self) -> Mapping[str, ast.expr]:
        """Values of the names that are bound in one place only, and not changed where they can be."""
        values: dict[str, ast.expr] = {}
        for item in ast.walk(self._node):
            match item:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.NamedExpr(target=ast.Name(id=name), value=value):
                    values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    values[name] = value
        changed = _changed_in(self._node, hidden=self.bound.keys() | self._outer)
        return {name: value for name, value in values.items() if self.bound[name] == 1 and not (_is_mutable(value) and name in changed)}


def _is_mutable(value: ast.expr) -> bool:
    return not isinstance(value, ast.Constant | ast.Tuple | ast.UnaryOp | ast.JoinedStr)


def _changed_in(node: ast.AST, *, hidden: Collection[str]) -> frozenset[str]:
    """Names whose values may be changed in place: all that are not merely read. `hidden` are the builtins that mean something else."""
    read = {id(name) for item in ast.walk(node) for name in _merely_read(item, hidden)}
    names = (item for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load))
    return frozenset(item.id for item in names if id(item) not in read)


def _merely_read(node: ast.AST, hidden: Collection[str]) -> Iterator[ast.expr]:
    """The operands of one node that it does not change and does not hand on."""
    match node:
        case ast.For(iter=one) | ast.comprehension(iter=one) | ast.FormattedValue(value=one) | ast.Starred(value=one):
            yield one
        case ast.Subscript(value=one, ctx=ast.Load()):
            yield one
        case ast.Attribute(value=one, attr=attr, ctx=ast.Load()) if attr in _READING_METHODS:
            yield one
        case ast.Call(func=ast.Name(id=name), args=given) if name in _READERS and name not in hidden:
            yield from () if name in _PASSING and len(given) > 1 else given
        case ast.Call(func=ast.Attribute(attr="join"), args=given):
            yield from given
        case ast.Compare(left=left, comparators=others):
            yield left
            yield from others
        case ast.BinOp(left=left, right=right):
            yield left
            yield right
        case ast.If(test=one) | ast.While(test=one) | ast.IfExp(test=one) | ast.UnaryOp(operand=one):
            yield one
