"""Syntax: readings of single nodes that more than one part needs."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

from .errors import ProgramError
from .layout import read

__all__ = ["constant_token", "does_nothing", "quoted_names"]


def constant_token(value: object) -> str:
    """Text of a literal that is the same however it is written and on every Python; a string's text carries its length."""
    if isinstance(value, str):  # as most are
        return f"s{len(value)}:{value}"
    match value:
        case bool() | None:
            return repr(value)
        case int():
            return f"i{value:x}"  # decimal text of a long integer is refused by the interpreter
        case _:
            return f"{type(value).__name__}{value!r}"


def does_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is `pass` or `...`."""
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=builtins.Ellipsis)):
            return True
    return False


def quoted_names(node: ast.expr) -> Iterable[str]:
    """Names in the quoted parts of an annotation, where they are readable; the values of a `Literal` are no names."""
    match node:
        case ast.Name():
            return ()
        case ast.Constant(value=str(text)):
            try:
                return {item.id for statement in read(text.strip()) for item in ast.walk(statement) if isinstance(item, ast.Name)}
            except ProgramError:
                return ()
        case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal")) | ast.Constant():
            return ()
        case ast.Subscript(value=ast.Name(id="Annotated") | ast.Attribute(attr="Annotated"), slice=ast.Tuple(elts=[first, *_])):
            return quoted_names(first)
        case ast.Subscript(value=ast.Name(), slice=inner):
            return quoted_names(inner)
    return {name for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) for name in quoted_names(child)}
