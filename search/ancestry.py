"""Ancestry: who made a component what it is, read from a run's candidates."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graftwork.programs.errors import RunError
from graftwork.programs.parse import parse
from graftwork.programs.program import Component, Program
from graftwork.programs.provenance import provenance, self_made

from .texts import whole_text

__all__ = ["Ancestry", "Step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a component's history.

    Attributes:
        candidate: Who made it.
        component: What it was called there.
        operator: How that candidate was made.
        note: What the operator says it did.
        diff: Lines of a unified diff to what it was made from, without its heading; the whole text where it was made from nothing.
        gain: The candidate's score on val less that of the parent whose text was changed; None where either has none.
    """

    candidate: int
    component: str
    operator: str
    note: str
    diff: str
    gain: float | None


class Ancestry:
    """The candidates of a run, asked for where their components are from.

    Args:
        rows: Rows of `candidates`.
        texts: The texts of their pieces, by digest.
        statements: Whether programs may hold other top-level statements: those of a run whose scores are forgeable.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], texts: Mapping[str, str], *, statements: bool = False) -> None:
        self._statements = statements
        self._texts = texts
        self._rows = {row["number"]: row for row in rows}
        self._programs: dict[int, Program] = {}

    def program(self, number: int) -> Program:
        """The program of a candidate.

        Raises:
            RunError: If there is none.
        """
        if number not in self._programs:
            self._programs[number] = parse(self.source(number), statements=self._statements)
        return self._programs[number]

    def source(self, number: int) -> str:
        """The text of a candidate's program.

        Raises:
            RunError: If there is none.
        """
        row = self._rows.get(number)
        if row is None or not row["pieces"]:
            raise RunError(f"no program of candidate {number} in this run: it has candidates 0 to {max(self._rows, default=0)}")
        return whole_text(row["pieces"], self._texts)

    def row(self, number: int) -> Mapping[str, Any]:
        """The row of a candidate."""
        return self._rows[number]

    @property
    def rows(self) -> Iterable[Mapping[str, Any]]:
        """The rows of all candidates."""
        return self._rows.values()

    def line(self, number: int) -> tuple[int, ...]:
        """A candidate and everyone that it descends from, by number: each after its parents."""
        found, front = {number}, [number]
        while front:
            parents = set(self._rows[front.pop()]["parents"]) - found
            found |= parents
            front += parents
        return tuple(sorted(found))

    def introduced(self, number: int, component: str) -> int:
        """The earliest candidate from which this one has the component, as it is, in an unbroken line.

        Raises:
            RunError: If there is no such candidate.
            ProgramError: If it has no such component.
        """
        wanted = self.program(number)[component]
        seen, front, found = {number}, [number], set[int]()
        while front:
            holder = front.pop()
            above = {parent for parent in self._rows[holder]["parents"] if self._has(parent, wanted)}
            if not above:
                found.add(holder)
            front += above - seen
            seen |= above
        return min(found)

    def steps(self, number: int, component: str) -> tuple[Step, ...]:
        """The history of a component, latest first.

        Raises:
            RunError: If there is no such candidate.
            ProgramError: If it has no such component.
        """
        steps = []
        place: tuple[int, str] | None = (number, component)
        while place is not None:
            made = self.introduced(*place)
            before = self._predecessor(made, place[1])
            steps.append(self._step(made, self.program(made)[place[1]], before))
            place = before
        return tuple(steps)

    def _has(self, number: int, component: Component) -> bool:
        program = self.program(number)
        return component.name in program and program[component.name].digest == component.digest

    def _predecessor(self, number: int, component: str) -> tuple[int, str] | None:
        row = self._rows[number]
        if row["changes"] is not None:
            found = json.loads(row["changes"]).get(component)
            return None if found is None else (found[0], found[1])
        # Runs of the first schema did not record it: it is found again.
        parents = [self_made(self.program(parent), parent) for parent in row["parents"]]
        changes = {change.name: change for change in provenance(self.program(number), number, parents).changes}
        before = changes[component].predecessor if component in changes else None
        return None if before is None else (before.candidate, before.name)

    def _step(self, number: int, component: Component, before: tuple[int, str] | None) -> Step:
        row = self._rows[number]
        old = self.program(before[0])[before[1]] if before is not None else None
        changes = difflib.unified_diff(old.source.splitlines() if old else [], component.source.splitlines(), lineterm="", n=1)
        lines = [line for line in changes if not line.startswith(("---", "+++", "@@"))]
        parent = next((item for item in row["parents"] if old is not None and self._has(item, old)), next(iter(row["parents"]), None))
        scores = row["score"], None if parent is None else self._rows[parent]["score"]
        return Step(
            candidate=number,
            component=component.name,
            operator=row["operator"],
            note=row["note"] or "",
            diff="\n".join(lines),
            gain=None if scores[0] is None or scores[1] is None else scores[0] - scores[1],
        )
