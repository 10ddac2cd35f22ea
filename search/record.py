"""Record: a run as it is on disk, read while it goes on or after it. What `gw.open(run)` gives."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from graftwork.evaluators.call_store import RecordedCall
from graftwork.evaluators.evaluation import mean_of
from graftwork.programs.errors import RunError
from graftwork.programs.model import Role
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

from .ancestry import Ancestry, Step
from .fetching import fetch_to_cache
from .remote import is_place
from .rows import recorded_call
from .schema import TABLES, TableName, lasting_columns
from .segments import open_datasets, read_tables
from .texts import whole_text

__all__ = ["Record", "canonical", "open_run"]

_ORDER: Final[Mapping[TableName, tuple[str, ...]]] = {
    "candidates": ("number",),
    "scores": ("candidate", "split", "position", "example_id", "repeat"),
    "spans": ("candidate", "split", "example_id", "repeat", "path"),
    "calls": ("role", "key", "draw"),
    "decisions": ("number", "kind"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run on disk. Each table is read anew, with every checksum, when it is asked for: keep it in a variable to use it twice.

    Attributes:
        path: The run's directory.
    """

    path: Path

    @property
    def candidates(self) -> pa.Table:
        """One row for each told result, in the order of telling."""
        return self.table("candidates")

    @property
    def texts(self) -> pa.Table:
        """One row for each piece of a program's text; the `pieces` of a candidate name them."""
        return self.table("texts")

    @property
    def scores(self) -> pa.Table:
        """One row for each case of each evaluation."""
        return self.table("scores")

    @property
    def spans(self) -> pa.Table:
        """One row for each span of each trace."""
        return self.table("spans")

    @property
    def calls(self) -> pa.Table:
        """Two rows for each model call: reserved, and settled if it was."""
        return self.table("calls")

    @property
    def decisions(self) -> pa.Table:
        """One row for each decision, in the order of writing."""
        return self.table("decisions")

    @property
    def events(self) -> pa.Table:
        """What happened to the run itself."""
        return self.table("events")

    def table(self, name: TableName) -> pa.Table:
        """One table, as of now.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        return read_tables(self.path / "lineage", [name])[name]

    def tables(self) -> Mapping[TableName, pa.Table]:
        """Every table, all as of the same instant.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        return read_tables(self.path / "lineage", TABLES)

    def datasets(self) -> Mapping[TableName, ds.Dataset]:
        """Every table, all as of the same instant, whose sealed parts are read when they are asked for, and of them what is asked for.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        return open_datasets(self.path / "lineage", TABLES)

    @property
    def config(self) -> Mapping[str, Any]:
        """The run's complete configuration: what `run.toml` says.

        Raises:
            RunError: If it is missing or is not TOML.
        """
        file = self.path / "run.toml"
        try:
            return tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunError(f"cannot read {file}: {error.strerror}") from None
        except ValueError as error:
            raise RunError(f"{file} is not TOML: {error}") from None

    @property
    def forgeable(self) -> bool:
        """Whether a foreign evaluator gave the scores: then programs may hold any statements and have no entry."""
        return (self.path / "run.toml").is_file() and bool(self.config.get("task", {}).get("forgeable"))

    def program(self, row: Mapping[str, Any]) -> Program:
        """The program in a row of `candidates`.

        Raises:
            ProgramError: If it has none that can be read.
        """
        return parse(self.source(row), statements=self.forgeable)

    def source(self, row: Mapping[str, Any]) -> str:
        """The program's text in a row of `candidates`; empty where it has none.

        Raises:
            RunError: If a piece of it is missing.
        """
        pieces: list[str] = row["pieces"] or []
        if not pieces:
            return ""
        found = self.texts.filter(pc.field("digest").isin(pieces))
        try:
            return whole_text(pieces, dict(zip(found["digest"].to_pylist(), found["text"].to_pylist(), strict=True)))
        except KeyError as missing:
            raise RunError(f"{self.path / 'lineage' / 'texts'} lacks the piece {missing.args[0]}: restore it from a copy") from None

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The row of `candidates` with the highest score on val, of equals the shortest; None while nothing is evaluated."""
        table = self.candidates
        evaluated = table.filter((pc.field("status") == "evaluated") & pc.field("score").is_valid())
        if not evaluated.num_rows:
            return None
        return _row(evaluated.sort_by([("score", "descending"), ("n_chars", "ascending"), ("number", "ascending")]), 0)

    @property
    def champion(self) -> Mapping[str, Any] | None:
        """The row of `candidates` that the last `champion` decision names; None before there is one."""
        tables = read_tables(self.path / "lineage", ["decisions", "candidates"])
        decided = tables["decisions"].filter(pc.field("kind") == "champion")["number"]
        if not len(decided):
            return None
        named = tables["candidates"].filter(pc.field("number") == decided[-1])
        return _row(named, 0) if named.num_rows else None

    def case_rows(self, candidate: int, split: str) -> list[dict[str, Any]]:
        """The rows of `scores` for a candidate on a split, in the order of writing; a resumed run may tell of a case twice.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        rows: list[dict[str, Any]] = self.scores.filter((pc.field("candidate") == candidate) & (pc.field("split") == split)).to_pylist()
        return rows

    def splits(self, number: int) -> tuple[str, ...]:
        """The splits on which a candidate was scored, in the order in which that happened.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        return tuple(self.scores.filter(pc.field("candidate") == number)["split"].unique().to_pylist())

    def counted(self, numbers: Collection[int], split: str) -> Mapping[int, Mapping[str, float | None]]:
        """What candidates' examples of a split count in comparisons, by number and example id: each the mean over its repeats.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        columns = ["candidate", "split", "example_id", "repeat", "counted"]
        asked = pc.field("candidate").isin(list(numbers)) & (pc.field("split") == split)
        raced = self._raced_against(frozenset(numbers)) if split == "val" else {}
        asked |= pc.field("candidate").isin(sorted(raced)) & (pc.field("split") == "parent")
        repeats: dict[int, dict[str, dict[int, float | None]]] = {}
        for row in self.scores.select(columns).filter(asked).to_pylist():  # a resumed run may tell of a case twice: the last counts
            whose = raced[row["candidate"]] if row["split"] == "parent" else row["candidate"]
            repeats.setdefault(whose, {}).setdefault(row["example_id"], {})[row["repeat"]] = row["counted"]
        return {number: {name: mean_of(values.values()) for name, values in examples.items()} for number, examples in repeats.items()}

    def _raced_against(self, numbers: Collection[int]) -> dict[int, int]:
        """The candidates that were raced against some, each with the one that it was."""
        tells = self.table("decisions").filter((pc.field("kind") == "tell") & pc.match_substring(pc.field("detail"), '"race"'))
        against = {row["number"]: json.loads(row["detail"])["race"]["against"] for row in tells.select(["number", "detail"]).to_pylist()}
        return {number: parent for number, parent in against.items() if parent in numbers}

    def lasting_calls(self, role: Role) -> Mapping[tuple[str, str], RecordedCall]:
        """The recorded calls of a role by key and draw: for each the first that lasts.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        calls: dict[tuple[str, str], RecordedCall] = {}
        for batch in self.calls.filter((pc.field("event") == "settled") & (pc.field("role") == role)).to_batches():
            for row in batch.to_pylist():
                if (call := recorded_call(row)).lasts:
                    calls.setdefault((row["key"], row["draw"]), call)
        return calls

    def blame(self, number: int, component: str) -> tuple[Step, ...]:
        """The history of one component of a candidate, latest first: which candidates made it what it is, and what each gained.

        Raises:
            RunError: If there is no such candidate with a program, or the run is damaged.
            ProgramError: If it has no such component.
        """
        return self.ancestry().steps(number, component)

    def ancestry(self) -> Ancestry:
        """Who descends from whom, as of now; keep it to ask more than once.

        Raises:
            RunError: If a file is damaged or cannot be read.
        """
        columns = ["number", "operator", "parents", "pieces", "note", "changes", "score", "status"]
        tables = read_tables(self.path / "lineage", ["candidates", "texts"])
        texts = dict(zip(tables["texts"]["digest"].to_pylist(), tables["texts"]["text"].to_pylist(), strict=True))
        return Ancestry(tables["candidates"].select(columns).to_pylist(), texts, statements=self.forgeable)


