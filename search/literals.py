"""Literals: what a program's text holds as plain values: its strings, its lists and tables, and what it pairs with what."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from graftwork.programs.parsing import module_of

__all__ = ["Literals", "leaves", "literals_of"]

_CONTAINERS: Final = (ast.List, ast.Tuple, ast.Set, ast.Dict)
_NOT_PLAIN: Final = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)
_DEMONSTRATION: Final = frozenset(("inputs", "output"))
_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Literals:
    """The plain values in a program's text.

    Attributes:
        texts: Every string, docstrings and demonstrations included; and of every list, tuple, set or dict of plain values its leaves in
            a row.
        values: Every such list, tuple, set or dict.
        pairs: What stands for what: entries of dicts, pairs in lists, demonstrations (inputs and output), and what is returned where
            something equals a value.
    """

    texts: tuple[str, ...]
    values: tuple[object, ...]
    pairs: tuple[tuple[object, object], ...]


def literals_of(source: str) -> Literals:
    """The literals of a module that parses."""
    texts: list[str] = []
    values: list[object] = []
    pairs: list[tuple[object, object]] = []
    for node in ast.walk(module_of(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
        elif isinstance(node, _CONTAINERS):
            pairs += _pairs_of(node)
            if (value := _plain(node)) is not None:
                values.append(value)
                texts.append(" ".join(str(leaf) for leaf in leaves(value)))
        else:
            pairs += _branches_of(node)
    return Literals(texts=tuple(texts), values=tuple(values), pairs=tuple(pairs))


def leaves(value: object) -> Iterator[object]:
    """The texts, numbers, booleans and nulls in a JSON value, in their order; keys are none."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _plain(node: ast.expr) -> object:
    """The value of an expression of literals; None for any other."""
    try:
        value: object = ast.literal_eval(node)
    except _NOT_PLAIN:
        return None
    return value


def _pairs_of(node: ast.expr) -> Iterator[tuple[object, object]]:
    """What a container pairs with what; an entry that is no plain value is passed over."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and (known := _plain(key)) is not None:
                yield known, _plain(value)
        whole = _plain(node)
        if isinstance(whole, dict) and whole.keys() == _DEMONSTRATION:
            yield whole["inputs"], whole["output"]
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        for item in node.elts:
            if isinstance(item, ast.Tuple | ast.List) and len(item.elts) == _PAIR and (known := _plain(item.elts[0])) is not None:
                yield known, _plain(item.elts[1])


def _branches_of(node: ast.AST) -> Iterator[tuple[object, object]]:
    """What is returned where something equals a value."""
    match node:
        case ast.If(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]), body=[ast.Return(value=ast.expr() as given), *_]):
            yield from ((known, _plain(given)) for side in (left, right) if (known := _plain(side)) is not None)
        case ast.match_case(pattern=ast.MatchValue(value=value), body=[ast.Return(value=ast.expr() as given), *_]):
            yield _plain(value), _plain(given)
