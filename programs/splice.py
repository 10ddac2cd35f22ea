"""Splice: one expression's text replaced in a source, everything else as written."""

from __future__ import annotations

import ast
from collections.abc import Iterable

__all__ = ["lines_of", "spliced", "spliced_all", "stands_alone", "text_before", "text_of"]

Located = ast.expr | ast.stmt | ast.arg


def spliced(source: str, node: Located, text: str) -> str:
    """The source with the text of one node replaced; the rest stays as written, comments included.

    Args:
        source: What `node` was parsed from.
        node: An expression or statement with its positions.
        text: What stands there instead.
    """
    return spliced_all(source, [(node, text)])


def spliced_all(source: str, changes: Iterable[tuple[Located, str]]) -> str:
    """The source with the texts of several nodes replaced, none of which lies in another."""
    content = source.encode()
    starts = _line_starts(content)
    for node, text in sorted(changes, key=lambda change: (change[0].lineno, change[0].col_offset), reverse=True):
        begin, end = _span(node, starts)
        content = content[:begin] + text.encode() + content[end:]
    return content.decode()


def text_of(source: str, node: Located) -> str:
    """The text of a node as written."""
    content = source.encode()
    begin, end = _span(node, _line_starts(content))
    return content[begin:end].decode()


def lines_of(source: str) -> list[str]:
    """The lines of a source with their ends, as the parser counts them: a string may hold what only `str.splitlines` takes for an end."""
    return [line.decode() for line in source.encode().splitlines(keepends=True)]


def text_before(source: str, statement: ast.stmt) -> str:
    """What stands before a statement on its first line."""
    return source.encode().splitlines()[statement.lineno - 1][: statement.col_offset].decode()


def stands_alone(source: str, statement: ast.stmt) -> bool:
    """Whether a statement shares its lines with nothing but a comment."""
    last = source.encode().splitlines()[(statement.end_lineno or statement.lineno) - 1]
    rest = last[statement.end_col_offset or 0 :].strip()
    return not text_before(source, statement).strip() and (not rest or rest.startswith(b"#"))


def _line_starts(content: bytes) -> list[int]:
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _span(node: Located, starts: list[int]) -> tuple[int, int]:
    # Columns of ast count bytes, not characters.
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column
