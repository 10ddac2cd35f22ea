"""Pedigree: how a candidate came to be, from the seed on: who made what of whom, and what it gained on the same examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graftwork.programs.changed import Changed, changed

from .ancestry import Ancestry
from .comparison import PairedDifference, difference_of
from .record import Record

__all__ = ["Generation", "pedigree"]

_RESAMPLES: Final = 2_000  # a fifth of a crowning's: a pedigree has many steps, and none of them is a claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One candidate of a pedigree.

    Attributes:
        candidate: Its number.
        parents: Numbers of its parents, each once; none for the seed.
        operator: How it was made.
        note: What the operator says it did.
        status: What became of it.
        score: Its score on val, or None.
        changes: What differs from its first parent, less what is inherited.
        inherited: Components that are another parent's as they are: that parent, by name.
        gains: Its paired difference to each parent on val, by parent; None where no example counts for both.
        n_siblings: How many others of the same parents, one of them at least, were evaluated.
    """

    candidate: int
    parents: tuple[int, ...]
    operator: str
    note: str
    status: str
    score: float | None
    changes: tuple[Changed, ...]
    inherited: Mapping[str, int]
    gains: Mapping[int, PairedDifference | None]
    n_siblings: int


def pedigree(record: Record, number: int) -> tuple[Generation, ...]:
    """A candidate and everyone that it descends from, by number: each after its parents.

    Raises:
        RunError: If there is no such candidate with a program, or the run is damaged.
    """
    ancestry = record.ancestry()
    ancestry.program(number)
    line = ancestry.line(number)
    values = record.counted(line, "val")
    children = _evaluated_children(ancestry.rows)
    return tuple(_generation(ancestry, member, values, children) for member in line)


def _generation(
    ancestry: Ancestry, number: int, values: Mapping[int, Mapping[str, float | None]], children: Mapping[int, frozenset[int]]
) -> Generation:
    row = ancestry.row(number)
    parents = tuple(dict.fromkeys(row["parents"]))
    siblings: set[int] = set().union(*(children[parent] for parent in parents))
    changes, inherited = _changes(ancestry, number, parents)
    return Generation(
        candidate=number,
        parents=parents,
        operator=row["operator"],
        note=row["note"] or "",
        status=row["status"],
        score=row["score"],
        changes=changes,
        inherited=inherited,
        gains={parent: _gain(values.get(number, {}), values.get(parent, {}), seed=number) for parent in parents},
        n_siblings=len(siblings - {number}),
    )


def _changes(ancestry: Ancestry, number: int, parents: tuple[int, ...]) -> tuple[tuple[Changed, ...], Mapping[str, int]]:
    if not parents:
        return (), {}
    program = ancestry.program(number)
    first, *others = parents
    found = changed(ancestry.program(first), program)
    inherited: dict[str, int] = {}
    for change in found:
        for parent in others:
            theirs = ancestry.program(parent)
            if change.name in program and change.name in theirs and program[change.name].digest == theirs[change.name].digest:
                inherited.setdefault(change.name, parent)
    return tuple(change for change in found if change.name not in inherited), inherited


def _gain(own: Mapping[str, float | None], parents: Mapping[str, float | None], *, seed: int) -> PairedDifference | None:
    both = [name for name in own if name in parents]
    return difference_of([own[name] for name in both], [parents[name] for name in both], seed=seed, n_resamples=_RESAMPLES)


def _evaluated_children(rows: Iterable[Mapping[str, Any]]) -> Mapping[int, frozenset[int]]:
    children: defaultdict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row["status"] == "evaluated":
            for parent in row["parents"]:
                children[parent].add(row["number"])
    return defaultdict(frozenset, {parent: frozenset(numbers) for parent, numbers in children.items()})
