"""Past: what a run's record tells of its search so far, so that the same loop goes on from there, or repeats it and finds what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from graftwork.evaluators.evaluation import Evaluation, Judgement
from graftwork.evaluators.task import Example, Task
from graftwork.programs.errors import RunError
from graftwork.programs.failure import Failure
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

from .candidate import Ancestor, Brief, Candidate, Member, Raced, Result, Traits
from .descent import descended
from .digest_index import DigestIndex
from .lineage import Lineage
from .novelty import KEPT, Novelty
from .recall import RowsByCandidate, evaluation_of, usage_of
from .record import Record
from .rows import Row, brief_row, json_text, tell_row
from .schema import lasting_columns
from .segments import read_columns, read_rows, read_tables
from .snapshot import Snapshot
from .state import State
from .strategy import Strategy
from .texts import whole_text

__all__ = ["CheckedLineage", "Past"]

_DERIVED: Final = frozenset(
    ("ask", "tell", "archive", "bandit", "leak")
)  # follow from the seed and what is recorded; others may come again, and differ


class Past:
    """The recorded part of a search.

    Args:
        record: The run.
        task: What it searches for.
        snapshot: Where it stood when the last snapshot was made; what came before is not read then, but for what it names.
        val: The order in which programs meet val now, where that may be another than they met it in; empty where it is not.

    Raises:
        RunError: If the record is damaged.
    """

    def __init__(self, record: Record, task: Task, snapshot: Snapshot | None = None, *, val: Sequence[Example] = ()) -> None:
        self._task, self._snapshot, self._directory = task, snapshot, record.path / "lineage"
        self._places = {example.id: place for place, example in enumerate(val)}
        self._programs: dict[int, Program] = {}
        self._n_given: int = record.config.get("fork", {}).get("until", -1) + 1
        since = 0 if snapshot is None else snapshot.told
        decisions = read_rows(self._directory, "decisions", (pc.field("number") >= since) | ~pc.field("kind").isin(sorted(_DERIVED)))
        self._decisions: dict[tuple[str, int], list[Row]] = {}
        for row in decisions.select(list(lasting_columns("decisions"))).to_pylist():
            self._decisions.setdefault((row["kind"], row["number"]), []).append(row)
        evaluated = {number for kind, number in self._decisions if kind == "evaluation"}
        needed = {0} | evaluated | (snapshot.numbers if snapshot is not None else frozenset())
        named = needed | (snapshot.ancestors if snapshot is not None else frozenset())
        rows = read_rows(self._directory, "candidates", (pc.field("number") >= since) | pc.field("number").isin(sorted(named)))
        self._rows: dict[int, dict[str, Any]] = {row["number"]: row for row in rows.to_pylist()}
        digests = {piece for row in self._rows.values() for piece in row["pieces"] or ()}
        texts = read_tables(self._directory, ["texts"])["texts"].filter(pc.field("digest").isin(sorted(digests)))
        self._texts: dict[str, str] = dict(zip(texts["digest"].to_pylist(), texts["text"].to_pylist(), strict=True))
        needed |= snapshot.extending if snapshot is not None else frozenset()
        of_these = (pc.field("candidate") >= since) | pc.field("candidate").isin(sorted(needed))
        self._scores, self._spans = (RowsByCandidate(read_rows(self._directory, name, of_these)) for name in ("scores", "spans"))

    @property
    def was_given_results(self) -> bool:
        """Whether the run began with results of another."""
        return self._n_given > 0

    @property
    def told(self) -> int:
        """Results that are recorded, the seed's included."""
        return max(self._rows, default=-1) + 1

    def restored(self, strategy: Strategy) -> tuple[State, tuple[Brief, ...]] | None:
        """The state of the snapshot, and the briefs that were in flight; None where there is no snapshot."""
        if self._snapshot is None:
            return None
        told = (pc.field("number") < self._snapshot.told) & pc.field("digest").is_valid() & (pc.field("status") != "abandoned")
        known = read_columns(self._directory, "candidates", ["number", "digest", "status", "normal"]).filter(told)
        seen = DigestIndex(known["digest"].to_pylist(), pc.add(known["number"], 1).to_numpy())
        seed = self.seed_result
        baseline = () if seed is None or seed.val is None else seed.val.values
        member = cache(partial(self._member, self._snapshot, baseline))
        state = State.start(strategy, self._snapshot.seed, entry=self._task.entry)
        state.novelty = self._novelty(known, told) if strategy.novelty else None
        return self._snapshot.restored(state, member, seen=seen)

    def _novelty(self, known: pa.Table, told: pc.Expression) -> Novelty:
        """What is known of the candidates of a table, which are those for which an expression holds."""
        formed = known.filter(pc.field("normal").is_valid())
        novelty = Novelty(DigestIndex(formed["normal"].to_pylist(), formed["number"].to_numpy()))
        last = told & pc.field("normal").is_valid() & (pc.field("number") >= (pc.max(known["number"]).as_py() or 0) - KEPT)
        names = ("number", "normal", "sketch", "answers", "n_val")
        rows = read_rows(self._directory, "candidates", last, columns=names)
        for number, normal, sketch, answers, n_val in zip(*(rows[name].to_pylist() for name in names), strict=True):
            novelty.learn(number, Traits(normal=normal, sketch=sketch), answers=answers, ran=n_val is not None)
        return novelty

    def _member(self, snapshot: Snapshot, baseline: tuple[float | None, ...], number: int, extended: tuple[int, ...]) -> Member:
        row = self._rows[number]
        program = self._program(row)
        ancestors = (Ancestor(number=n, program=self._program(self._rows[n])) for n in snapshot.ancestors_of(number))
        candidate = replace(_made(row, program), provenance=snapshot.provenance(number), ancestors=tuple(ancestors))
        val, train = (self._evaluation(number, split, program) for split in ("val", "train"))
        member = Member(candidate=candidate, val=val, train=train, baseline=baseline)
        for brief in extended:
            member = member.with_more(self._evaluation(brief, "parent", program), brief)
        return member

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

    def given(self) -> Iterator[Result]:
        """The results of another run with which this one began, after the seed's, in order: none of its briefs asked for them."""
        seed = self.seed_result
        made = {0: seed.candidate} if seed is not None and seed.candidate is not None else {}
        for number in range(1, self._n_given):
            result = self._result(number, tuple(made[parent] for parent in self._rows[number]["parents"] if parent in made))
            if result is not None:
                if result.candidate is not None:
                    made[number] = result.candidate
                yield result

    @property
    def seed_result(self) -> Result | None:
        """The recorded result of the seed."""
        return self._result(0, ())

    def decided(self, kind: str) -> tuple[Row, ...]:
        """Every recorded decision of a kind."""
        return tuple(row for (of_kind, _), rows in self._decisions.items() if of_kind == kind for row in rows)

    def audited(self, number: int) -> Failure | None:
        """Why a candidate broke an audit; None where it is not recorded that it did."""
        for row in self.decisions("audit", number):
            said = json.loads(str(row["detail"]))
            return Failure(kind=said["kind"], message=said["message"])
        return None

    def evaluated(self, number: int, program: Program, examples: Sequence[Example]) -> Evaluation:
        """What is recorded in the result of a brief of the program that it wrote, or of the parent that this was raced against.

        Args:
            number: Of the brief.
            program: One of the two.
            examples: Some of those on which it was run.

        Raises:
            RunError: If the program was not run on them then.
        """
        row = self._rows.get(number)
        is_own = row is not None and row["digest"] == program.digest
        recorded = [self._evaluation(number, split, program) for split in (("val", "train") if is_own else ("parent",))]
        by_example: dict[str, list[Judgement]] = {}
        for judgement in (judgement for part in recorded for judgement in part.judgements):
            by_example.setdefault(judgement.outcome.example_id, []).append(judgement)
        if not all(example.id in by_example for example in examples):
            what = "another program was written" if not by_example or not is_own else "it was evaluated on other examples"
            raise RunError(f"the search differs from its record, first at candidate {number}: {what}")
        return replace(recorded[0], judgements=tuple(judgement for example in examples for judgement in by_example[example.id]))

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
        parents = parents[: len(row["parents"])]  # where the brief was passed on, fewer than it had
        program = self._program(row) if row["pieces"] else None
        candidate = None if program is None else descended(_made(row, program), parents)
        was_run = program is not None and row["n_val"] is not None
        val, train = (self._evaluation(number, split, program) if was_run and program is not None else None for split in ("val", "train"))
        raced = self._raced(number)
        return Result(
            number=number,
            operator=row["operator"],
            island=row["island"],
            parents=tuple(row["parents"]),
            status=row["status"],
            candidate=candidate,
            val=val,
            train=train,
            raced=raced,
            extension=self._extension(number, raced, parents),
            answers=row["answers"],
            reason=row["reason"],
            proposing=usage_of(row, "proposer_"),
        )

    def _raced(self, number: int) -> Raced | None:
        """How a child's race came out, as it was told."""
        for told in self.decisions("tell", number):
            race = json.loads(str(told["detail"])).get("race")
            return None if race is None else Raced(**race)
        return None

    def _extension(self, number: int, raced: Raced | None, parents: tuple[Candidate, ...]) -> Evaluation | None:
        """What a child's result tells of its parent on further examples."""
        raced_against = [parent.program for parent in parents if raced is not None and parent.number == raced.against]
        extension = self._evaluation(number, "parent", raced_against[0]) if raced_against else None
        return extension if extension is not None and extension.judgements else None

    def _program(self, row: Mapping[str, Any]) -> Program:
        known = self._programs.get(row["number"])
        return known or self._programs.setdefault(
            row["number"], parse(whole_text(row["pieces"], self._texts), statements=self._task.forgeable)
        )

    def _evaluation(self, number: int, split: str, program: Program) -> Evaluation:
        task = self._task
        blank = Evaluation(digest=program.digest, judgements=(), lo=task.lo, forgeable=task.forgeable, n_chars=len(program.source))
        recorded = evaluation_of(self._scores.of(number, split), self._spans.of(number, split), blank)
        if split != "val" or not self._places:
            return recorded
        # A run that began with results of another may have evaluated them in another order.
        in_order = sorted(recorded.judgements, key=lambda judgement: self._places[judgement.outcome.example_id])
        return replace(recorded, judgements=tuple(in_order))


def _made(row: Mapping[str, Any], program: Program) -> Candidate:
    return Candidate(
        number=row["number"],
        program=program,
        parents=tuple(row["parents"]),
        operator=row["operator"],
        island=row["island"],
        note=row["note"],
        model=row["model"],
        traits=None if row["normal"] is None else Traits(normal=row["normal"], sketch=row["sketch"]),
    )


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
        row = self._past.row(result.number)
        digest = None if result.candidate is None else result.candidate.program.digest
        if row is not None and row["digest"] != digest:
            raise RunError(f"the search differs from its record, first at candidate {result.number}: another program was written")
        if not self._is_recorded("tell", result.number, tell_row(result)):
            self._open("tell", result.number).result(result)

    def decision(self, kind: str, *, number: int, detail: object) -> None:
        """Record a decision.

        Raises:
            RunError: If it follows from the state and the record tells of another one, or it cannot be written.
        """
        if not self._is_recorded(kind, number, {"kind": kind, "number": number, "detail": json_text(detail)}):
            self._open(kind, number).decision(kind, number=number, detail=detail)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keep where the search stands, where it is further than the record was."""
        if self._lineage is not None and snapshot.told > self._past.told:
            self._lineage.snapshot(snapshot)

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
