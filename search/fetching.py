"""Fetching: a run from its mirror, into a folder where it can be read or gone on with."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graftwork.programs.errors import RunError

from .disk import publish_file, writing_to
from .manifest import Manifest, Segment, load_manifest, parse_manifest
from .mirror import MANIFEST
from .remote import Remote, Stored, reason_of

__all__ = ["Fetched", "fetch", "fetch_to_cache", "fetch_to_new"]

_TRIES: Final = 10
_SEGMENT: Final = re.compile(r"segment-[0-9-]+\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was fetched.

    Attributes:
        folder: Where the run is now.
        n_files: Files that were not there before, or differed.
        n_bytes: In them.
    """

    folder: Path
    n_files: int
    n_bytes: int


def fetch(place: Remote, folder: Path) -> Fetched:
    """Make a folder hold the run that a place holds; what is there already is not fetched again.

    Raises:
        RunError: If there is no run, if the place cannot be reached, or if what it holds is damaged.
    """
    damage = ""
    for _ in range(_TRIES):
        try:
            with writing_to(folder):
                return _Fetch(place, folder).run()
        except _ChangedError as changed:  # by the run that goes on meanwhile
            damage = str(changed)
    raise RunError(f"{place} is damaged, or written faster than it can be read: {damage}")


def fetch_to_cache(uri: str, environ: Mapping[str, str] = os.environ) -> Fetched:
    """Have the run of a place in the person's cache folder, to be read.

    Args:
        uri: The place.
        environ: Where `XDG_CACHE_HOME` is read.

    Raises:
        RunError: As `fetch`.
    """
    place = Remote(uri)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", uri.partition("?")[0].rstrip("/").rpartition("/")[2]).strip("-") or "run"
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return fetch(place, cache / "graftwork" / f"{name}-{hashlib.sha256(uri.encode()).hexdigest()[:12]}")


def fetch_to_new(uri: str, folder: Path) -> Fetched:
    """Bring back a run from its mirror to a new folder, to go on with it.

    Raises:
        RunError: As `fetch`, or if the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not an empty folder: name another for the run of {uri}")
    return fetch(Remote(uri), folder)


class _ChangedError(Exception):
    """A file is not what the manifest says."""


class _Fetch:
    """One attempt: holds what its steps share."""

    def __init__(self, place: Remote, folder: Path) -> None:
        self._place, self._folder = place, folder
        self._n_files = self._n_bytes = 0

    def run(self) -> Fetched:
        text = self._read(MANIFEST)
        if text is None:
            raise RunError(f"no run in {self._place}: expected the mirror of one, as `graftwork run --mirror` makes it")
        manifest = parse_manifest(text, f"{self._place}/{MANIFEST}")
        before = Manifest()
        with suppress(RunError):  # of a fetch that was cut short
            before = load_manifest(self._folder / "lineage")
        for table, sealed in manifest.tables.items():
            for segment in sealed.segments:
                self._segment(f"lineage/{table}/{segment.file}", segment, known=segment in before.tables[table].segments)
        self._files_beside()
        self._put(MANIFEST, text)
        for table, sealed in manifest.tables.items():
            for path in (self._folder / "lineage" / table).glob("segment-*.parquet"):
                if path.name not in {segment.file for segment in sealed.segments}:
                    path.unlink()
        return Fetched(folder=self._folder, n_files=self._n_files, n_bytes=self._n_bytes)

    def _segment(self, name: str, segment: Segment, *, known: bool) -> None:
        if not _SEGMENT.fullmatch(segment.file):
            raise RunError(f"{self._place}/{MANIFEST} lists {segment.file!r}, which is no segment: it is no mirror of a run")
        if known and (self._folder / name).is_file():
            return
        data = self._read(name)
        if data is None or zlib.crc32(data) != segment.crc32:
            raise _ChangedError(f"{name} is missing" if data is None else f"the checksum of {name} differs")
        self._put(name, data)

    def _files_beside(self) -> None:
        try:
            listed = self._place.files()
        except OSError as error:
            raise RunError(f"cannot read {self._place}: {reason_of(error)}") from None
        for name, stored in listed.items():
            if name.partition("/")[0] == "lineage":
                continue
            if self._is_here(name, stored):
                continue
            if (data := self._read(name)) is not None:
                self._put(name, data)
                os.utime(self._folder / name, ns=(stored.mtime_ns, stored.mtime_ns))

    def _is_here(self, name: str, stored: Stored) -> bool:
        try:
            stat = (self._folder / name).stat()
        except FileNotFoundError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (stored.n_bytes, stored.mtime_ns)

    def _read(self, name: str) -> bytes | None:
        try:
            return self._place.read_if_there(name)
        except OSError as error:
            raise RunError(f"cannot read {self._place}: {reason_of(error)}") from None

    def _put(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != MANIFEST or not path.is_file() or path.read_bytes() != data:
            self._n_files, self._n_bytes = self._n_files + 1, self._n_bytes + len(data)
            publish_file(path, data)
