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
_before: list[tuple[int, int, int]] = []  # what each of the searches that go on in this process found


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have the collector look less often in this process, until the last of the searches that go on in it has ended."""
    with _mutex:
        _before.append(gc.get_threshold())
        young, *older = _before[0]
        if young:  # else it does not look at all
            gc.set_threshold(max(_YOUNG, young), *older)
    try:
        yield
    finally:
        with _mutex:
            found = _before[0]
            _before.pop()
            if not _before:
                gc.set_threshold(*found)
