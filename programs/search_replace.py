"""Search and replace: edits as models write them, and the code in a model's reply."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import ProgramError
from .layout import read

__all__ = ["Block", "apply_blocks", "extract_code", "parse_blocks"]

_SEARCH: Final = re.compile(r"\s*<{5,}\s*SEARCH\s*", re.IGNORECASE)
_DIVIDER: Final = re.compile(r"\s*={5,}\s*")
_REPLACE: Final = re.compile(r"\s*>{5,}\s*(REPLACE)?\s*", re.IGNORECASE)
_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n`]*")
_CODE: Final = re.compile(r"^\s*(@|def |class |from |import |\w+\s*(:.*)?=)", re.MULTILINE)
_SHOWN_CHARS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One edit of a text.

    Attributes:
        search: Whole lines that must stand in the text exactly once.
        replace: The lines that take their place; may be empty.
    """

    search: str
    replace: str


def parse_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a reply, in order; empty when it has none.

    A block is `<<<<<<< SEARCH`, lines, `=======`, lines, `>>>>>>> REPLACE`. Markers may be indented, be longer or shorter and have
    trailing spaces; code fences around a block or inside its halves are ignored.

    Raises:
        ProgramError: If a block is begun and not ended.
    """
    blocks: list[Block] = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not _SEARCH.fullmatch(line):
            continue
        search = _until(lines, _DIVIDER, begun=number, marker="=======")
        replace = _until(lines, _REPLACE, begun=number, marker=">>>>>>> REPLACE")
        blocks.append(Block(search=_unfenced(search), replace=_unfenced(replace)))
    return tuple(blocks)


def apply_blocks(source: str, blocks: Sequence[Block]) -> str:
    """The text after all blocks, done in order.

    The lines searched for must match but for trailing spaces; if they do not, blank lines around them and one indentation common to all
    of them are forgiven, and the replacement is indented likewise.

    Raises:
        ProgramError: If they are found nowhere (the message quotes the nearest lines) or more than once.
    """
    for block in blocks:
        source = _apply(source, block)
    return source


def extract_code(text: str) -> str:
    """The Python code of a model's reply: its largest fenced block that can be read, or the whole reply if that can be.

    Of equally large blocks the last counts. Where no block can be read, the largest one is given back as it is, so that the reason why
    can be told. What stands before `</think>` is ignored.

    Raises:
        ProgramError: If the reply holds no code.
    """
    text = text.rpartition("</think>")[2]
    found = [code for code in _fenced(text) if code.strip()]
    # What begins with a fence is no Python as a whole, and one block alone is taken as it is.
    if not text.lstrip().startswith("`") and _is_code(text):
        return text.strip("\n") + "\n"
    readable = [code for code in found if _is_code(code)] if len(found) > 1 else []
    if candidates := readable or found:
        return max(reversed(candidates), key=len).strip("\n") + "\n"
    raise ProgramError("the reply holds no Python code; write it in a ```python block")


def _until(lines: Iterator[tuple[int, str]], end: re.Pattern[str], *, begun: int, marker: str) -> list[str]:
    found: list[str] = []
    for _, line in lines:
        if end.fullmatch(line):
            return found
        if _SEARCH.fullmatch(line):
            break
        found.append(line)
    raise ProgramError(f"a SEARCH block has no `{marker}` line; write <<<<<<< SEARCH, =======, >>>>>>> REPLACE", line=begun)


def _unfenced(lines: list[str]) -> str:
    """Lines without a code fence around all of them."""
    solid = [index for index, line in enumerate(lines) if line.strip()]
    if len(solid) >= 2 and all(_FENCE.fullmatch(lines[index]) for index in (solid[0], solid[-1])):
        lines = lines[solid[0] + 1 : solid[-1]]
    return "\n".join(lines)


def _apply(source: str, block: Block) -> str:
    lines = source.split("\n")
    wanted = [line.rstrip() for line in block.search.splitlines()]
    if not any(wanted):
        raise ProgramError("a SEARCH half is empty; quote the lines to be replaced, or the line after which new ones belong")
    replacement = block.replace.split("\n") if block.replace else []
    for search, new in ((wanted, replacement), (_trimmed(wanted), _trimmed(replacement))):
        for loose in (False, True):
            matches = list(_matches(lines, search, loose=loose))
            if len(matches) > 1:
                numbers = ", ".join(str(start + 1) for start, _, _ in matches[:5])
                raise ProgramError(f"SEARCH lines stand {len(matches)} times (lines {numbers}); quote more lines around them")
            if matches:
                start, missing, surplus = matches[0]
                return "\n".join([*lines[:start], *_shifted(new, missing, surplus), *lines[start + len(search) :]])
    raise ProgramError(f"SEARCH lines were not found; the nearest are:\n{_nearest(lines, _trimmed(wanted))}")


def _matches(lines: Sequence[str], search: Sequence[str], *, loose: bool) -> Iterator[tuple[int, str, str]]:
    """Where the searched lines stand, with the indentation that they lack and the one they have too much."""
    stripped = [line.strip() for line in search]
    for start in range(len(lines) - len(search) + 1):
        window = lines[start : start + len(search)]
        if loose:
            if [line.strip() for line in window] == stripped and (shift := _shift(window, search)) is not None:
                yield start, *shift
        elif [line.rstrip() for line in window] == list(search):
            yield start, "", ""


def _shift(window: Sequence[str], search: Sequence[str]) -> tuple[str, str] | None:
    """The one indentation (missing, surplus) by which two texts differ; None if it is not the same on all lines."""
    shifts = set()
    for have, want in zip(window, search, strict=True):
        if want.strip():
            old, new = have[: len(have) - len(have.lstrip())], want[: len(want) - len(want.lstrip())]
            if old.endswith(new):
                shifts.add((old[: len(old) - len(new)], ""))
            elif new.endswith(old):
                shifts.add(("", new[: len(new) - len(old)]))
            else:
                return None
    return shifts.pop() if len(shifts) == 1 else None


def _shifted(lines: Sequence[str], missing: str, surplus: str) -> list[str]:
    return [missing + line.removeprefix(surplus) if line.strip() else line for line in lines]


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Lines without the blank ones at both ends."""
    solid = [index for index, line in enumerate(lines) if line.strip()]
    return list(lines[solid[0] : solid[-1] + 1]) if solid else []


