"""Cutting: a program's text into pieces, stretch by stretch, so that only stretches that nobody has seen before are read.

A stretch begins where text at the margin follows an empty line. If each of them can be read by itself, no bracket, string or line goes
on from one into the next, and no clause such as `else` begins one: the whole then means what they mean, one after the other. If one of
them cannot, the text is read as a whole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

from .errors import ProgramError
from .layout import MAX_SOURCE_BYTES, Piece, read, split_nodes
from .parsing import alone
from .readings import MAX_KEPT, keep_tree, kept, known_tree

__all__ = ["split", "statement_of"]

_START: Final = re.compile(r"\n[ \t]*\n(?=[^\s)\]}])")
# What only the top of a text may have ends above its first definition.
_DEFINITION: Final = re.compile(r"(?:#.*\n)*(?:@|def |class |\w+ *[:=])")
_QUOTES: Final = ('"""', "'''")
# Other ends of lines than the usual ones, and the one future that changes the grammar.
_MANY: Final = 8  # stretches for which silence is taken together: most are new, or the text is long anyway
_UNUSUAL: Final = ("\r", "\f", "barry_as_FLUFL")


def split(source: str, *, statements: bool = False) -> tuple[Piece, ...]:
    """The pieces of a program's text, in order; joined, their texts are `source`.

    Comment lines that touch a component (no blank line between) are part of it; where they touch two statements, of the one below
    unless they are indented. The marks of `blocks.py` belong to nobody.

    Args:
        source: The text.
        statements: Whether other top-level statements, and names that are bound again, are pieces of their own instead of refused.

    Raises:
        ProgramError: If the text is not Python or holds a top-level statement that is no component, import, docstring or main block.
    """
    if not statements and len(source) <= MAX_SOURCE_BYTES // 4 and not any(word in source for word in _UNUSUAL):
        try:
            return _joined(source)
        except ProgramError:
            pass  # read as a whole it may be right, and if not, the line is known
    return tuple(piece for piece, _ in split_nodes(source, statements=statements))


def statement_of(text: str) -> ast.stmt:
    """The one statement that a piece's text is, its lines counted from 1. Nobody changes it: it is kept, and given to others.

    Raises:
        ProgramError: If it is not one statement.
    """
    if (known := known_tree(text)) is not None:
        return known
    statements = read(text)
    if len(statements) != 1:
        raise ProgramError(f"one statement was expected, this text has {len(statements)}; make programs with `parse`")
    keep_tree(text, statements[0])
    return statements[0]


def _joined(source: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    above = 0
    stretches = list(_stretches(source))
    bodies = [_without_blank_end(text) for text, _ in stretches]
    with alone() if len(bodies) > _MANY else nullcontext():
        cut = [_cut(body, at_top=at_top) for body, (_, at_top) in zip(bodies, stretches, strict=True)]
    for (text, _), body, found in zip(stretches, bodies, cut, strict=True):
        for piece in found:
            _append(pieces, _below(piece, above) if above else piece)
        n_lines = text.count("\n")
        if blank := text[len(body) :]:
            first = above + body.count("\n") + (2 if body else 1)
            _append(pieces, Piece(kind="gap", text=blank, first_line=first, last_line=above + n_lines + (not blank.endswith("\n"))))
        above += n_lines
    return tuple(pieces)


def _without_blank_end(text: str) -> str:
    """A stretch up to its last line that is not blank: what stands below it differs from program to program."""
    end = len(text.rstrip(" \t\n"))
    return text[: text.find("\n", end)] if end and "\n" in text[end:] else text if end else ""


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Add a piece; two gaps in a row are one."""
    if piece.kind == "gap" and pieces and pieces[-1].kind == "gap":
        gap = pieces.pop()
        piece = replace(piece, text=gap.text + piece.text, first_line=gap.first_line)
    pieces.append(piece)


def _stretches(source: str) -> Iterator[tuple[str, bool]]:
    """Each stretch, and whether it is the top: all that stands above the first definition."""
    starts = [0, *(match.end() for match in _START.finditer(source)), len(source)]
    first = next((index for index, start in enumerate(starts) if _DEFINITION.match(source, start)), len(starts) - 1)
    if head := source[: starts[first]]:
        yield head, True
    begin = starts[first]
    for end in starts[first + 1 :]:
        text = source[begin:end]
        # An open string goes on below.
        if end == len(source) or sum(map(text.count, _QUOTES)) % 2 == 0:
            yield text, False
            begin = end


def _below(piece: Piece, above: int) -> Piece:
    """A piece that stands some lines further down."""
    return Piece(
        kind=piece.kind,
        text=piece.text,
        name=piece.name,
        imports=piece.imports,
        reads=piece.reads,
        first_line=piece.first_line + above,
        last_line=piece.last_line + above,
        line=piece.line and piece.line + above,
    )


@kept(MAX_KEPT)
def _cut(text: str, *, at_top: bool) -> tuple[Piece, ...]:
    pairs = split_nodes(text, at_top=at_top)
    for piece, node in pairs:
        if node is not None and piece.first_line == 1 and piece.kind in {"component", "doc"}:
            keep_tree(piece.text, node)
    return tuple(piece for piece, _ in pairs)
