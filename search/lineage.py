"""Lineage: the append-only record of a run. One writer; every fact is written before it is acted on.

Each write is a group: its rows are there together or not at all, whatever happens in between, because the row of `decisions`
that ends it comes last and readers leave out what no such row covers. Rows of `calls` and `events` stand by themselves.

What costs or claims something (model calls, evaluations on held-out splits, champions) is on the disk before it is acted on. What
follows from that and from the seed (briefs, results) gets there within a stated time, many in one write: a write and a sync for each
candidate cost more than evaluating it. Until then nobody outside is told of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from graftwork.evaluators.evaluation import Evaluation
from graftwork.programs.errors import RunError

from .candidate import Brief, Result
from .digest_index import DigestIndex
from .disk import WriterLock, sync_directory, writing_to
from .rows import (
    Row,
    brief_row,
    candidate_row,
    json_text,
    score_rows,
    span_rows,
    tell_row,
    text_rows,
)
from .schema import TABLES, TableName
from .segments import compact, read_tables, recover, seal
from .snapshot import Snapshot, write_snapshot
from .tails import FullTail, TableWriter

__all__ = ["Lineage"]

_SEAL_BYTES: Final = 32 * 1024 * 1024  # long replies and traces fill memory before they are 1,000 rows
_GROUPED: Final[tuple[TableName, ...]] = (*(name for name in TABLES if name not in ("calls", "decisions")), "decisions")
_MOST_WAITING: Final = 5_000  # rows: where the disk is slower than the search, the search waits
_FINAL: Final = frozenset(("champion", "open_split", "crown", "claim"))  # claim or open something, or an export reads them at once
_DATES: Final[Mapping[TableName, str]] = {"candidates": "told_at", "calls": "at", "decisions": "at", "events": "at"}


class Lineage:
    """The writer of a run's record, in `lineage/` of its directory. Safe from any thread; a context manager.

    Rows wait in memory for at most `commit_s` seconds; then all that came meanwhile is written and synced together, in the background
    (group commit). What is told to anyone outside is told after that: `n_durable` says how many results are on the disk. Live tails are
    sealed when they have `seal_rows` rows or are `seal_s` seconds old. After a write that failed nothing more is written: the disk's state
    is told once, and resuming finds everything that was durable.

    Args:
        run_dir: The run's directory; it is made where it is missing.
        clock: Seconds since 1970.
        seal_rows: Rows of a live tail, at least 1.
        seal_s: Age of a live tail in seconds.
        commit_s: How long a row may wait in memory, in seconds.

    Raises:
        RunError: If another process writes this run, if it cannot be written, or if what is there is damaged.
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        seal_rows: int = 1_000,
        seal_s: float = 30.0,
        commit_s: float = 0.25,
    ) -> None:
        self.directory = run_dir / "lineage"
        self._clock = clock
        self._seal_rows, self._seal_s, self._commit_s = seal_rows, seal_s, commit_s
        self._mutex = threading.Lock()  # guards what waits
        self._committing = {name: threading.Lock() for name in ("calls", "groups")}  # one thread at a time writes these
        self._waiting: dict[TableName, list[Row]] = {name: [] for name in TABLES}
        self._due, self._closing = threading.Event(), threading.Event()
        self._snapshot = ""  # the last that was made, until it is written
        self._trouble = ""
        self._sealed_at = clock()
        self._on_whole: Callable[[], None] = lambda: None
        with writing_to(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            sync_directory(run_dir)
            self._lock = WriterLock(self.directory / "lock")
        try:
            self._recover()
        except RunError:
            self._lock.release()
            raise
        self._sealer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lineage-seal")
        self._sealing: Future[None] | None = None
        self._committer = threading.Thread(target=self._commit_what_waits, name="lineage", daemon=True)
        self._committer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _recover(self) -> None:
        with writing_to(self.directory):
            recovery = recover(self.directory)
        self._manifest = recovery.manifest
        self._group = self._durable_group = recovery.manifest.group
        self.n_durable = sum(segment.rows for segment in recovery.manifest.tables["candidates"].segments)
        self._writers = {name: TableWriter(self.directory, name, after=self._manifest.tables[name].tail) for name in TABLES}
        texts = read_tables(self.directory, ["texts"])["texts"]["digest"].to_pylist()
        with writing_to(self.directory):
            self._texts = DigestIndex(texts, folder=self.directory)
        for cut in recovery.cuts:
            self._put({"events": [self._event("repair", cut)]})

    def on_whole(self, call: Callable[[], None]) -> None:
        """Have something called now, and whenever all tables were sealed together: what the manifest lists is a run as of one instant then.

        Nothing is sealed or merged until it returns. It runs on the thread that seals, and must not write the lineage.
        """
        self._on_whole = call
        call()

    def brief(self, brief: Brief) -> None:
        """Record what `ask` gave.

        Raises:
            RunError: If it cannot be written.
        """
        self._put({}, decision=brief_row(brief))

    def result(self, result: Result) -> None:
        """Record one told result with its scores and spans, all or nothing.

        Raises:
            RunError: If it cannot be written.
        """
        evaluations = [("val", result.val), ("train", result.train), ("parent", result.extension)]
        there = [(split, evaluation) for split, evaluation in evaluations if evaluation is not None]
        with writing_to(self.directory):
            texts = text_rows(result, lambda digest: self._texts.add(digest, result.number))
        rows: dict[TableName, list[Row]] = {
            "texts": texts,
            "scores": [row for split, evaluation in there for row in score_rows(result.number, split, evaluation)],
            "spans": [row for split, evaluation in there for row in span_rows(result.number, split, evaluation)],
            "candidates": [candidate_row(result)],
        }
        self._put(rows, decision=tell_row(result))

    def evaluation(self, candidate: int, split: str, evaluation: Evaluation) -> None:
        """Record a further evaluation of a candidate, on `confirm`, `test` or a transfer set; durable when it returns.

        Raises:
            RunError: If it cannot be written.
        """
        mark = {"forgeable": True} if evaluation.forgeable else {}
        detail = json_text({"split": split, "cases": len(evaluation.judgements), "mean": evaluation.mean, **mark})
        scores, spans = (list(rows(candidate, split, evaluation)) for rows in (score_rows, span_rows))
        self._put({"scores": scores, "spans": spans}, decision={"kind": "evaluation", "number": candidate, "detail": detail})
        self.commit()

    def decision(self, kind: str, *, number: int, detail: object) -> None:
        """Record a decision such as `champion`, `open_split`, `crown` or `claim`; these four are durable when it returns.

        Args:
            kind: What was decided.
            number: Of the brief, or of the candidate that it is about.
            detail: JSON values, or a dataclass of them; nothing that depends on time.

        Raises:
            RunError: If it cannot be written.
        """
        self._put({}, decision={"kind": kind, "number": number, "detail": json_text(detail)})
        if kind in _FINAL:
            self.commit()

    def event(self, kind: str, message: str, detail: Mapping[str, object] | None = None) -> None:
        """Record what happened to the run itself: start, stop, export, repair; durable when it returns.

        Raises:
            RunError: If it cannot be written.
        """
        self._put({"events": [self._event(kind, message, detail)]})
        self.commit()

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keep where the search stands, in the background, once all that it follows from is durable."""
        self._snapshot = json_text(snapshot)
        self._due.set()

    def append_calls(self, rows: Sequence[Row]) -> None:
        """Record model calls, as `LineageCallStore` tells them; `sync_calls` makes them durable.

        Raises:
            RunError: If it cannot be written.
        """
        self._put({"calls": rows})

    def sync_calls(self) -> None:
        """Make every recorded model call durable. Safe from any thread, while others write.

        Raises:
            RunError: If it cannot be written.
        """
        with self._writing("calls"):
            self._write(self._take(("calls",))[0])

    def commit(self) -> None:
        """Make everything that was recorded durable. Safe from any thread, while others write.

        Raises:
            RunError: If it cannot be written.
        """
        with self._writing("groups"):
            rows, group = self._take(_GROUPED)
            self.sync_calls()  # those that these results follow from
            self._write(rows)
            self.n_durable += len(rows["candidates"])
            self._durable_group = group
            self._seal_what_is_due()

    def close(self) -> None:
        """Seal everything and let another writer in. Calling it twice is harmless.

        Raises:
            RunError: If it cannot be written; what was durable stays so.
        """
        self._closing.set()
        self._due.set()
        self._committer.join()
        try:
            if not self._trouble:
                self.commit()
                with self._writing("groups"), self._committing["calls"]:
                    self._await_sealing()
                    self._seal(self._rotated(name for name in TABLES if self._writers[name].n_rows), self._durable_group, whole=True)
        finally:
            self._trouble = self._trouble or f"{self.directory} is closed: open it again to write"
            self._sealer.shutdown()
            for writer in self._writers.values():
                writer.close()
            self._lock.release()

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """The right to write some tables, and the telling of what goes wrong."""
        with self._committing[what]:
            if self._trouble:
                raise RunError(self._trouble)
            try:
                with writing_to(self.directory):
                    yield
            except BaseException as error:
                # Half a group may be in the tails: another write would end it and make it count.
                self._trouble = str(error) or f"writing {self.directory} was interrupted; what was written before is intact"
                raise

    def _event(self, kind: str, message: str, detail: Mapping[str, object] | None = None) -> Row:
        return {"kind": kind, "message": message, "detail": json_text(detail or {})}

    def _put(self, rows: Mapping[TableName, Sequence[Row]], *, decision: Row | None = None) -> None:
        """Have the rows of one group wait for the next commit."""
        if decision is not None:
            rows = {**rows, "decisions": [{**decision, "n_rows": sum(map(len, rows.values()))}]}
        with self._mutex:
            if self._trouble:
                raise RunError(self._trouble)
            self._group += 1
            at = round(self._clock() * 1e6)
            for table, of_table in rows.items():
                date = _DATES.get(table)
                stamp: dict[str, object] = {"group": self._group} if date is None else {"group": self._group, date: at}
                self._waiting[table] += [{**row, **stamp} for row in of_table]
            too_many = max(len(self._waiting[table]) for table in rows) > _MOST_WAITING
        self._due.set()
        if too_many:
            self.commit()

    def _take(self, names: Iterable[TableName]) -> tuple[Mapping[TableName, Sequence[Row]], int]:
        """What waits for some tables, all as of one instant, and the last group that there is."""
        with self._mutex:
            taken: dict[TableName, list[Row]] = {name: self._waiting[name] for name in names}
            for name in taken:
                self._waiting[name] = []
            return taken, self._group

    def _write(self, rows: Mapping[TableName, Sequence[Row]]) -> None:
        """Write rows and sync them, decisions last: a group counts from its decision on."""
        for name, of_table in rows.items():
            self._writers[name].append(of_table)
        for name in rows:
            self._writers[name].sync()

    def _commit_what_waits(self) -> None:
        while not self._closing.is_set():
            self._due.wait()
            self._closing.wait(self._commit_s)
            self._due.clear()
            snapshot, self._snapshot = self._snapshot, ""
            with suppress(RunError):  # whoever writes next is told
                self.commit()
                if snapshot:
                    with writing_to(self.directory):
                        write_snapshot(self.directory, snapshot)

    def _seal_what_is_due(self) -> None:
        """Have sealed what is due, in the background: writing goes on meanwhile, in new tails."""
        if self._sealing and self._sealing.done():
            self._await_sealing()
        now, writers, whole = self._clock(), self._writers, False
        # A clock that was set back makes things look younger than they are: then they count as old.
        if not 0.0 <= now - self._sealed_at < self._seal_s:
            self._sealed_at, whole = now, True
            full: list[TableName] = [name for name in TABLES if writers[name].n_rows]
        else:
            full = [name for name in TABLES if writers[name].n_rows >= self._seal_rows or writers[name].n_bytes >= _SEAL_BYTES]
        if full:
            self._await_sealing()
            with self._committing["calls"]:
                rotated = self._rotated(full)
            self._sealing = self._sealer.submit(self._seal, rotated, self._durable_group, whole=whole)

    def _rotated(self, names: Iterable[TableName]) -> Mapping[TableName, FullTail]:
        return {name: self._writers[name].rotate() for name in names}

    def _seal(self, full: Mapping[TableName, FullTail], group: int, *, whole: bool) -> None:
        if full:
            with writing_to(self.directory):
                self._manifest = seal(self.directory, self._manifest, full, group=group)
                self._manifest = compact(self.directory, self._manifest)
        if whole:
            self._on_whole()

    def _await_sealing(self) -> None:
        """Wait until nothing is sealed in the background; raise what went wrong there."""
        if sealing := self._sealing:
            self._sealing = None
            sealing.result()