def _nearest(lines: Sequence[str], search: Sequence[str]) -> str:
    """The stretch of the text that is most like what was searched for."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2("\n".join(line.strip() for line in search)[:_SHOWN_CHARS])
    best, best_ratio = 0, -1.0
    for start in range(max(1, len(lines) - len(search) + 1)):
        matcher.set_seq1("\n".join(line.strip() for line in lines[start : start + len(search)])[:_SHOWN_CHARS])
        if matcher.real_quick_ratio() > best_ratio and matcher.quick_ratio() > best_ratio and (ratio := matcher.ratio()) > best_ratio:
            best, best_ratio = start, ratio
    return "\n".join(lines[best : best + max(1, len(search))])[:_SHOWN_CHARS]


def _fenced(text: str) -> Iterator[str]:
    """The blocks between code fences, and what stands between the first and the last: a docstring may hold fences itself."""
    lines = text.splitlines()
    marks = [(index, match) for index, line in enumerate(lines) if (match := _FENCE.fullmatch(line))]
    opened: tuple[int, str] | None = None
    for index, match in marks:
        if opened is None:
            opened = (index, match[1])
        elif match[1].startswith(opened[1]) and not match[2]:
            yield "\n".join(lines[opened[0] + 1 : index])
            opened = None
    if opened is not None:  # cut off before the fence was closed
        yield "\n".join(lines[opened[0] + 1 :])
    if len(marks) > 2:
        yield "\n".join(lines[marks[0][0] + 1 : marks[-1][0]])


def _is_code(text: str) -> bool:
    """Whether a text is Python that defines something: a lone word parses too."""
    try:
        return bool(read(text)) and bool(_CODE.search(text))
    except ProgramError:
        return False
