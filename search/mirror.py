"""Mirror: a copy of a run in another place, kept while the run goes on: sealed history and the files beside it.

The folder on the local disk is the truth. What was sealed together is copied in the background, the manifest last, so that the place
holds at every instant a run that can be read and gone on with, as of some seal. Trouble there never holds up the search: it is told, and
tried again. Files are held as hard links until the place has them, because merging removes segments meanwhile.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from graftwork.programs.errors import RunError, UserError

from .manifest import Manifest, Segment, parse_manifest
from .remote import Remote, reason_of

__all__ = ["MANIFEST", "Mirror", "refuse_unfit", "run_id"]

MANIFEST: Final = "lineage/manifest.json"
_PROBE: Final = ".graftwork"
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 60.0


def run_id(run_toml: bytes) -> str:
    """The id of a run, by which a mirror knows whose it is; empty where there is none."""
    try:
        return str(tomllib.loads(run_toml.decode()).get("id", ""))
    except ValueError:
        return ""


def refuse_unfit(place: Remote, *, run: str = "") -> None:
    """Refuse a place that a run cannot be mirrored to.

    Args:
        place: The place.
        run: The run's id; empty for a new one.

    Raises:
        RunError: If it holds another run, or cannot be reached, written and removed from.
    """
    try:
        theirs = place.read_if_there("run.toml")
        if theirs is not None and (not run or run_id(theirs) != run):
            raise RunError(f"{place} holds another run: name an empty place; `graftwork fetch` brings back a run to go on with")
        place.write(_PROBE, b"")
        place.remove(_PROBE)
    except OSError as error:
        raise RunError(f"cannot mirror to {place}: {reason_of(error)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What was sealed together and waits to be copied."""

    text: bytes
    manifest: Manifest

    def segments(self) -> Iterator[tuple[str, Segment]]:
        for table, sealed in self.manifest.tables.items():
            for segment in sealed.segments:
                yield f"lineage/{table}/{segment.file}", segment


