"""Lineage: the append-only record of a run. One writer; every fact is written before it is acted on.

Each write is a group: its rows are there together or not at all, whatever happens in between, because the row of `decisions`
that ends it comes last and readers leave out what no such row covers. Rows of `calls` and `events` stand by themselves.

What is written survives the death of this process at any moment. What costs or claims something (model calls, evaluations on
held-out splits, champions) is also on the disk when the method returns; the rest follows from it and gets there within a stated
time, because on a busy disk a sync for each candidate costs more than evaluating it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, get_args

from graftwork.evaluators.call_store import Booked, RecordedCall, Reservation, Settlement
from graftwork.evaluators.evaluation import Evaluation
from graftwork.programs.errors import RunError
from graftwork.programs.model import Role, Usage

from .candidate import Brief, Result
from .disk import WriterLock, sync_directory, writing_to
from .rows import (
    Row,
    brief_row,
    candidate_row,
    json_text,
    recorded_call,
    reservation_of,
    reserved_row,
    score_rows,
    settled_row,
    span_rows,
    tell_row,
)
from .schema import TABLES, TableName
from .segments import read_tables, recover, seal
from .tails import FullTail, TableWriter

__all__ = ["Lineage", "LineageCallStore"]

_SEAL_BYTES: Final = 32 * 1024 * 1024  # long replies and traces fill memory before they are 1,000 rows
_FINAL: Final = frozenset(("champion", "open_split"))  # decisions that claim or open something; others follow from results
_DATES: Final[Mapping[TableName, str]] = {"candidates": "told_at", "calls": "at", "decisions": "at", "events": "at"}


class Lineage:
    """The writer of a run's record, in `lineage/` of its directory. Safe from any thread; a context manager.

    Live tails are sealed when they have `seal_rows` rows, and at the first write after `seal_s` seconds; they are synced at the
    first write after `sync_s` seconds, so that a power cut takes what was told in that time and no more. After a write that failed
    nothing more is written: the disk's state is told once, and resuming finds everything that was durable.

    Args:
        run_dir: The run's directory; it is made where it is missing.
        clock: Seconds since 1970.
        seal_rows: Rows of a live tail, at least 1.
        seal_s: Age of a live tail in seconds.
        sync_s: How long a result may be in the system's memory only; at 0 each is on the disk when it is told.

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
        sync_s: float = 1.0,
    ) -> None:
        self.directory = run_dir / "lineage"
        self._clock = clock
        self._seal_rows, self._seal_s, self._sync_s = seal_rows, seal_s, sync_s
        self._mutex = threading.RLock()
        self._trouble = ""
        self._keeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lineage")
        self._keeping: Future[None] | None = None
        self._sealed_at = self._synced_at = clock()
        with writing_to(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            sync_directory(run_dir)
            self._lock = WriterLock(self.directory / "lock")
        try:
            self._recover()
        except RunError:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _recover(self) -> None:
        with writing_to(self.directory):
            recovery = recover(self.directory)
        self._manifest, self._group = recovery.manifest, recovery.manifest.group
        self._writers = {name: TableWriter(self.directory, name, after=self._manifest.tables[name].tail) for name in TABLES}
        for cut in recovery.cuts:
            self.event("repair", cut)

    def brief(self, brief: Brief) -> None:
        """Record what `ask` gave.

        Raises:
            RunError: If it cannot be written.
        """
        self._group_of({}, decision=brief_row(brief))

    def result(self, result: Result) -> None:
        """Record one told result with its scores and spans, all or nothing.

        Raises:
            RunError: If it cannot be written.
        """
        evaluations = [("val", result.val), ("train", result.train)]
        there = [(split, evaluation) for split, evaluation in evaluations if evaluation is not None]
        scores = [row for split, evaluation in there for row in score_rows(result.number, split, evaluation)]
        spans = [row for split, evaluation in there for row in span_rows(result.number, split, evaluation)]
        self._group_of({"scores": scores, "spans": spans, "candidates": [candidate_row(result)]}, decision=tell_row(result))

    def evaluation(self, candidate: int, split: str, evaluation: Evaluation) -> None:
        """Record a further evaluation of a candidate, on `confirm`, `test` or a transfer set; durable when it returns.

        Raises:
            RunError: If it cannot be written.
        """
        mark = {"forgeable": True} if evaluation.forgeable else {}
        detail = json_text({"split": split, "cases": len(evaluation.judgements), "mean": evaluation.mean, **mark})
        scores, spans = (list(rows(candidate, split, evaluation)) for rows in (score_rows, span_rows))
        self._group_of(
            {"scores": scores, "spans": spans}, decision={"kind": "evaluation", "number": candidate, "detail": detail}, durable=True
        )

    def decision(self, kind: str, *, number: int, detail: object) -> None:
        """Record a decision such as `champion`, `open_split` or `crown`; the first two are durable when it returns.

        Args:
            kind: What was decided.
            number: Of the brief, or of the candidate that it is about.
            detail: JSON values, or a dataclass of them; nothing that depends on time.

        Raises:
            RunError: If it cannot be written.
        """
        self._group_of({}, decision={"kind": kind, "number": number, "detail": json_text(detail)}, durable=kind in _FINAL)

    def event(self, kind: str, message: str, detail: Mapping[str, object] | None = None) -> None:
        """Record what happened to the run itself: start, stop, export, repair; durable when it returns.

        Raises:
            RunError: If it cannot be written.
        """
        row = {"kind": kind, "message": message, "detail": json_text(detail or {})}
        with self._writing():
            self._append("events", [row])
            self._writers["events"].sync()

    def append_calls(self, rows: Iterable[Row]) -> None:
        """Record model calls, as `LineageCallStore` tells them; `sync_calls` makes them durable.

        Raises:
            RunError: If it cannot be written.
        """
        with self._writing():
            self._append("calls", rows)

    def sync_calls(self) -> None:
        """Make every recorded model call durable. Safe from any thread, while others write.

        Raises:
            RunError: If it cannot be written.
        """
        with writing_to(self.directory):
            self._writers["calls"].sync()

    def close(self) -> None:
        """Seal everything and let another writer in. Calling it twice is harmless.

        Raises:
            RunError: If it cannot be written; what was durable stays so.
        """
        with self._mutex:
            try:
                if not self._trouble:
                    with self._writing():
                        self._wait()
                        self._keep(self._rotated(name for name in TABLES if self._writers[name].n_rows), self._group)
            finally:
                self._trouble = self._trouble or f"{self.directory} is closed: open it again to write"
                self._keeper.shutdown()
                for writer in self._writers.values():
                    writer.close()
                self._lock.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One group of rows, by one thread at a time, and what is due after it."""
        with self._mutex:
            if self._trouble:
                raise RunError(self._trouble)
            self._group += 1
            try:
                with writing_to(self.directory):
                    yield
                    self._upkeep()
            except BaseException as error:
                # Half a group may be in the tails: another write would end it and make it count.
                self._trouble = str(error) or f"writing {self.directory} was interrupted; what was written before is intact"
                raise

    def _append(self, table: TableName, rows: Iterable[Row]) -> None:
        stamp: dict[str, object] = {"group": self._group}
        if table in _DATES:
            stamp[_DATES[table]] = round(self._clock() * 1e6)
        self._writers[table].append([{**row, **stamp} for row in rows])

    def _group_of(self, rows: Mapping[TableName, Sequence[Row]], *, decision: Row, durable: bool = False) -> None:
        with self._writing():
            for table, of_table in rows.items():
                self._append(table, of_table)
            self._append("decisions", [{**decision, "n_rows": sum(map(len, rows.values()))}])
            if durable:
                self._sync()

    def _sync(self) -> None:
        for writer in self._writers.values():
            writer.sync()

    def _upkeep(self) -> None:
        """Have synced and sealed what is due, in the background: writing goes on meanwhile, in new tails."""
        if self._keeping and self._keeping.done():
            self._wait()
        now, writers = self._clock(), self._writers
        # A clock that was set back makes things look younger than they are: then they count as old.
        due_sync = not 0.0 <= now - self._synced_at < self._sync_s
        due_seal = not 0.0 <= now - self._sealed_at < self._seal_s
        full: list[TableName]
        if due_seal:
            self._sealed_at = now
            full = [name for name in TABLES if writers[name].n_rows]
        else:
            full = [name for name in TABLES if writers[name].n_rows >= self._seal_rows or writers[name].n_bytes >= _SEAL_BYTES]
        if not full and (not due_sync or self._keeping):
            return
        self._wait()
        self._synced_at = now
        self._keeping = self._keeper.submit(self._keep, self._rotated(full), self._group)
        if not self._sync_s:
            self._wait()

    def _rotated(self, names: Iterable[TableName]) -> Mapping[TableName, FullTail]:
        return {name: self._writers[name].rotate() for name in names}

    def _keep(self, full: Mapping[TableName, FullTail], group: int) -> None:
        with writing_to(self.directory):
            self._sync()
            if full:
                self._manifest = seal(self.directory, self._manifest, full, group=group)

    def _wait(self) -> None:
        """Wait until nothing is done in the background; raise what went wrong there."""
        if keeping := self._keeping:
            self._keeping = None
            keeping.result()


class LineageCallStore:
    """A `CallStore` in a lineage: no recorded reply is paid for twice, across restarts too. Safe from any thread.

    Args:
        lineage: Where calls are written; what it holds already is known from the start.

    Raises:
        RunError: If what is there is damaged.
    """

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._mutex = threading.Lock()
        self._open: dict[str, Reservation] = {}
        self._settled: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        self._recorded: dict[tuple[str, str], RecordedCall] = {}
        for batch in read_tables(lineage.directory, ["calls"])["calls"].to_batches():
            for row in batch.to_pylist():
                if row["event"] == "reserved":
                    self._open[row["id"]] = reservation_of(row)
                else:
                    self._book(self._open.pop(row["id"]), recorded_call(row))

    def find(self, key: str, draw: str) -> RecordedCall | None:
        """What was settled for that request and draw and lasts, the first such; or None."""
        return self._recorded.get((key, draw))

    def reserve(self, call: Reservation) -> None:
        """Record that a call is about to be sent; `sync` makes it durable.

        Raises:
            RunError: If it cannot be written.
        """
        with self._mutex:
            self._lineage.append_calls([reserved_row(call)])
            self._open[call.id] = call

    def settle(self, call: Settlement) -> None:
        """Record how a reserved call ended; `sync` makes it durable.

        Raises:
            RunError: If it cannot be written.
        """
        with self._mutex:
            reservation = self._open[call.id]
            self._lineage.append_calls([settled_row(reservation, call)])
            del self._open[call.id]
            self._book(reservation, RecordedCall(reply=call.reply, failure=call.failure, usage=call.usage))

    def sync(self) -> None:
        """Make what was recorded durable.

        Raises:
            RunError: If it cannot be written.
        """
        self._lineage.sync_calls()

    def booked(self) -> Iterator[Booked]:
        """Everything spent so far: settlements at their usage, summed by role; reservations without one at what they reserved."""
        with self._mutex:
            settled, unsettled = dict(self._settled), tuple(self._open.values())
        yield from (Booked(role=role, usage=usage) for role, usage in settled.items() if usage != Usage())
        yield from (Booked(role=reservation.role, usage=reservation.reserved) for reservation in unsettled)

    def _book(self, reservation: Reservation, recorded: RecordedCall) -> None:
        self._settled[reservation.role] += recorded.usage
        if recorded.lasts:
            self._recorded.setdefault((reservation.key, reservation.draw), recorded)
