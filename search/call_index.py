"""CallIndex: in which row of `calls` the answer to a request stands, in 16 bytes for each, however many there are."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CallIndex"]

_FRESH: Final = 65_536


class CallIndex:
    """Row numbers by 64-bit keys. Keys may collide: whoever finds a row looks whether it is the right one.

    Args:
        keys: Keys, int64, in the order of their rows; of equal ones the first counts.
        rows: Row numbers, int64.
    """

    def __init__(self, keys: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        self._keys, self._rows = _sorted(keys, rows)
        self._fresh: dict[int, int] = {}

    def find(self, key: int) -> int | None:
        """The row of a key; None where there is none."""
        if (row := self._fresh.get(key)) is not None:
            return row
        place = int(np.searchsorted(self._keys, key))
        return int(self._rows[place]) if place < len(self._keys) and self._keys[place] == key else None

    def add(self, key: int, row: int) -> None:
        """Add a row, unless its key is there."""
        if self.find(key) is not None:
            return
        self._fresh[key] = row
        if len(self._fresh) > _FRESH:
            fresh = np.fromiter(self._fresh.keys(), np.int64), np.fromiter(self._fresh.values(), np.int64)
            self._keys, self._rows = _sorted(np.concatenate((self._keys, fresh[0])), np.concatenate((self._rows, fresh[1])))
            self._fresh.clear()

    def __len__(self) -> int:
        return len(self._keys) + len(self._fresh)


def _sorted(keys: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    unique, places = np.unique(keys, return_index=True)  # of equal ones the first
    return unique, rows[places]
