"""Places: the directories of a template's children. One that a child leaves empty serves the next. Standard library only.

Each is one within another. The outer bears the child's number; the inner, which the child writes to, bears a name that it gives itself:
whoever knows where a link is can read it, Landlock or not, so no other child may know the name, not even from the template's memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["Places", "ReadyPlace"]

_NAME_BYTES: Final = 16
_FIRST: Final = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyPlace:
    """A directory for a child.

    Attributes:
        outer: Path of the outer one.
        inner: Name of the inner one, until the child gives it its own.
        ruleset: Landlock's, that lets the inner one be written; None where the child has to make its own, or there is none.
    """

    outer: str
    inner: str = _FIRST
    ruleset: int | None = None

    def take(self) -> str:
        """Give the inner one a name of one's own; its path."""
        own = f"{self.outer}/{os.urandom(_NAME_BYTES).hex()}"
        os.rename(f"{self.outer}/{self.inner}", own)  # noqa: PTH104 - no path objects: it runs for every case
        return own


class Places:
    """All of them, beneath one directory.

    Args:
        root: That directory.
        ruleset: Makes a ruleset that lets a directory be written; None where rulesets are not prepared. Without one nothing is used
            again: what has no walls can leave anything behind.
    """

    def __init__(self, root: str, ruleset: Callable[[str], int] | None) -> None:
        self._root = root
        self._ruleset = ruleset
        self._spare: list[ReadyPlace] = []

    def give(self, number: int) -> ReadyPlace:
        """A place for a child.

        Raises:
            OSError: If it cannot be made.
        """
        outer = f"{self._root}/{number}"
        if self._spare:
            spare = self._spare.pop()
            os.rename(spare.outer, outer)  # noqa: PTH104 - likewise
            return replace(spare, outer=outer)
        inner = f"{outer}/{_FIRST}"
        os.makedirs(inner)  # noqa: PTH103 - likewise
        return ReadyPlace(outer=outer, ruleset=None if self._ruleset is None else self._ruleset(inner))

    def take_back(self, place: ReadyPlace) -> bool:
        """Keep the place of a child that has ended, or remove it; False if it is not empty, and to be removed by whoever called."""
        try:
            (inner,) = os.listdir(place.outer)  # noqa: PTH208 - likewise
            if place.ruleset is not None and not os.listdir(f"{place.outer}/{inner}"):  # noqa: PTH208 - likewise
                self._spare.append(replace(place, inner=inner))
                return True
            os.rmdir(f"{place.outer}/{inner}")  # noqa: PTH106 - likewise
            os.rmdir(place.outer)  # noqa: PTH106 - likewise
        except (OSError, ValueError):
            if place.ruleset is not None:
                os.close(place.ruleset)
            return False
        return True
