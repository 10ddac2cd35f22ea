"""Segments: sealed history as Parquet, listed in a manifest, and the reading of segments and live tails as one table.

`lineage/<table>/segment-<n>.parquet` is the sealed content of `lineage/<table>/tail-<n>.arrows`. A segment is there for readers once
`lineage/manifest.json` lists it; the manifest is renamed into place last, and only then is the tail removed, so that at every
instant each row is in exactly one file that counts: a listed segment, or a tail above the number of the last sealed one. Small
segments are merged in the background, sixteen or more at a time, into larger and larger ones: few files to read, and each row is written
a few times.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from graftwork.programs.errors import RunError

from .disk import publish_file
from .manifest import Manifest, Sealed, Segment, load_manifest, publish
from .schema import SCHEMA_VERSION, SCHEMAS, TABLES, TableName, as_current, texts_within
from .tails import FullTail, TailContents, read_tail, tail_files

__all__ = [
    "Recovery",
    "compact",
    "open_datasets",
    "read_columns",
    "read_row",
    "read_rows",
    "read_tables",
    "recover",
    "seal",
]

Read = TypeVar("Read")
_TRIES: Final = 50
_MERGED: Final = 16  # segments at a time
_LEVELS: Final = (2_000, 32_000, 512_000)  # rows of a segment that is merged with others of its size
_MOST_MERGED_BYTES: Final = 128 * 1024 * 1024
_ROW_GROUP: Final = 4_096
_FREE: Final = frozenset(("calls", "events"))  # their rows stand by themselves; others count as a group, ended by its decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A lineage as its next writer finds it, all sealed.

    Attributes:
        manifest: As it is published now.
        cuts: What was left out, a line for each tail; it was never told to be durable.
    """

    manifest: Manifest
    cuts: tuple[str, ...]


def seal(directory: Path, manifest: Manifest, full: Mapping[TableName, FullTail], *, group: int) -> Manifest:
    """Move the rows of full tails to segments and return the manifest that is now published.

    Args:
        directory: The lineage's folder.
        manifest: As it is published.
        full: The next tail of some tables, no longer appended to.
        group: Number of the last group; every row up to it that is in no full tail is durable.

    Raises:
        OSError: If the disk does not take it; what was there counts as before.
    """
    tables = dict(manifest.tables)
    for name, tail in full.items():
        tables[name] = _write_segment(directory / name, tail.table, after=tables[name])
    sealed = Manifest(group=group, tables=tables)
    publish(directory, sealed)
    for name in full:
        _remove_tails(directory / name, tables[name])
    return sealed


def recover(directory: Path) -> Recovery:
    """Seal what an earlier writer left in live tails, and make the manifest where there is none. Only for who holds the lock.

    Raises:
        RunError: If a tail or the manifest is damaged; nothing is changed then.
        OSError: If the disk does not take it; what was there counts as before.
    """
    manifest = load_manifest(directory)
    live: dict[TableName, list[tuple[int, TailContents]]] = {}
    for name in TABLES:
        live[name] = _live_tails(directory, name, sealed=manifest.tables[name])
    group = _whole_group(manifest, live)
    tables, cuts = dict(manifest.tables), list[str]()
    for name, tails in live.items():
        for number, contents in tails:
            as_current(contents.table, SCHEMAS[name], file=str(directory / name))  # to refuse what a later version wrote
            rows = _rows_until(name, contents.table, group=group)
            tables[name] = _write_segment(directory / name, rows, after=replace(tables[name], tail=number - 1))
            if contents.torn_bytes or rows.num_rows < contents.table.num_rows:
                n_rows = contents.table.num_rows - rows.num_rows
                cuts.append(f"{name}: cut {contents.torn_bytes} bytes and {n_rows} rows of a write that was under way")
    recovered = Manifest(group=group, tables=tables)
    publish(directory, recovered)
    for name, sealed in tables.items():
        _remove_tails(directory / name, sealed)
        _remove_unlisted(directory / name, sealed)
    return Recovery(manifest=recovered, cuts=tuple(cuts))


