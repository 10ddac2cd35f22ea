"""Blocks: the marks by which a program made for elsewhere says what of it may change. Comment lines; what is outside stays as it is."""

from __future__ import annotations

from typing import Final

from .errors import ProgramError

__all__ = ["END", "START", "is_mark", "marked_lines", "opens_block", "outside"]

START: Final = "EVOLVE-BLOCK-START"
END: Final = "EVOLVE-BLOCK-END"


def is_mark(line: str) -> bool:
    """Whether a line is a comment that begins or ends a block."""
    return _is(line, START) or _is(line, END)


def opens_block(text: str) -> bool:
    """Whether a block is open where a stretch of comments and blank lines ends."""
    marks = [line for line in text.splitlines() if is_mark(line)]
    return bool(marks) and _is(marks[-1], START)


def marked_lines(source: str) -> tuple[tuple[int, int], ...]:
    """The blocks of a text as lines (of the opening mark, of the closing mark), counted from 1; none where nothing is marked.

    Raises:
        ProgramError: If a block stands in another, or one of its marks is missing.
    """
    found = []
    opened = 0
    for number, line in enumerate(source.splitlines(), 1):
        if _is(line, START):
            if opened:
                raise ProgramError(f"{START} again before {END}, first in line {opened}; blocks stand one after another", line=number)
            opened = number
        elif _is(line, END):
            if not opened:
                raise ProgramError(f"{END} without {START} above it; mark both ends of a block", line=number)
            found.append((opened, number))
            opened = 0
    if opened:
        raise ProgramError(f"{START} without {END} below it; mark both ends of a block", line=opened)
    return tuple(found)


def outside(source: str) -> tuple[str, ...]:
    """The lines of a text that stand outside its blocks, the marks included, blank ones left out; all where nothing is marked.

    Marks that do not fit together count as they stand: the lines are for comparing, and such a text is equal to no good one.
    """
    inside, kept = False, []
    for line in source.splitlines():
        inside = inside and not _is(line, END)
        if line.strip() and not inside:
            kept.append(line.rstrip())
        inside = inside or _is(line, START)
    return tuple(kept)


def _is(line: str, mark: str) -> bool:
    text = line.strip()
    return text.startswith("#") and text.lstrip("# \t").startswith(mark)
