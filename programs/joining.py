"""Joining: one component's text out of two that were changed from the same one, line by line."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .calls import local_names
from .errors import ProgramError
from .layout import require_compilable
from .parse import parse
from .program import Component, Import
from .rename import words_of
from .signature import signature_of
from .structure import syntax

__all__ = ["joined", "joined_lines"]


def joined(ours: Component, theirs: Component, base: Component, *, imports: Sequence[Import]) -> Component | None:
    """The component with the changes of both; None where they meet, or where what they make together is no such component.

    The interface must be that of one of the two, since all who call it were written for one of them.

    Args:
        ours: One descendant.
        theirs: The other.
        base: What both were changed from.
        imports: What the names of both mean, each name once.
    """
    # Python's own line ends only: a string may hold others.
    lines = joined_lines(*(item.source.split("\n") for item in (base, ours, theirs)))
    if lines is None or len({ours.kind, theirs.kind}) > 1:
        return None
    text, known = "\n".join(lines), ours.refs | theirs.refs
    heads = [item.statement for item in imports if item.name in known]
    try:
        require_compilable(text)
        found = parse("\n".join([*heads, text]) + "\n")
    except ProgramError:
        return None
    if found.names != (ours.name,):
        return None
    component = found[ours.name]
    fits = component.kind == ours.kind and signature_of(component) in (signature_of(ours), signature_of(theirs))
    node = syntax(component)
    hidden = local_names(node) & known if isinstance(node, ast.FunctionDef) else frozenset()
    if not fits or hidden or not component.refs <= known:
        return None
    words = words_of([found])
    # A name that only the whole program defines, such as one that hides a builtin, is no reference of the text by itself.
    return Component(
        name=component.name,
        kind=component.kind,
        source=text,
        digest=component.digest,
        refs=component.refs | (known & words),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Lines `start` to `stop` of the base, counted from 0, stop exclusive, become others."""

    start: int
    stop: int
    lines: tuple[str, ...]


def joined_lines(base: Sequence[str], one: Sequence[str], other: Sequence[str]) -> list[str] | None:
    """The lines of the base with the changes of both; None where two changes meet or touch. Equal changes count once."""
    changes = sorted({*_changes(base, one), *_changes(base, other)}, key=lambda change: (change.start, change.stop, change.lines))
    lines: list[str] = []
    at = 0
    for place, change in enumerate(changes):
        if place and change.start <= changes[place - 1].stop:
            return None
        lines += [*base[at : change.start], *change.lines]
        at = change.stop
    return [*lines, *base[at:]]


def _changes(base: Sequence[str], changed: Sequence[str]) -> Iterator[_Change]:
    matcher = difflib.SequenceMatcher(None, base, changed, autojunk=False)
    for tag, start, stop, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield _Change(start=start, stop=stop, lines=tuple(changed[first:last]))