def _write_segment(folder: Path, table: pa.Table, *, after: Sealed) -> Sealed:
    """Write the rows of the tail that follows `after` as a segment, durable and whole; no rows make none."""
    number = after.tail + 1
    if not table.num_rows:
        return replace(after, tail=number)
    segment = _write(folder / f"segment-{number:06d}.parquet", [table])
    return Sealed(tail=number, segments=(*after.segments, segment))


def compact(directory: Path, manifest: Manifest) -> Manifest:
    """Merge the segments of each table that are many and small; return the manifest that is now published.

    Raises:
        OSError: If the disk does not take it; what was there counts as before.
    """
    for name in TABLES:
        while mergeable := _mergeable(directory / name, manifest.tables[name]):
            sealed, (start, end) = manifest.tables[name], mergeable
            before, merged, after = sealed.segments[:start], sealed.segments[start:end], sealed.segments[end:]
            segment = _merge(directory / name, merged)
            sealed = replace(sealed, segments=(*before, segment, *after))
            manifest = replace(manifest, tables={**manifest.tables, name: sealed})
            publish(directory, manifest)
            for old in merged:
                (directory / name / old.file).unlink(missing_ok=True)
    return manifest


def _mergeable(folder: Path, sealed: Sealed) -> tuple[int, int] | None:
    """Start and end of the last segments, where enough of them are of about one size and none is larger; None where they are not."""
    segments = sealed.segments
    for least, most in pairwise((0, *_LEVELS)):
        start = end = len(segments)
        while start and segments[start - 1].rows <= most and segments[start - 1].version == SCHEMA_VERSION:
            start -= 1
        # Smaller ones among them go along: they would part the others for good.
        if sum(segment.rows > least for segment in segments[start:]) < _MERGED:
            continue
        n_bytes = [(folder / segment.file).stat().st_size for segment in segments[start:]]
        while sum(n_bytes) > _MOST_MERGED_BYTES:
            start += 1
            del n_bytes[0]
        if end - start >= _MERGED:
            return start, end
    return None


def _merge(folder: Path, segments: tuple[Segment, ...]) -> Segment:
    """One durable file with the rows of some segments, in order."""
    parts = chain.from_iterable(_groups_of(folder / segment.file, segment) for segment in segments)
    first, last = (segments[place].file.removeprefix("segment-").removesuffix(".parquet") for place in (0, -1))
    return _write(folder / f"segment-{first.split('-')[0]}-{last.split('-')[-1]}.parquet", parts)


def _write(path: Path, tables: Iterable[pa.Table]) -> Segment:
    """One durable file with the rows of some tables of one schema, of which it has two at a time in memory."""
    sink, n_rows, rest = pa.BufferOutputStream(), 0, iter(tables)
    first = next(rest)
    with pq.ParquetWriter(sink, first.schema, compression="zstd", write_page_checksum=True) as writer:
        for table in _whole_groups(chain((first,), rest)):
            writer.write_table(table, row_group_size=_ROW_GROUP)
            n_rows += table.num_rows
    data = memoryview(sink.getvalue())
    publish_file(path, data)
    version = int(first.schema.metadata[b"schema_version"])
    return Segment(file=path.name, rows=n_rows, crc32=zlib.crc32(data), version=version)


def _whole_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of some tables, so many at a time that they fill row groups."""
    rest: list[pa.Table] = []
    for table in tables:
        joined = pa.concat_tables([*rest, table])
        n_whole = joined.num_rows - joined.num_rows % _ROW_GROUP
        if n_whole:
            yield joined.slice(0, n_whole)
        rest = [joined.slice(n_whole)]
    yield from (table for table in rest if table.num_rows)


def _remove_tails(folder: Path, sealed: Sealed) -> None:
    for number, path in tail_files(folder):
        if number <= sealed.tail:
            path.unlink(missing_ok=True)


def _remove_unlisted(folder: Path, sealed: Sealed) -> None:
    """Remove segments that were merged, or were being made, when their writer died."""
    listed = {segment.file for segment in sealed.segments}
    for path in folder.glob("*segment-*.parquet*"):
        if path.name not in listed:
            path.unlink(missing_ok=True)


def _live_tails(directory: Path, name: TableName, *, sealed: Sealed) -> list[tuple[int, TailContents]]:
    """Numbers and contents of a table's tails that are not sealed, in order."""
    files = [(number, path) for number, path in tail_files(directory / name) if number > sealed.tail]
    return [(number, read_tail(path, SCHEMAS[name])) for number, path in files]


