"""Splice: one expression's text replaced in a source, everything else as written."""

from __future__ import annotations

import ast
from collections.abc import Iterable

__all__ = ["spliced", "spliced_all", "text_of"]

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


def _line_starts(content: bytes) -> list[int]:
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _span(node: Located, starts: list[int]) -> tuple[int, int]:
    # Columns of ast count bytes, not characters.
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column
