"""Cutting: a program's text into pieces, stretch by stretch, so that only stretches that nobody has seen before are read.

A stretch begins where text at the margin follows an empty line. If each of them can be read by itself, no bracket, string or line goes
on from one into the next, and no clause such as `else` begins one: the whole then means what they mean, one after the other. If one of
them cannot, the text is read as a whole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import ProgramError
from .layout import MAX_SOURCE_BYTES, Piece, cut_nodes, read, read_all, split_nodes
from .readings import MAX_KEPT, keep_tree, kept, known_tree

__all__ = ["split", "statement_of"]

_START: Final = re.compile(r"\n[ \t]*\n(?=[^\s)\]}])")
# What only the top of a text may have ends above its first definition.
_DEFINITION: Final = re.compile(r"(?:#.*\n)*(?:@|def |class |\w+ *[:=])")
_QUOTES: Final = ('"""', "'''")
# Other ends of lines than the usual ones, and the one future that changes the grammar.
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
    bodies = [(_without_blank_end(text), at_top) for text, at_top in stretches]
    for (text, _), body, found in zip(stretches, bodies, _cut(bodies), strict=True):
        for piece in found:
            _append(pieces, _below(piece, above) if above else piece)
        n_lines = text.count("\n")
        if blank := text[len(body[0]) :]:
            first = above + body[0].count("\n") + (2 if body[0] else 1)
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
        piece = piece._replace(text=gap.text + piece.text, first_line=gap.first_line)
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
    kind, text, name, imports, reads, first_line, last_line, line = piece
    return Piece(kind, text, name, imports, reads, first_line + above, last_line + above, line and line + above)


@dataclass(slots=True)
class _Cut:
    """Where the pieces of one stretch are kept; empty until somebody has cut it."""

    pieces: tuple[Piece, ...] | None = None


@kept(MAX_KEPT)
def _cut_of(text: str, *, at_top: bool) -> _Cut:
    del text, at_top
    return _Cut()


def _cut(stretches: Sequence[tuple[str, bool]]) -> list[tuple[Piece, ...]]:
    """The pieces of each stretch. All that nobody has seen before is parsed first, in a row."""
    cuts = [_cut_of(text, at_top=at_top) for text, at_top in stretches]
    new = [(cut, text, at_top) for cut, (text, at_top) in zip(cuts, stretches, strict=True) if cut.pieces is None]
    for (cut, text, at_top), nodes in zip(new, read_all([text for _, text, _ in new]), strict=True):
        pairs = cut_nodes(text, nodes, at_top=at_top)
        for piece, node in pairs:
            if node is not None and piece.first_line == 1 and piece.kind in {"component", "doc"}:
                keep_tree(piece.text, node)
        cut.pieces = tuple(piece for piece, _ in pairs)
    return [cut.pieces or () for cut in cuts]
