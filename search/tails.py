"""The live tail of a table: an Arrow IPC stream in which every message carries a checksum of itself.

Plain IPC notices a stream that was cut, but not a flipped bit. So every message's custom metadata holds a mark: the message's
length, the checksum of all its bytes but the mark's, and the checksum of the mark. Length and checksums are checked before Arrow
decodes anything, and tell a torn last write (cut: nobody was told that it is durable) from damage (refused). The file
remains a plain IPC stream for other readers.
"""

from __future__ import annotations

import io
import os
import re
import threading
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from graftwork.programs.errors import RunError

from .disk import sync_directory, write_all
from .schema import SCHEMAS, TableName

__all__ = ["FullTail", "TableWriter", "Tail", "TailContents", "read_tail", "tail_files"]

_KEY: Final = b"graftwork_mark"
_MARK: Final = re.compile(rb"GWB1 ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})")
_BLANK: Final = b"GWB1 " + b"-" * 26
_PREFIX_BYTES: Final = 8  # of an encapsulated IPC message: 0xFFFFFFFF, and the length of its metadata


class Tail:
    """Appends record batches to one new file: one thread appends, any may sync.

    Args:
        path: The file; it must not exist.
        schema: Of every batch.

    Raises:
        OSError: If the file cannot be made.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._sink = io.BytesIO()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, "w"), schema.with_metadata({**(schema.metadata or {}), _KEY: _BLANK}))
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._folder: Path | None = path.parent
        self._syncing = threading.Lock()
        self._dirty = False
        self.n_bytes = 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Write a batch; from now on readers see it, and it survives the death of this process.

        Raises:
            OSError: If the disk does not take it; the file is as it was before then, and must not be appended to.
        """
        self._writer.write_batch(batch, custom_metadata={_KEY: _BLANK})
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        # The first batch brings the schema with it, a message that is all metadata.
        size = 0 if self.n_bytes else _PREFIX_BYTES + _metadata_bytes(data, 0)
        data = (_marked(data[:size]) if size else b"") + _marked(data[size:])
        try:
            write_all(self._fd, data)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self.n_bytes)
            raise
        self.n_bytes += len(data)
        self._dirty = True

    def sync(self) -> None:
        """Make what was appended durable.

        Raises:
            OSError: If the disk failed; what it holds is unknown then.
        """
        with self._syncing:
            if self._fd < 0:
                return
            if self._dirty:
                self._dirty = False  # first: what is appended meanwhile makes it dirty again
                os.fdatasync(self._fd)
            if self._folder:
                sync_directory(self._folder)
                self._folder = None

    def close(self) -> None:
        """Close the file as it is. Calling it twice is harmless."""
        with self._syncing:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FullTail:
    """A tail that nothing is appended to any more.

    Attributes:
        table: All its rows.
    """

    table: pa.Table


