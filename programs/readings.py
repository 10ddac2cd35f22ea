"""Readings: what is known of a component's text alone, kept for texts that come again, as nearly all of a child's do."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .program import ComponentKind

__all__ = ["MAX_KEPT", "MAX_KEPT_CHARS", "Reading", "forget", "keep_tree", "known_tree", "place_of"]

MAX_KEPT: Final = 2048
MAX_TREES: Final = 512
MAX_KEPT_CHARS: Final = 8000
"""Texts longer than this are read each time. Together with the others it bounds the memory: 16 million characters, mostly far fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a component's text says, whatever else is in the program.

    Attributes:
        kind: Of the component.
        digest: Of the component.
        shape: Its digest without its own name.
        free: Names taken from the module or the builtins.
        immediate: Those of `free` that are needed when the module is loaded.
        unused: Parameters that its body never reads.
    """

    kind: ComponentKind
    digest: str
    shape: str
    free: frozenset[str]
    immediate: frozenset[str]
    unused: frozenset[str]


# Two threads that read the same text at once find the same, so that nothing needs a lock.
@dataclass(slots=True)
class _Place:
    """Where one reading is kept; empty until somebody has read the text."""

    reading: Reading | None = None


@lru_cache(maxsize=MAX_KEPT)
def _kept(text: str, origins: tuple[tuple[str, str], ...]) -> _Place:
    """The place for a text among imports that bind these names to these origins: they decide what its decorators mean."""
    del text, origins
    return _Place()


def place_of(text: str, origins: tuple[tuple[str, str], ...]) -> _Place:
    """Where the reading of a component's text is kept, or is to be put.

    Args:
        text: The component's, comments included.
        origins: Names that the program's imports bind, with what they bind them to, sorted.
    """
    return _kept(text, origins) if len(text) <= MAX_KEPT_CHARS else _Place()


@dataclass(slots=True)
class _Tree:
    """Where the syntax of one text is kept."""

    node: ast.stmt | None = None


@lru_cache(maxsize=MAX_TREES)
def _kept_tree(text: str) -> _Tree:
    del text
    return _Tree()


def known_tree(text: str) -> ast.stmt | None:
    """The syntax of a component's text, where it is known. Whoever gets it must not change it: others get the same."""
    return _kept_tree(text).node if len(text) <= MAX_KEPT_CHARS else None


def keep_tree(text: str, node: ast.stmt) -> None:
    """Keep the syntax of a component's text, with lines counted from its own first one."""
    if len(text) <= MAX_KEPT_CHARS:
        _kept_tree(text).node = node


def forget() -> None:
    """Forget every reading and every tree."""
    _kept.cache_clear()
    _kept_tree.cache_clear()