class Mirror:
    """Copies a run to a place, on a thread of its own. A context manager, to be left after the run's lineage is closed.

    Args:
        run_dir: The run.
        place: Where the copy goes.
        wait_s: How long leaving waits for what is not copied yet, in seconds.
    """

    def __init__(self, run_dir: Path, place: Remote, *, wait_s: float = 60.0) -> None:
        self._run_dir, self._place, self._wait_s = run_dir, place, wait_s
        self._links = run_dir / "lineage" / "mirror"
        self._held: _Held | None = None
        self._there: dict[str, Segment | None] | None = None  # in the place, by name; None: of another content, or none of ours
        self._seen: list[bytes | None] = []  # the manifests that the place may hold if nobody else writes there
        self._copied: dict[str, tuple[int, int]] = {}
        self._changed, self._mutex = threading.Event(), threading.Lock()
        self._deadline = float("inf")
        self._ended = self._holding = self._refused = False
        self.trouble = ""
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._mutex:
            self._ended, self._deadline = True, time.monotonic() + self._wait_s
        self._changed.set()
        self._thread.join(self._wait_s)
        if self._holding:
            shutil.rmtree(self._links, ignore_errors=True)

    @property
    def whole(self) -> bool:
        """Whether the place holds all that was held for it."""
        return self._held is None and not self.trouble

    @property
    def said(self) -> str:
        """How it ended, in one line."""
        if self.whole:
            return f"mirrored to {self._place}"
        if self._refused:
            return self.trouble
        why = self.trouble or f"mirror: not all was copied within {self._wait_s:.0f} s"
        return f"{why}; what is missing at {self._place} is copied by `graftwork mirror {self._run_dir}`"

    def hold(self) -> None:
        """Take what the manifest lists now, to be copied. Called while nothing is sealed or merged, when everything is sealed."""
        try:
            text = (self._run_dir / MANIFEST).read_bytes()
            held = _Held(text=text, manifest=parse_manifest(text, self._run_dir / MANIFEST))
            with self._mutex:
                if not self._holding:  # what is there is of a process that was killed
                    shutil.rmtree(self._links, ignore_errors=True)
                self._holding = True
                self._link(held)
                self._held = held
        except (OSError, RunError) as error:
            self.trouble = f"mirror: cannot hold what was sealed: {error}"
        self._changed.set()

    def _link(self, held: _Held) -> None:
        """Keep what is not copied yet, and nothing else."""
        there = self._there or {}
        wanted = {name for name, segment in held.segments() if there.get(name) != segment}
        for link in self._links.rglob("*.parquet"):
            if f"lineage/{link.parent.name}/{link.name}" not in wanted:
                link.unlink()
        for name in wanted:
            link = self._link_of(name)
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(self._run_dir / name, link)
                except OSError:  # a disk without hard links
                    shutil.copyfile(self._run_dir / name, link)

    def _link_of(self, name: str) -> Path:
        return self._links / Path(name).relative_to("lineage")

    def _work(self) -> None:
        tries = 0
        while True:
            if self._held is None and not self._ended:
                self._changed.wait()
            self._changed.clear()
            with self._mutex:
                held = self._held
            if held is None:
                if self._ended:
                    return
                continue
            try:
                self._copy(held)
                self.trouble, tries = "", 0
            except OSError as error:
                self.trouble, tries = f"mirror: {self._place} cannot be written: {reason_of(error)}", tries + 1
                if not self._pause(tries):
                    return
            except UserError as error:
                self.trouble, self._refused = f"mirror: {error}", True
                return

    def _pause(self, tries: int) -> bool:
        """Wait before another try, longer each time, and at random, so that many runs do not come back at one instant."""
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0**tries) * random.uniform(0.5, 1.0)
        until = time.monotonic() + wait_s
        while (now := time.monotonic()) < until:
            if now >= self._deadline:
                return False
            if self._ended:  # at the end there is no time to lose
                until = min(until, now + _FIRST_WAIT_S)
            time.sleep(min(0.1, until - now))
        return True

    def _copy(self, held: _Held) -> None:
        if self._there is None:
            self._there = self._found(held)
        there = self._there
        for name, segment in held.segments():
            if there.get(name) != segment:
                try:
                    data = self._link_of(name).read_bytes()
                except FileNotFoundError:
                    if self._held is held:
                        raise
                    return  # something newer was sealed, and its files are held now
                self._write(name, data)
                there[name] = segment
        self._copy_files()
        self._publish(held)
        listed = {name for name, _ in held.segments()}
        for name in [name for name in there if name not in listed]:
            self._place.remove(name)
            del there[name]
        with self._mutex:
            if self._held is held:
                self._held = None
                self._link(held)

    def _found(self, held: _Held) -> dict[str, Segment | None]:
        """What of this run is in the place already; an empty place becomes this run's.

        Raises:
            RunError: If it holds another run, or more of this one than there is here.
        """
        place, own = self._place, (self._run_dir / "run.toml").read_bytes()
        if not run_id(own):
            raise RunError(f"{self._run_dir} is of an earlier version and has no id to mirror it by: `graftwork resume` gives it one")
        theirs = place.read_if_there("run.toml")
        if theirs is None:
            self._write("run.toml", own)
        elif run_id(theirs) != run_id(own):
            raise RunError(f"{place} holds another run than {self._run_dir}: name another place with --mirror")
        text = place.read_if_there(MANIFEST)
        self._seen = [text]
        found: dict[str, Segment | None] = {name: None for name in place.files() if name.startswith("lineage/") and name != MANIFEST}
        if text is not None:
            listed = _Held(text=text, manifest=parse_manifest(text, f"{place}/{MANIFEST}"))
            self._refuse_further(held, listed)
            found.update(listed.segments())
        return found

    def _refuse_further(self, held: _Held, listed: _Held) -> None:
        """Refuse a place where the run went on from what was fetched of it."""
        theirs = dict(listed.segments())
        others = any(theirs.get(name, segment) != segment for name, segment in held.segments())
        if others or listed.manifest.group > held.manifest.group:
            raise RunError(
                f"{self._place} holds more of this run than {self._run_dir}, which went on elsewhere: "
                "bring it here with `graftwork fetch`, or name another place with --mirror"
            )

    def _copy_files(self) -> None:
        """Copy what stands beside the lineage and has changed: settings, inputs, the champion."""
        for path in self._files_beside():
            name = path.relative_to(self._run_dir).as_posix()
            try:
                stat, data = path.stat(), path.read_bytes()
            except FileNotFoundError:  # it was removed meanwhile
                continue
            if self._copied.get(name) != (now := (stat.st_mtime_ns, zlib.crc32(data))):
                self._write(name, data)
                self._copied[name] = now

    def _files_beside(self) -> Iterator[Path]:
        for entry in sorted(self._run_dir.iterdir()):
            if entry.name != "lineage":
                for path in (entry, *sorted(entry.rglob("*"))):
                    hidden = any(part.startswith(".") for part in path.relative_to(self._run_dir).parts)
                    if path.is_file() and not path.is_symlink() and not hidden:
                        yield path

    def _write(self, name: str, data: bytes) -> None:
        """Put a file in place, unless nobody waits for it any more: another process may go on with the run by now.

        Raises:
            OSError: If it is not put there.
        """
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"no answer within {self._wait_s:.0f} s")
        self._place.write(name, data)

    def _publish(self, held: _Held) -> None:
        """Put the manifest in place, unless somebody else did since, who may be this run gone on with on another machine.

        Raises:
            RunError: If the one that is there is not ours.
        """
        if (now := self._place.read_if_there(MANIFEST)) not in self._seen:
            what = "was emptied" if now is None else "is written by another process too"
            raise RunError(f"{self._place} {what}: `graftwork mirror {self._run_dir}` copies anew what it lacks, once this run has ended")
        self._seen.append(held.text)  # a write that is told to have failed may have been done
        self._write(MANIFEST, held.text)
        self._seen = [held.text]
