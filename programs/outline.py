"""Outline: what a function calls, in the order in which it does, with the loops, branches and combinators around each call."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from .calls import local_names
from .parse import Kinds
from .program import CALLABLE, Component, Program
from .structure import syntax

__all__ = ["Stage", "outline"]

_MAX_TEXT: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One call, or what stands around some.

    Attributes:
        component: What is called; empty for a loop, a branch or a combinator.
        label: What stands around, such as `for _ in range(3)`; for a component, how it is met where that is no plain call.
        steps: What stands within.
    """

    component: str = ""
    label: str = ""
    steps: tuple[Stage, ...] = ()


def outline(program: Program, component: Component) -> tuple[Stage, ...]:
    """The steps of one function or tool; none for other components."""
    node = syntax(component)
    if component.kind == "prompt" or not isinstance(node, ast.FunctionDef):
        return ()
    called = {item.name for item in program.components if item.kind in CALLABLE}
    callees = (component.refs | ({component.name} - local_names(node))) & called
    return tuple(_Outline(callees, Kinds.of(program)).block(node.body)) if callees else ()


class _Outline:
    """Reads a function's body. Every method gives the steps of one sort of node."""

    def __init__(self, callees: Collection[str], kinds: Kinds) -> None:
        self._callees, self._kinds = callees, kinds

    def block(self, nodes: Iterable[ast.AST | None]) -> list[Stage]:
        return [step for node in nodes if node is not None for step in self.of(node)]

    def of(self, node: ast.AST) -> list[Stage]:
        handler = _HANDLERS.get(node.__class__)
        return handler(self, node) if handler is not None else self.block(ast.iter_child_nodes(node))

    def within(self, label: str, nodes: Iterable[ast.AST]) -> list[Stage]:
        """A step around others; nothing where there are none."""
        steps = tuple(self.block(nodes))
        return [Stage(label=label, steps=steps)] if steps else []

    def assign(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign | ast.NamedExpr) -> list[Stage]:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return self.block([node.value, *targets])

    def if_(self, node: ast.If) -> list[Stage]:
        return self.of(node.test) + self.within(f"if {_text(node.test)}", node.body) + self._otherwise(node.orelse)

    def _otherwise(self, nodes: list[ast.stmt]) -> list[Stage]:
        match nodes:
            case [ast.If() as other]:
                met = [Stage(label=f"else if {_text(other.test)}", steps=tuple(self.block(other.body)))]
                return self.of(other.test) + [step for step in met if step.steps] + self._otherwise(other.orelse)
        return self.within("else", nodes)

    def if_expression(self, node: ast.IfExp) -> list[Stage]:
        return self.of(node.test) + self.within(f"if {_text(node.test)}", [node.body]) + self.within("else", [node.orelse])

    def short_circuit(self, node: ast.BoolOp) -> list[Stage]:
        first, *others = node.values
        word = "or, if that is nothing" if isinstance(node.op, ast.Or) else "and, if that is something"
        return self.of(first) + self.within(word, others)

    def for_(self, node: ast.For) -> list[Stage]:
        around = self.within(f"for {_text(node.target)} in {_text(node.iter)}", node.body)
        return self.of(node.iter) + around + self.within("else", node.orelse)

    def while_(self, node: ast.While) -> list[Stage]:
        return self.within(f"while {_text(node.test)}", [node.test, *node.body]) + self.within("else", node.orelse)

    def try_(self, node: ast.Try) -> list[Stage]:
        steps = self.within("try", [*node.body, *node.orelse])
        for handler in node.handlers:
            steps += self.within(f"except {_text(handler.type)}" if handler.type else "except", handler.body)
        return steps + self.within("finally", node.finalbody)

    def match(self, node: ast.Match) -> list[Stage]:
        steps = self.of(node.subject)
        for case in node.cases:
            steps += self.within(f"case {_text(case.pattern)}", [*([case.guard] if case.guard else []), *case.body])
        return steps

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> list[Stage]:
        first, *others = node.generators
        inner: list[ast.AST] = [*first.ifs, *(item for part in others for item in (part.iter, *part.ifs))]
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return self.of(first.iter) + self.within(f"for {_text(first.target)} in {_text(first.iter)}", inner)

    def function(self, node: ast.FunctionDef) -> list[Stage]:
        return self._defaults(node.args) + self.within(f"def {node.name}", node.body)

    def lambda_(self, node: ast.Lambda) -> list[Stage]:
        return self._defaults(node.args) + self.of(node.body)

    def _defaults(self, node: ast.arguments) -> list[Stage]:
        return self.block([*node.defaults, *node.kw_defaults])

    def name(self, node: ast.Name) -> list[Stage]:
        return [Stage(component=node.id, label="handed on")] if node.id in self._callees else []

    def call(self, node: ast.Call) -> list[Stage]:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name := self._kinds.combinator(node.func):
            return self._combined(node, name, given)
        if isinstance(node.func, ast.Name) and node.func.id in self._callees:
            return [*self.block(given), Stage(component=node.func.id)]
        return self.block([node.func, *given])

    def _combined(self, node: ast.Call, name: str, given: list[ast.expr]) -> list[Stage]:
        if name == "parallel":
            return self.within("parallel", given)
        if len(node.args) < 2:
            return self.block(given)
        times, function, *others = given
        called = [Stage(component=function.id)] if isinstance(function, ast.Name) and function.id in self._callees else self.of(function)
        judging = [keyword.value for keyword in node.keywords if keyword.arg == "accept" and name == "retry"]
        before = self.block([times, *(item for item in others if item not in judging)])
        return [*before, Stage(label=f"{name} {_text(times)}", steps=(*called, *self.block(judging)))]


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


_HANDLERS: Final = cast(
    "Mapping[type, Callable[[_Outline, Any], list[Stage]]]",
    {
        ast.AnnAssign: _Outline.assign,
        ast.Assign: _Outline.assign,
        ast.AugAssign: _Outline.assign,
        ast.BoolOp: _Outline.short_circuit,
        ast.Call: _Outline.call,
        ast.DictComp: _Outline.comprehension,
        ast.For: _Outline.for_,
        ast.FunctionDef: _Outline.function,
        ast.GeneratorExp: _Outline.comprehension,
        ast.If: _Outline.if_,
        ast.IfExp: _Outline.if_expression,
        ast.Lambda: _Outline.lambda_,
        ast.ListComp: _Outline.comprehension,
        ast.Match: _Outline.match,
        ast.Name: _Outline.name,
        ast.NamedExpr: _Outline.assign,
        ast.SetComp: _Outline.comprehension,
        ast.Try: _Outline.try_,
        ast.TryStar: _Outline.try_,
        ast.While: _Outline.while_,
    },
)
