"""DigestIndex: a number for each digest, in 24 bytes however many there are; on the disk, where it is given a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DigestIndex"]

_FRESH: Final = 65_536
_DIGEST: Final = "S16"


class DigestIndex:
    """Numbers by digests of 32 hexadecimal digits; of the numbers of one digest the first counts.

    The last 65,536 at most are in a dictionary, the others in sorted arrays.

    Args:
        digests: What is known from the start.
        numbers: Their numbers; counted from 0 where they are left out.
        folder: Where the arrays are kept, in files that nobody else sees and that end with this process; None for memory.

    Raises:
        OSError: If the folder takes no file; of `add` too.
    """

    def __init__(self, digests: Iterable[str] = (), numbers: Iterable[int] | None = None, *, folder: Path | None = None) -> None:
        self._folder = folder
        self._fresh: dict[bytes, int] = {}
        keys = np.frombuffer(b"".join(map(bytes.fromhex, digests)), _DIGEST)
        places = np.arange(len(keys), dtype=np.int64) if numbers is None else np.fromiter(numbers, np.int64, len(keys))
        unique, first = np.unique(keys, return_index=True)
        self._keys, self._numbers = self._kept(unique), self._kept(places[first])

    def get(self, digest: str) -> int | None:
        """The number of a digest; None where it has none."""
        return self._found(bytes.fromhex(digest))

    def add(self, digest: str, number: int) -> bool:
        """Give a digest its number, unless it has one; whether it had none."""
        key = bytes.fromhex(digest)
        if self._found(key) is not None:
            return False
        self._fresh[key] = number
        if len(self._fresh) > _FRESH:
            keys, numbers = np.array([*self._fresh], _DIGEST), np.array([*self._fresh.values()])
            order = keys.argsort()
            places = self._keys.searchsorted(keys[order])
            self._keys = self._kept(np.insert(self._keys, places, keys[order]))
            self._numbers = self._kept(np.insert(self._numbers, places, numbers[order]))
            self._fresh.clear()
        return True

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self.get(digest) is not None

    def __len__(self) -> int:
        return len(self._keys) + len(self._fresh)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DigestIndex) and dict(self._pairs()) == dict(other._pairs())

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a dict

    def _found(self, key: bytes) -> int | None:
        if (number := self._fresh.get(key)) is not None:
            return number
        place = int(self._keys.searchsorted(key))
        return int(self._numbers[place]) if self._keys[place : place + 1].tobytes() == key else None

    def _pairs(self) -> Iterator[tuple[bytes, int]]:
        in_arrays = zip(self._keys.tolist(), self._numbers.tolist(), strict=True)  # numpy leaves out zeros at the end of bytes
        return chain(in_arrays, ((key.rstrip(b"\0"), number) for key, number in self._fresh.items()))

    def _kept(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array where this index keeps its arrays."""
        if self._folder is None or not len(array):
            return array
        with tempfile.TemporaryFile(dir=self._folder) as file:
            array.tofile(file)
            file.flush()
            return np.asarray(np.memmap(file, array.dtype, "r"))  # its own type takes ten times as long to look into
