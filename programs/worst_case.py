"""Worst case: the most model calls that a program can make, where loops are bounded."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Final, cast

from .bounds import UNBOUNDED, Bounds, Module, times
from .converse import MAX_READS, MAX_TURNS
from .program import Component, Program
from .structure import call_graph, callees_first

__all__ = ["worst_case_calls"]

_HARMLESS_DECORATORS: Final = frozenset(("functools.cache", "functools.lru_cache"))
_Function = ast.FunctionDef | ast.Lambda


def worst_case_calls(program: Program, entry: str) -> int | None:
    """The most model calls that one call of the entry can lead to; None where the text sets no bound.

    A prompt may ask twice when a reply cannot be read, and with tools takes several turns each time. Loops over literals, over
    constants that nothing changes, `range` of such numbers, `enumerate`, `zip` and slices of them are bounded; `while`, recursion,
    inputs and what a model gave back are not. Returns and breaks within loops are not followed. Calls through `eval`, `globals` and
    the like are not seen.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    program[entry]  # raises where it is missing
    costs = _Costs(program)
    most: float = UNBOUNDED
    with contextlib.suppress(RecursionError):  # deeper than a person writes
        for name in callees_first(costs.graph, costs.asking & {entry}):
            costs.component(name)
        most = sum((costs.when_loaded(component) for component in program.components), start=costs.component(entry))
    return None if times(1, most) == UNBOUNDED else int(most)


class _Costs:
    """The costs of one call of each component, in model calls."""

    def __init__(self, program: Program) -> None:
        self.module = Module(program)
        self.graph = call_graph(program)
        self.asking = _asking(program, self.graph)
        self._known: dict[str, float] = {}
        self._open: set[str] = set()

    def component(self, name: str) -> float:
        """What one call of a component costs at most."""
        if name not in self.asking:
            return 0
        if name in self._open:
            return UNBOUNDED
        if name not in self._known:
            self._open.add(name)
            self._known[name] = self._cost(self.module.components[name])
            self._open.discard(name)
        return self._known[name]

    def when_loaded(self, component: Component) -> float:
        """What loading the program costs by a component; decorators, defaults and constants that ask are not followed."""
        if component.kind == "prompt" or not component.immediate & self.asking:
            return 0
        calls = component.kind != "constant" or any(isinstance(item, ast.Call) for item in ast.walk(self.module.node(component.name)))
        return UNBOUNDED if calls else 0

    def _cost(self, component: Component) -> float:
        node = self.module.node(component.name)
        if not isinstance(node, ast.FunctionDef) or not all(map(self._is_harmless, node.decorator_list)):
            return UNBOUNDED
        if component.kind == "prompt":
            # A reply may call tools as often as it likes: one that asks has no bound.
            return UNBOUNDED if component.refs & self.asking else MAX_READS * (MAX_TURNS if _has_tools(node) else 1)
        return _Body(self, component, node).cost

    def _is_harmless(self, decorator: ast.expr) -> bool:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        return self.module.kinds.decorated(decorator) is not None or self.module.kinds.origin(called) in _HARMLESS_DECORATORS