def _last_group(manifest: Manifest, decisions: Iterable[TailContents]) -> int:
    """Number of the last group that a living writer has ended: all its rows were written before its decision."""
    groups: list[int] = [contents.table["group"][-1].as_py() for contents in decisions if contents.table.num_rows]
    return max([manifest.group, *groups])


def _whole_group(manifest: Manifest, live: Mapping[TableName, list[tuple[int, TailContents]]]) -> int:
    """Number of the last group up to which all are whole on the disk.

    A power cut can take rows from one file and leave the decision that came after them in another.
    """
    there = Counter[int]()
    for name, tails in live.items():
        if name not in _FREE and name != "decisions":
            for _, contents in tails:
                there.update(contents.table["group"].to_pylist())
    last = manifest.group
    for _, contents in live["decisions"]:
        for row in contents.table.select(["group", "n_rows"]).to_pylist():
            if row["group"] > manifest.group and there[row["group"]] < row["n_rows"]:
                return last
            last = max(last, row["group"])
    return last


def _rows_until(name: TableName, table: pa.Table, *, group: int) -> pa.Table:
    """The rows of a tail that count."""
    return table if name in _FREE else table.filter(pc.field("group") <= group)


def read_columns(directory: Path, name: TableName, columns: Sequence[str]) -> pa.Table:
    """Some columns of a table, as `read_tables` gives it, without decoding the others.

    Raises:
        RunError: If a file is damaged, missing or cannot be read.
    """
    return _read_until_still(directory, lambda manifest: _read_once(directory, manifest, [name], columns=columns)[name])


def read_row(directory: Path, name: TableName, number: int) -> dict[str, Any]:
    """One row of a table by its place in the order of writing, from 0.

    Raises:
        RunError: If a file is damaged, missing or cannot be read.
    """
    return _read_until_still(directory, lambda manifest: _read_row_once(directory, manifest, name, number))