class TableWriter:
    """Appends to one table, in one live tail at a time: one thread appends, any may sync.

    Args:
        directory: The lineage's folder.
        name: The table.
        after: Number of the last tail there was.
    """

    def __init__(self, directory: Path, name: TableName, *, after: int) -> None:
        self._folder = directory / name
        self._schema = SCHEMAS[name]
        self._row = pa.struct(list(self._schema))
        self._pending: list[pa.RecordBatch] = []
        self._tail: Tail | None = None
        self._number = after
        self.n_rows = 0

    @property
    def n_bytes(self) -> int:
        """Size of the live tail."""
        return self._tail.n_bytes if self._tail else 0

    def append(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write rows as one batch.

        Raises:
            OSError: If the disk does not take them.
        """
        listed = list(rows)
        if not listed:
            return
        # As `from_pylist` does, but in one conversion instead of one for each column; the stream begins with the schema's metadata.
        batch = pa.RecordBatch.from_struct_array(pa.array(listed, type=self._row))
        if self._tail is None:
            if not self._folder.is_dir():
                self._folder.mkdir()
                sync_directory(self._folder.parent)
            self._number += 1
            self._tail = Tail(self._folder / f"tail-{self._number:06d}.arrows", self._schema)
        self._tail.append(batch)
        self._pending.append(batch)
        self.n_rows += batch.num_rows

    def sync(self) -> None:
        """Make every row of the live tail durable.

        Raises:
            OSError: If the disk failed.
        """
        if tail := self._tail:
            tail.sync()

    def rotate(self) -> FullTail:
        """End the live tail, durable, and hand out what it holds; the next append begins another.

        Raises:
            OSError: If the disk failed.
        """
        self.sync()  # a sync that comes when it is closed must find nothing left to do
        full = FullTail(table=pa.Table.from_batches(self._pending).replace_schema_metadata(self._schema.metadata))
        self.close()
        self._tail, self._pending, self.n_rows = None, [], 0
        return full

    def close(self) -> None:
        """Close the live tail as it is. Calling it twice is harmless."""
        if self._tail:
            self._tail.close()


def tail_files(folder: Path) -> list[tuple[int, Path]]:
    """Numbers and paths of the tails in a table's folder, in order."""
    return sorted((int(path.stem.removeprefix("tail-")), path) for path in folder.glob("tail-*.arrows"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TailContents:
    """What a tail holds.

    Attributes:
        table: Every complete batch, with the schema of whoever wrote it.
        torn_bytes: Length of an incomplete last write, left out; 0 where there is none.
    """

    table: pa.Table
    torn_bytes: int


def read_tail(path: Path, schema: pa.Schema) -> TailContents:
    """Read a tail, live or left by a dead process.

    Args:
        path: The file.
        schema: What the table has where not even that was written.

    Raises:
        RunError: If a byte of a complete message differs from what was written, naming file, batch and offset.
        OSError: If the file cannot be read.
    """
    data = path.read_bytes()
    end, n_messages = 0, 0
    while end < len(data):
        size = _complete_message(data, end, where=f"{path}: batch {n_messages} at byte {end}")
        if not size:
            break
        end, n_messages = end + size, n_messages + 1
    torn_bytes = len(data) - end
    if not n_messages:
        return TailContents(table=schema.empty_table(), torn_bytes=torn_bytes)
    with pa.ipc.open_stream(pa.py_buffer(data[:end])) as reader:
        table = reader.read_all()
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != _KEY}
    table = table.replace_schema_metadata(metadata)
    return TailContents(table=table, torn_bytes=torn_bytes)


def _metadata_bytes(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 4 : at + _PREFIX_BYTES], "little")


def _marked(message: bytes) -> bytes:
    """The message with its mark filled in."""
    start = message.index(_BLANK)
    end = start + len(_BLANK)
    head = b"GWB1 %08x %08x" % (len(message), _checksum(message, 0, start, end, len(message)))
    return message[:start] + head + b" %08x" % zlib.crc32(head) + message[end:]


def _checksum(data: bytes, start: int, mark_start: int, mark_end: int, end: int) -> int:
    view = memoryview(data)
    return zlib.crc32(view[mark_end:end], zlib.crc32(view[start:mark_start]))


def _complete_message(data: bytes, at: int, *, where: str) -> int:
    """Length of the message at `at`, or 0 where the writer did not get to its end."""
    damaged = RunError(f"{where} is damaged: its checksum differs; restore the file from a copy, or move it away and lose what it holds")
    mark = _MARK.search(data, at)
    if mark is None:
        # A file may grow before its bytes arrive: zeros are as torn as nothing.
        cut = len(data) - at < _PREFIX_BYTES or at + _PREFIX_BYTES + _metadata_bytes(data, at) > len(data)
        if cut or not data[at:].strip(b"\0"):
            return 0
        raise damaged
    size, checksum, checksum_of_mark = (int(digits, 16) for digits in mark.groups())
    if zlib.crc32(mark[0][:-9]) != checksum_of_mark:
        raise damaged
    if at + size > len(data):
        return 0
    if _checksum(data, at, mark.start(), mark.end(), at + size) != checksum:
        raise damaged
    return size
