"""Past: what a run's record tells of its search so far, so that the same loop goes on from there, or repeats it and finds what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.task import Task
from graftwork.programs.errors import RunError
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

from .candidate import Brief, Candidate, Result
from .descent import descended
from .lineage import Lineage
from .recall import RowsByCandidate, evaluation_of, usage_of
from .record import Record
from .rows import Row, brief_row, json_text, tell_row
from .schema import lasting_columns
from .segments import read_tables
from .texts import joined

__all__ = ["CheckedLineage", "Past"]

_DERIVED: Final = frozenset(("ask", "tell", "archive"))  # follow from the seed and what is recorded; others may come again, and differ


class Past:
    """The recorded part of a search.

    Args:
        record: The run.
        task: What it searches for.

    Raises:
        RunError: If the record is damaged.
    """

    def __init__(self, record: Record, task: Task) -> None:
        self._task = task
        tables = read_tables(record.path / "lineage", ["candidates", "texts", "scores", "spans", "decisions"])
        self._rows: dict[int, dict[str, Any]] = {row["number"]: row for row in tables["candidates"].to_pylist()}
        self._texts: dict[str, str] = dict(zip(tables["texts"]["digest"].to_pylist(), tables["texts"]["text"].to_pylist(), strict=True))
        self._scores, self._spans = RowsByCandidate(tables["scores"]), RowsByCandidate(tables["spans"])
        self._decisions: dict[tuple[str, int], list[Row]] = {}
        for row in tables["decisions"].select(list(lasting_columns("decisions"))).to_pylist():
            self._decisions.setdefault((row["kind"], row["number"]), []).append(row)

    @property
    def told(self) -> int:
        """Results that are recorded, the seed's included."""
        return len(self._rows)

    def decisions(self, kind: str, number: int) -> tuple[Row, ...]:
        """The recorded decisions of a kind about a number, without what depends on time."""
        return tuple(self._decisions.get((kind, number), ()))

    def told_when_asked(self, number: int) -> int | None:
        """How many results had been told when a brief was asked; None where that is not recorded."""
        asks = self.decisions("ask", number)
        told: Any = asks[0]["told"] if asks else None
        return None if told is None else int(told)

    def result(self, brief: Brief) -> Result | None:
        """The recorded result of a brief; None where there is none."""
        return self._result(brief.number, tuple(member.candidate for member in brief.parents))

    @property
    def seed_result(self) -> Result | None:
        """The recorded result of the seed."""
        return self._result(0, ())

    def evaluation(self, number: int, split: str) -> Evaluation | None:
        """A further evaluation of a candidate that is recorded as done; None where there is none."""
        needle = f'"split":{json_text(split)}'
        if not any(needle in str(row["detail"]) for row in self.decisions("evaluation", number)):
            return None
        return self._evaluation(number, split, self._program(self._rows[number]))

    def row(self, number: int) -> Mapping[str, Any] | None:
        """The row of a told result."""
        return self._rows.get(number)

    def _result(self, number: int, parents: tuple[Candidate, ...]) -> Result | None:
        row = self._rows.get(number)
        if row is None:
            return None
        program = self._program(row) if row["pieces"] else None
        candidate = None
        if program is not None:
            made = Candidate(
                number=number,
                program=program,
                parents=tuple(row["parents"]),
                operator=row["operator"],
                island=row["island"],
                note=row["note"],
                model=row["model"],
            )
            candidate = descended(made, parents)
        was_run = program is not None and row["n_val"] is not None
        val, train = (self._evaluation(number, split, program) if was_run and program is not None else None for split in ("val", "train"))
        return Result(
            number=number,
            operator=row["operator"],
            island=row["island"],
            parents=tuple(row["parents"]),
            status=row["status"],
            candidate=candidate,
            val=val,
            train=train,
            reason=row["reason"],
            proposing=usage_of(row, "proposer_"),
        )

    def _program(self, row: Mapping[str, Any]) -> Program:
        return parse(joined(row["pieces"], self._texts), statements=self._task.forgeable)

    def _evaluation(self, number: int, split: str, program: Program) -> Evaluation:
        task = self._task
        blank = Evaluation(digest=program.digest, judgements=(), lo=task.lo, forgeable=task.forgeable, n_chars=len(program.source))
        return evaluation_of(self._scores.of(number, split), self._spans.of(number, split), blank)


class CheckedLineage:
    """A lineage that is not told twice: what the record holds already is compared with what is told, and anything else is written.

    Args:
        lineage: Where new facts go; None where there must be none.
        past: What the record holds.
    """

    def __init__(self, lineage: Lineage | None, past: Past) -> None:
        self._lineage, self._past = lineage, past

    def brief(self, brief: Brief) -> None:
        """Record what `ask` gave.

        Raises:
            RunError: If the record tells of another one, or it cannot be written.
        """
        if not self._is_recorded("ask", brief.number, brief_row(brief)):
            self._open("ask", brief.number).brief(brief)

    def result(self, result: Result) -> None:
        """Record one told result.

        Raises:
            RunError: If the record tells of another one, or it cannot be written.
        """
        if not self._is_recorded("tell", result.number, tell_row(result)):
            self._open("tell", result.number).result(result)

    def decision(self, kind: str, *, number: int, detail: object) -> None:
        """Record a decision.

        Raises:
            RunError: If it follows from the state and the record tells of another one, or it cannot be written.
        """
        if not self._is_recorded(kind, number, {"kind": kind, "number": number, "detail": json_text(detail)}):
            self._open(kind, number).decision(kind, number=number, detail=detail)

    def evaluation(self, candidate: int, split: str, evaluation: Evaluation) -> None:
        """Record a further evaluation, unless it is what the record gave.

        Raises:
            RunError: If it cannot be written.
        """
        if self._past.evaluation(candidate, split) is None:
            self._open("evaluation", candidate).evaluation(candidate, split, evaluation)

    def _open(self, kind: str, number: int) -> Lineage:
        if self._lineage is None:
            raise RunError(f"the search differs from its record: at {kind} {number}, of which the record tells nothing")
        return self._lineage

    def _is_recorded(self, kind: str, number: int, row: Row) -> bool:
        """Whether the record tells of the very same decision.

        Raises:
            RunError: If it tells of another, where there can be one only.
        """
        recorded = self._past.decisions(kind, number)
        told = {name: row.get(name) for name in lasting_columns("decisions")}
        if any({**was, "parents": was["parents"] or None} == {**told, "parents": told["parents"] or None} for was in recorded):
            return True
        if recorded and kind in _DERIVED:
            differing = [name for name, value in told.items() if (value or None) != (recorded[0][name] or None)]
            said = "; ".join(f"{name} {told[name]!r}, recorded {recorded[0][name]!r}" for name in differing)
            raise RunError(f"the search differs from its record, first at {kind} {number}: {said}")
        return False
