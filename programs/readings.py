"""Readings: what is known of a component's text alone, kept for texts that come again, as nearly all of a child's do."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from .program import ComponentKind

__all__ = ["MAX_KEPT", "MAX_KEPT_CHARS", "MAX_TREES", "Reading", "forget", "keep_tree", "kept", "known_tree", "place_of"]

MAX_KEPT: Final = 2048
MAX_TREES: Final = 512
MAX_KEPT_CHARS: Final = 8000
"""Texts longer than this are read each time. Together with the others it bounds the memory: 16 million characters, mostly far fewer."""


P = ParamSpec("P")
T = TypeVar("T")
_CLEARS: Final[list[Callable[[], None]]] = []


def kept(maxsize: int) -> Callable[[Callable[Concatenate[str, P], T]], Callable[Concatenate[str, P], T]]:
    """Keep what a function makes of a text, of so many texts that are not too long; whoever gets it must not change it."""

    def keeping(make: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
        remembered: Callable[..., T] = lru_cache(maxsize=maxsize)(make)
        _CLEARS.append(remembered.cache_clear)  # type: ignore[attr-defined]  # typed by what it gives

        @wraps(make)
        def made(text: str, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return (remembered if len(text) <= MAX_KEPT_CHARS else make)(text, *args, **kwargs)

        return made

    return keeping


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


@kept(MAX_KEPT)
def place_of(text: str, origins: tuple[tuple[str, str], ...]) -> _Place:
    """Where the reading of a component's text is kept, or is to be put.

    Args:
        text: The component's, comments included.
        origins: Names that the program's imports bind, with what they bind them to, sorted: those that decide what the text says.
    """
    del text, origins
    return _Place()


@dataclass(slots=True)
class _Tree:
    """Where the syntax of one text is kept."""

    node: ast.stmt | None = None


@kept(MAX_TREES)
def _tree(text: str) -> _Tree:
    del text
    return _Tree()


def known_tree(text: str) -> ast.stmt | None:
    """The syntax of a component's text, where it is known. Whoever gets it must not change it: others get the same."""
    return _tree(text).node


def keep_tree(text: str, node: ast.stmt) -> None:
    """Keep the syntax of a component's text, with lines counted from its own first one."""
    _tree(text).node = node


def forget() -> None:
    """Forget every text, as a program that nobody has seen before finds it."""
    for clear in _CLEARS:
        clear()
