"""DigestIndex: a number for each digest, in 24 bytes however many there are; on the disk, where it is given a folder."""

from __future__ import annotations

import mmap
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DigestIndex"]

_FRESH: Final = 65_536
_HALF: Final = 64
_CHUNK: Final = 65_536
_LOW: Final = (1 << _HALF) - 1
_Rows = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]
"""The upper and the lower half of each digest, in the order of the upper ones, and its number."""


class DigestIndex:
    """Numbers by digests of 32 hexadecimal digits; of the numbers of one digest the first counts.

    The last 65,536 at most are in a dictionary, the others in arrays.

    Args:
        digests: What is known from the start.
        numbers: Their numbers; counted from 0 where they are left out.
        folder: Where the arrays are kept, in files that nobody else sees and that end with this process; None for memory.

    Raises:
        OSError: If the folder takes no file; of `add` too.
    """

    def __init__(self, digests: Iterable[str] = (), numbers: Iterable[int] | None = None, *, folder: Path | None = None) -> None:
        self._folder = folder
        self._fresh: dict[int, int] = {}
        halves = np.frombuffer(b"".join(map(bytes.fromhex, digests)), ">u8").astype(np.uint64)
        high, low = halves[::2], halves[1::2]
        places = np.arange(len(high), dtype=np.int64) if numbers is None else np.fromiter(numbers, np.int64, len(high))
        order = np.lexsort((low, high))  # stable: of equal ones the first comes first
        high, low, places = high[order], low[order], places[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        n = int(is_first.sum())
        high, low, places = (self._stored((column[is_first],), n, column.dtype) for column in (high, low, places))
        self._rows = high, low, places

    def get(self, digest: str) -> int | None:
        """The number of a digest; None where it has none."""
        return self._found(int(digest, 16))

    def add(self, digest: str, number: int) -> bool:
        """Give a digest its number, unless it has one; whether it had none."""
        key = int(digest, 16)
        if self._found(key) is not None:
            return False
        self._fresh[key] = number
        if len(self._fresh) > _FRESH:
            fresh = sorted(self._fresh.items())
            new = (
                np.array([key >> _HALF for key, _ in fresh], np.uint64),
                np.array([key & _LOW for key, _ in fresh], np.uint64),
                np.array([number for _, number in fresh], np.int64),
            )
            places = self._rows[0].searchsorted(new[0])
            n = len(self)
            high, low, numbers = (
                self._stored(_inserted(old, places, added), n, old.dtype) for old, added in zip(self._rows, new, strict=True)
            )
            self._rows = high, low, numbers
            self._fresh.clear()
        return True

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self.get(digest) is not None

    def __len__(self) -> int:
        return len(self._rows[0]) + len(self._fresh)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DigestIndex) and self._numbers == other._numbers

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a dict

    @property
    def _numbers(self) -> dict[int, int]:
        rows = zip(*(column.tolist() for column in self._rows), strict=True)
        return {high << _HALF | low: number for high, low, number in rows} | self._fresh

    def _found(self, key: int) -> int | None:
        if (number := self._fresh.get(key)) is not None:
            return number
        highs, lows, numbers = self._rows
        high, low = key >> _HALF, key & _LOW
        # numpy's own search lets other threads run meanwhile, and then waits for them: for milliseconds, where they have much to do.
        place = bisect_left(highs.data, high)
        while place < len(highs) and highs[place] == high:
            if lows[place] == low:
                return int(numbers[place])
            place += 1
        return None

    def _stored(self, parts: Iterable[NDArray[Any]], n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """One array of some parts of `n` numbers in all, in pages of its own: the allocator would keep what it is given back."""
        n_bytes = n * dtype.itemsize
        if not n:
            return np.empty(0, dtype)
        if self._folder is None:
            pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for part in parts:
                pages.write(part.data)
        else:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                for part in parts:
                    file.write(part.data)
                file.flush()
                pages = mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)
        return np.frombuffer(pages, dtype)


def _inserted(old: NDArray[Any], places: NDArray[Any], new: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """As `numpy.insert`, a part at a time; the places rise."""
    for start in range(0, len(old) + 1, _CHUNK):
        end = start + _CHUNK
        first, last = places.searchsorted((start, end))
        yield np.insert(old[start:end], places[first:last] - start, new[first:last])
