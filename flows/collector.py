"""The collector of cycles, while a search goes on: it looks less often, for a search keeps most of what it makes and makes few cycles."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["collecting_seldom"]

_YOUNG: Final = 10_000
"""Containers that are made between two looks; Python's own number, 700, takes 7 % of a search's CPU in this process."""

_mutex = threading.Lock()
_found: list[tuple[int, int, int]] = []  # by the searches that go on in this process: the first one's counts


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have the collector look less often in this process, until the last of the searches that go on in it has ended."""
    with _mutex:
        _found.append(gc.get_threshold())
        young, *older = _found[0]
        if young:  # else it does not look at all
            gc.set_threshold(max(_YOUNG, young), *older)
    try:
        yield
    finally:
        with _mutex:
            first = _found[0]
            _found.pop()
            if not _found:
                gc.set_threshold(*first)