def open_run(path: str | Path) -> Record:
    """Open a run to read it; it may be running.

    Args:
        path: Its folder, or the place of its mirror, such as `s3://bucket/prefix`: then what differs from the last time is fetched to the
            person's cache folder, and the record is as of now.

    Raises:
        RunError: If there is no run, or its place cannot be read.
    """
    directory = fetch_to_cache(str(path)).folder if is_place(path) else Path(path)
    if not (directory / "lineage").is_dir():
        raise RunError(f"no run in {directory}: expected a directory with `lineage/` in it, as `graftwork run` makes below runs/")
    return Record(path=directory)


def canonical(path: str | Path) -> bytes:
    """What two runs that made the same search agree on, byte for byte: a JSON object a line, table by table, in sequence order.

    Left out are the columns tagged `timing`, and the table `events`, which tells what happened to the process and not what was
    searched. What a resumed run wrote a second time stands once: the last evaluation of a candidate on a case, one copy of equal
    decisions. Calls stand once by (role, key, draw), and only those with an answer that lasts: on whose behalf one was sent, and after
    how many failures of the endpoint, depends on time.

    Raises:
        RunError: If there is no run, or a file is damaged.
    """
    tables = open_run(path).tables()
    return b"".join(line for name in _ORDER for line in _lines(name, tables[name]))


def _lines(name: TableName, table: pa.Table) -> Iterator[bytes]:
    rows = [row for batch in table.to_batches() for row in batch.to_pylist() if name != "calls" or _lasts(row)]
    rows = _latest(rows) if name in {"scores", "spans"} else rows
    columns = lasting_columns(name)
    keyed: dict[tuple[Any, ...], bytes] = {}
    for row in rows:
        kept = {column: row[column] for column in columns}
        if name == "spans":
            kept["feeds"] = sorted(kept["feeds"], key=lambda feed: (feed["path"], feed["parameter"], feed["kind"]))
        line = json.dumps({"table": name, **kept}, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        key = tuple(row[column] for column in _ORDER[name])
        keyed.setdefault((*key, line) if name == "decisions" else key, line)
    return (keyed[key] for key in sorted(keyed))


def _lasts(row: Mapping[str, Any]) -> bool:
    return row["event"] == "settled" and recorded_call(row).lasts


def _latest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the last write for each case."""
    last: dict[tuple[Any, ...], int] = {}
    for row in rows:
        last[_case(row)] = row["group"]
    return [row for row in rows if row["group"] == last[_case(row)]]


def _case(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["candidate"], row["split"], row["example_id"], row["repeat"]


def _row(table: pa.Table, index: int) -> Mapping[str, Any]:
    rows: list[dict[str, Any]] = table.slice(index, 1).to_pylist()
    return rows[0]
