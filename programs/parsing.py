"""Parsing: the one place where Python text becomes a tree, one thread at a time.

CPython before 3.11.8 counts the depth of the tree that it builds for all threads together, and a collection of garbage may change threads
meanwhile (its issue 106905): one of the two gets a SystemError. The filters that the parser warns through are the whole process's as well.
"""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, cast

__all__ = ["alone", "compiled", "expression_of", "module_of", "modules_of"]

_TURN: Final = threading.Lock()
_HERE: Final = threading.local()
_TRIES: Final = 4


@contextmanager
def alone() -> Iterator[None]:
    """Within it no other thread parses, and the parser warns of nothing. Who reads many texts takes it once around all of them."""
    if getattr(_HERE, "is_alone", False):
        yield
        return
    with _TURN, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _HERE.is_alone = True
        try:
            yield
        finally:
            _HERE.is_alone = False


def compiled(text: str, *, flags: int, mode: str = "exec") -> object:
    """What `compile` gives, and raises, for a text by itself, flags as there.

    A library's thread that parses without asking here may still disturb the count: such a text is read again.
    """
    with alone():
        return _tried(text, flags, mode)


def module_of(text: str) -> ast.Module:
    """The tree of a module's text.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: As `compile` does.
    """
    tree = compiled(text, flags=ast.PyCF_ONLY_AST)
    assert isinstance(tree, ast.Module)  # noqa: S101 (what the flag asks for)
    return tree


def modules_of(texts: Iterable[str]) -> list[ast.Module]:
    """As `module_of`, of several texts in a row: the parser takes a third longer where other work comes in between."""
    with alone():
        trees = [_tried(text, ast.PyCF_ONLY_AST, "exec") for text in texts]
    return cast("list[ast.Module]", trees)


def expression_of(text: str) -> ast.expr:
    """The tree of an expression's text.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: As `compile` does.
    """
    tree = compiled(text.lstrip(" \t"), flags=ast.PyCF_ONLY_AST, mode="eval")
    assert isinstance(tree, ast.Expression)  # noqa: S101 (likewise)
    return tree.body


def _tried(text: str, flags: int, mode: str) -> object:
    for _ in range(_TRIES):
        try:
            return compile(text, "<program>", mode, flags=flags, dont_inherit=True)
        except SystemError:
            continue
    return compile(text, "<program>", mode, flags=flags, dont_inherit=True)