def _asking(program: Program, graph: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The components from which a prompt can be reached."""
    asking = {prompt.name for prompt in program.prompts}
    while more := {name for name, refs in graph.items() if name not in asking and refs & asking}:
        asking |= more
    return frozenset(asking)


def _has_tools(node: ast.FunctionDef) -> bool:
    keywords = (keyword for item in node.decorator_list if isinstance(item, ast.Call) for keyword in item.keywords)
    return any(
        keyword.arg in {"tools", None} and not (isinstance(keyword.value, ast.List) and not keyword.value.elts) for keyword in keywords
    )


class _Body:
    """The cost of one function's body: what stands in it, times how often it is done.

    Attributes:
        asking: Names that ask when they are called: components, and functions defined in this one.
    """

    def __init__(self, costs: _Costs, component: Component, node: ast.FunctionDef) -> None:
        self._costs, self._node = costs, node
        self._bounds = Bounds(costs.module, component)
        self._outer = component.refs | {component.name}
        # The text decides whether there are any: most functions have none, and a walk costs more than all else.
        nested = "lambda" in component.source or component.source.count("def ") > 1
        self._inner = self._inner_functions() if nested else {}
        self._known: dict[str, float] = {}
        self._open: set[str] = set()
        self.asking = set(self._outer & costs.asking)
        names = {name: _names(function) for name, function in self._inner.items()}
        while more := {name for name, used in names.items() if name not in self.asking and used & self.asking}:
            self.asking |= more

    @cached_property
    def cost(self) -> float:
        """Model calls of one call."""
        for name in self._inner:  # in the order of the text, so that none leads far
            self._inside(name)
        return self.block(self._node.body)

    def block(self, statements: Iterable[ast.stmt]) -> float:
        """The dearest way through some statements; a branch that leaves them is not charged for what follows."""
        rest: float = 0
        for statement in reversed(list(statements)):
            match statement:
                case ast.If(test=test, body=body, orelse=orelse):
                    rest = self.of(test) + max(self.branch(body, rest), self.branch(orelse, rest))
                case ast.Match(subject=subject, cases=cases):
                    guards = sum(self.of(case.guard) for case in cases if case.guard is not None)
                    rest = self.of(subject) + guards + max(rest, *(self.branch(case.body, rest) for case in cases))
                case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
                    rest = self.children(statement)
                case _:
                    rest += self.of(statement)
        return rest

    def branch(self, statements: list[ast.stmt], rest: float) -> float:
        """A branch, and what follows unless the branch leaves."""
        leaves = bool(statements) and isinstance(statements[-1], ast.Return | ast.Raise | ast.Break | ast.Continue)
        return self.block(statements) + (0 if leaves else rest)

    def of(self, node: ast.AST) -> float:
        """What one node costs each time it is reached."""
        return _HANDLERS.get(node.__class__, _Body.children)(self, node)

    def children(self, node: ast.AST) -> float:
        """The sum over what a node is made of."""
        return sum(self.of(child) for child in ast.iter_child_nodes(node))

    def if_(self, node: ast.If | ast.Match) -> float:
        return self.block([node])

    def for_(self, node: ast.For) -> float:
        turns = self._bounds.count(node.iter)
        return self.of(node.iter) + times(turns, self.of(node.target) + self.block(node.body)) + self.block(node.orelse)

    def while_(self, node: ast.While) -> float:
        return times(UNBOUNDED, self.of(node.test) + self.block(node.body)) + self.block(node.orelse)

    def try_(self, node: ast.Try | ast.TryStar) -> float:
        handlers = [self.block(handler.body) for handler in node.handlers]
        handled = sum(handlers) if isinstance(node, ast.TryStar) else max(handlers, default=0)
        return self.block(node.body) + handled + self.block(node.orelse) + self.block(node.finalbody)

    def with_(self, node: ast.With) -> float:
        return sum(map(self.of, node.items)) + self.block(node.body)

    def if_expression(self, node: ast.IfExp) -> float:
        return self.of(node.test) + max(self.of(node.body), self.of(node.orelse))

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> float:
        each = self.of(node.key) + self.of(node.value) if isinstance(node, ast.DictComp) else self.of(node.elt)
        for part in reversed(node.generators):
            each = self.of(part.iter) + times(self._bounds.count(part.iter), sum(map(self.of, part.ifs)) + each)
        return each

    def definition(self, node: _Function) -> float:
        """A function defined here costs when it is called; one that asks must be called where it can be counted."""
        name = node.name if isinstance(node, ast.FunctionDef) else ""
        outside = self.of(node.args) + (sum(map(self.of, node.decorator_list)) if isinstance(node, ast.FunctionDef) else 0)
        counted = self._inner.get(name) is node and not (isinstance(node, ast.FunctionDef) and node.decorator_list)
        return outside if counted or not self._asks(node) else UNBOUNDED

    def class_(self, node: ast.ClassDef) -> float:
        return UNBOUNDED if self._asks(node) else 0

    def assign(self, node: ast.Assign | ast.AnnAssign) -> float:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        value = node.value
        if isinstance(value, ast.Lambda) and isinstance(target, ast.Name) and self._inner.get(target.id) is value:
            return self.of(value.args)
        return self.children(node)

    def name(self, node: ast.Name) -> float:
        """A name that asks and is not called here may be called anywhere."""
        return UNBOUNDED if node.id in self.asking else 0

    def call(self, node: ast.Call) -> float:
        match self._bounds.builtin(node.func), node.args:
            case "graftwork.programs.vote" | "graftwork.programs.retry", [n, function, *given] if not _starred([n, function]):
                accept = next((item.value for item in node.keywords if item.arg == "accept"), None)
                judged = self.made(accept) if accept is not None else 0
                turns = max(0, self._bounds.at_most(n))
                others = [*given, *(item.value for item in node.keywords if item.value is not accept)]
                asked = times(turns, self.made(function) + judged)
                prepared = self.prepared(function) + (self.prepared(accept) if accept is not None else 0)
                return self.of(n) + asked + prepared + sum(map(self.of, others))
            case "graftwork.programs.parallel", thunks:
                return sum(map(self.thunks, thunks))
            case "map", [function, *items] if items and not _starred(node.args):
                turns = self._bounds.count(node)
                return self.prepared(function) + times(turns, self.made(function)) + sum(map(self.of, items))
        return self.made(node.func) + self.prepared(node.func) + sum(map(self.of, (*node.args, *node.keywords)))

    def thunks(self, node: ast.expr) -> float:
        """What calling each of `parallel`'s arguments costs, one argument or many behind a star."""
        match node:
            case ast.Starred(value=ast.Name(id=name)) if self._bounds.value(name) is not None:
                return self._bounds.through(name, self.starred)
            case ast.Starred(value=ast.List(elts=items) | ast.Tuple(elts=items)):
                return sum(map(self.thunks, items))
            case ast.Starred(value=ast.BinOp(left=ast.List() | ast.Tuple() | ast.ListComp() as left, op=ast.Mult(), right=right)):
                return times(max(0, self._bounds.at_most(right)), self.starred(left))
            case ast.Starred(value=ast.ListComp(elt=each) | ast.GeneratorExp(elt=each) as many):
                turns = self._bounds.count(many)
                parts = sum(self.of(item) for part in many.generators for item in (part.iter, *part.ifs))
                return times(turns, self.made(each) + self.prepared(each) + parts) + parts
            case ast.Starred(value=value):
                return self.of(value)
        return self.made(node) + self.prepared(node)

    def starred(self, many: ast.expr) -> float:
        """What calling each of many thunks costs, where a star spreads them."""
        return self.thunks(ast.Starred(value=many, ctx=ast.Load()))

    def made(self, function: ast.expr) -> float:
        """What one call of what an expression gives costs."""
        match function:
            case ast.Name(id=name) if name in self._inner:
                return self._inside(name)
            case ast.Name(id=name):
                return self._costs.component(name) if name in self.asking else 0
            case ast.Lambda(body=body):
                return self.of(body)
            case ast.Call(func=called, args=[inner, *_]) if self._bounds.builtin(called) == "functools.partial":
                return self.made(inner)
        return 0  # what it is made of is charged for by `prepared`

    def prepared(self, function: ast.expr) -> float:
        """What getting at a function costs before it is called."""
        match function:
            case ast.Name():
                return 0
            case ast.Lambda(args=arguments):
                return self.of(arguments)
            case ast.Call(func=called, args=[inner, *given]) if self._bounds.builtin(called) == "functools.partial":
                return self.prepared(inner) + sum(map(self.of, (*given, *function.keywords)))
        return self.of(function)

    def _inside(self, name: str) -> float:
        if name not in self.asking:
            return 0
        if name in self._open:
            return UNBOUNDED
        if name not in self._known:
            self._open.add(name)
            function = self._inner[name]
            self._known[name] = self.block(function.body) if isinstance(function, ast.FunctionDef) else self.of(function.body)
            self._open.discard(name)
        return self._known[name]

    def _inner_functions(self) -> Mapping[str, _Function]:
        """Functions that are defined in this one under a name that means nothing else anywhere in it."""
        found: dict[str, _Function] = {}
        for item in ast.walk(self._node):
            match item:
                case ast.FunctionDef(name=name):
                    found[name] = item
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as value):
                    found[name] = value
        return {name: item for name, item in found.items() if self._bounds.bound.get(name) == 1 and name not in self._outer}

    def _asks(self, node: ast.AST) -> bool:
        return bool(_names(node) & self.asking)


def _names(node: ast.AST) -> set[str]:
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def _starred(nodes: Iterable[ast.expr]) -> bool:
    return any(isinstance(node, ast.Starred) for node in nodes)


_HANDLERS: Final = cast(
    "Mapping[type, Callable[[_Body, Any], float]]",
    {
        ast.AnnAssign: _Body.assign,
        ast.Assign: _Body.assign,
        ast.Call: _Body.call,
        ast.ClassDef: _Body.class_,
        ast.DictComp: _Body.comprehension,
        ast.For: _Body.for_,
        ast.FunctionDef: _Body.definition,
        ast.GeneratorExp: _Body.comprehension,
        ast.If: _Body.if_,
        ast.IfExp: _Body.if_expression,
        ast.Lambda: _Body.definition,
        ast.ListComp: _Body.comprehension,
        ast.Match: _Body.if_,
        ast.Name: _Body.name,
        ast.SetComp: _Body.comprehension,
        ast.Try: _Body.try_,
        ast.TryStar: _Body.try_,
        ast.While: _Body.while_,
        ast.With: _Body.with_,
    },
)
