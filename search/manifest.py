"""Manifest: which sealed files of a lineage count. It is renamed into place last, so that it tells of whole files only."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from graftwork.programs.errors import RunError

from .disk import publish_file
from .schema import TABLES, TableName

__all__ = ["Manifest", "Sealed", "Segment", "load_manifest", "parse_manifest", "publish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One sealed file.

    Attributes:
        file: Its name in the table's folder.
        rows: How many it holds.
        crc32: Of the whole file: page checksums, which other readers check, do not cover its footer.
        version: Of the schema; manifests did not tell before version 4.
    """

    file: str
    rows: int
    crc32: int
    version: int = 3


_FIELDS: Final = tuple(one.name for one in fields(Segment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The sealed part of a table.

    Attributes:
        tail: Number of the last sealed tail; tails up to it no longer count.
        segments: In the order of writing.
    """

    tail: int = 0
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What counts as sealed.

    Attributes:
        group: Number of the last durable write that was complete when it was published.
        tables: By name; a table without rows is there too.
    """

    group: int = 0
    tables: Mapping[TableName, Sealed] = field(default_factory=lambda: dict.fromkeys(TABLES, Sealed()))


def load_manifest(directory: Path) -> Manifest:
    """The manifest of a lineage; the empty one where nothing was ever written.

    Raises:
        RunError: If it is damaged, or missing while there are rows.
        OSError: If it cannot be read.
    """
    path = directory / "manifest.json"
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if any((directory / name).is_dir() for name in TABLES):
            raise RunError(f"{path} is missing while there are tables beside it: restore it from a copy") from None
        return Manifest()
    return parse_manifest(text, path)


def parse_manifest(text: bytes, named: Path | str) -> Manifest:
    """The manifest that a file holds.

    Args:
        text: Its content.
        named: What to call it.

    Raises:
        RunError: If it is damaged.
    """
    try:
        document = json.loads(text)
        body = document["manifest"]
        if document["crc32"] == zlib.crc32(_json_of(body)):
            tables: dict[TableName, Sealed] = {name: _sealed(body["tables"][name]) for name in TABLES if name in body["tables"]}
            return Manifest(group=body["group"], tables={**Manifest().tables, **tables})
    except (ValueError, KeyError, TypeError):
        pass
    raise RunError(f"{named} is damaged: its checksum differs; restore it from a copy")


def _sealed(body: dict[str, Any]) -> Sealed:
    return Sealed(tail=body["tail"], segments=tuple(Segment(**segment) for segment in body["segments"]))


def publish(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in place.

    Raises:
        OSError: If the disk does not take it; the old one is intact then.
    """
    tables = {
        name: {"tail": sealed.tail, "segments": [{field: getattr(segment, field) for field in _FIELDS} for segment in sealed.segments]}
        for name, sealed in manifest.tables.items()
    }
    body = _json_of({"group": manifest.group, "tables": tables})
    publish_file(directory / "manifest.json", b'{"crc32": %d, "manifest": %b}\n' % (zlib.crc32(body), body))


def _json_of(body: object) -> bytes:
    return json.dumps(body, sort_keys=True).encode()
