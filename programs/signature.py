"""Signature: what a component takes and gives back, as its text says it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

from .cutting import statement_of
from .parsing import expression_of
from .program import Component
from .readings import MAX_KEPT, kept

__all__ = ["Parameter", "ParameterKind", "Signature", "signature_of"]

ParameterKind = Literal["positional", "any", "keyword", "rest", "keywords"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter.

    Attributes:
        name: Its name.
        annotation: Its type as normalised text, such as `list[str]`; empty where none is written.
        default: Its default as normalised text; empty where it has none.
        kind: How it is given: by position only, by either, by keyword only, `*rest` or `**keywords`.
    """

    name: str
    annotation: str = ""
    default: str = ""
    kind: ParameterKind = "any"

    @property
    def is_required(self) -> bool:
        """Whether a call must give it."""
        return not self.default and self.kind not in ("rest", "keywords")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The interface of a function, a tool or a prompt.

    Attributes:
        parameters: In the order of the text.
        returns: The type of the result as normalised text; empty where none is written.
    """

    parameters: tuple[Parameter, ...]
    returns: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of those that a call must give."""
        return tuple(parameter.name for parameter in self.parameters if parameter.is_required)


def signature_of(component: Component) -> Signature | None:
    """The signature of a component; None for types and constants."""
    return _signature_of(component.source)


@kept(MAX_KEPT)
def _signature_of(source: str) -> Signature | None:
    node = statement_of(source)
    return _signature(node) if isinstance(node, ast.FunctionDef) else None


def _signature(node: ast.FunctionDef) -> Signature:
    arguments = node.args
    n_by_position, positional = len(arguments.posonlyargs), (*arguments.posonlyargs, *arguments.args)
    defaults = (*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults)
    found = [
        _parameter(item, "positional" if place < n_by_position else "any", default)
        for place, (item, default) in enumerate(zip(positional, defaults, strict=True))
    ]
    if arguments.vararg is not None:
        found.append(_parameter(arguments.vararg, "rest", None))
    found += [_parameter(item, "keyword", default) for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg is not None:
        found.append(_parameter(arguments.kwarg, "keywords", None))
    return Signature(parameters=tuple(found), returns=_type(node.returns))


def _parameter(item: ast.arg, kind: ParameterKind, default: ast.expr | None) -> Parameter:
    return Parameter(name=item.arg, annotation=_type(item.annotation), default="" if default is None else ast.unparse(default), kind=kind)


def _type(node: ast.expr | None) -> str:
    """An annotation as normalised text; one that is quoted is read as if it were not."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return ast.unparse(expression_of(node.value.strip()))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return node.value.strip()
    return "" if node is None else ast.unparse(node)