def read_rows(directory: Path, name: TableName, where: pc.Expression, *, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a table for which an expression holds, without reading the parts of it that can have none.

    Args:
        directory: The lineage's folder.
        name: The table.
        where: Over its columns.
        columns: Those that are wanted; None gives all.

    Raises:
        RunError: If a file is damaged, missing or cannot be read.
    """
    wanted = list(columns or SCHEMAS[name].names)
    return _read_until_still(directory, lambda manifest: _read_rows_once(directory, manifest, name, where, wanted))


def open_datasets(directory: Path, names: Iterable[TableName]) -> Mapping[TableName, ds.Dataset]:
    """Some tables, of one instant, whose sealed parts are read when they are asked for.

    Raises:
        RunError: If a file is damaged, missing or cannot be read.
    """
    wanted = tuple(names)
    return _read_until_still(directory, lambda manifest: {name: _dataset(directory, manifest, name) for name in wanted})


def _dataset(directory: Path, manifest: Manifest, name: TableName) -> ds.Dataset:
    sealed = manifest.tables[name]
    files = [str(directory / name / segment.file) for segment in sealed.segments]
    of_this_version = all(segment.version == SCHEMA_VERSION for segment in manifest.tables["candidates"].segments + sealed.segments)
    if not files or not of_this_version:  # what earlier versions wrote is made into this one's first
        return ds.dataset(_read_once(directory, manifest, [name])[name])
    live = replace(manifest, tables={**manifest.tables, name: replace(sealed, segments=())})
    checked = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True))
    return ds.dataset([ds.dataset(files, schema=SCHEMAS[name], format=checked), ds.dataset(_read_once(directory, live, [name])[name])])


def _read_rows_once(directory: Path, manifest: Manifest, name: TableName, where: pc.Expression, columns: list[str]) -> pa.Table:
    return _dataset(directory, manifest, name).to_table(filter=where, columns=columns)


def _read_row_once(directory: Path, manifest: Manifest, name: TableName, number: int) -> dict[str, Any]:
    for segment in manifest.tables[name].segments:
        if number < segment.rows:
            file = pq.ParquetFile(directory / name / segment.file, page_checksum_verification=True)
            for group in range(file.num_row_groups):
                if number < (rows := file.metadata.row_group(group).num_rows):
                    found: list[dict[str, Any]] = file.read_row_group(group).slice(number, 1).to_pylist()
                    return found[0]
                number -= rows
        number -= segment.rows
    live = [contents.table for _, contents in _live_tails(directory, name, sealed=manifest.tables[name])]
    found = pa.concat_tables([SCHEMAS[name].empty_table(), *live]).slice(number, 1).to_pylist()
    if not found:
        raise RunError(f"{directory / name} lacks a row that was there")
    return found[0]


def read_tables(directory: Path, names: Iterable[TableName]) -> Mapping[TableName, pa.Table]:
    """Segments and live tails of some tables, of one instant, while a run goes on or after it.

    Raises:
        RunError: If a file is damaged, missing or cannot be read.
    """
    wanted = tuple(names)
    return _read_until_still(directory, lambda manifest: _read_once(directory, manifest, wanted))


def _read_until_still(directory: Path, read: Callable[[Manifest], Read]) -> Read:
    """What a reading gives that nothing was sealed or merged beside."""
    trouble: OSError | None = None
    for _ in range(_TRIES):
        try:
            manifest = load_manifest(directory)
            found = read(manifest)
            # A seal in between moves rows from a tail to a segment: then the two belong to different instants.
            if load_manifest(directory) == manifest:
                return found
        except OSError as error:
            trouble = error
    raise RunError(f"cannot read {directory}: {trouble or 'it is sealed faster than it can be read; try again'}")


def _read_once(
    directory: Path, manifest: Manifest, names: Iterable[TableName], *, columns: Sequence[str] | None = None
) -> dict[TableName, pa.Table]:
    # Decisions first: what a decision says is complete is in the other tails by then.
    decisions = _live_tails(directory, "decisions", sealed=manifest.tables["decisions"])
    group = _last_group(manifest, (contents for _, contents in decisions))

    def parts_of(name: TableName, *, older: bool = False) -> list[pa.Table]:
        sealed = manifest.tables[name]
        tails = decisions if name == "decisions" else _live_tails(directory, name, sealed=sealed)
        segments = [segment for segment in sealed.segments if not older or segment.version < SCHEMA_VERSION]
        history = [_read_segment(directory / name / segment.file, segment, columns=columns) for segment in segments]
        return [*history, *(_rows_until(name, contents.table, group=group) for _, contents in tails)]

    tables: dict[TableName, pa.Table] = {}
    for name in names:
        schema = SCHEMAS[name] if columns is None else pa.schema(map(SCHEMAS[name].field, columns), metadata=SCHEMAS[name].metadata)
        parts = [as_current(part, schema, file=str(directory / name)) for part in parts_of(name)]
        tables[name] = pa.concat_tables([schema.empty_table(), *parts])
        if name == "texts" and (older := [texts_within(part) for part in parts_of("candidates", older=True)]):
            texts = pa.concat_tables([tables[name], *older]).group_by(["digest"], use_threads=False)
            tables[name] = texts.aggregate([("text", "first"), ("group", "first")]).rename_columns(SCHEMAS[name].names).cast(SCHEMAS[name])
    return tables


def _read_segment(path: Path, segment: Segment, *, columns: Sequence[str] | None = None) -> pa.Table:
    wanted = columns if segment.version == SCHEMA_VERSION else None  # of an earlier one others may be needed to make them
    return pq.read_table(_checked(path, segment), columns=wanted, page_checksum_verification=True)


def _groups_of(path: Path, segment: Segment) -> Iterator[pa.Table]:
    """The rows of a segment, a row group at a time."""
    file = pq.ParquetFile(_checked(path, segment), page_checksum_verification=True)
    return (file.read_row_group(group) for group in range(file.num_row_groups))


def _checked(path: Path, segment: Segment) -> pa.BufferReader:
    data = path.read_bytes()
    if zlib.crc32(data) != segment.crc32:
        raise RunError(f"{path} is damaged: its checksum differs; restore the file from a copy")
    return pa.BufferReader(data)
