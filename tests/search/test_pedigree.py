"""A pedigree tells every step from the seed to a candidate: of whom, what changed, and what it gained on the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from graftwork.programs.errors import RunError
from graftwork.programs.parse import parse
from graftwork.search.candidate import Candidate, Result, Status
from graftwork.search.descent import descended
from graftwork.search.lineage import Lineage
from graftwork.search.pedigree import pedigree
from graftwork.search.record import open_run

from .factory import evaluation
from .test_ancestry import SEED, write_run

FAR, NEAR = SEED.replace("x + 1", "x + 2"), SEED.replace("return x\n", "return abs(x)\n")


def tell(
    lineage: Lineage, number: int, source: str, values: Sequence[float | None], *parents: Candidate, status: Status = "evaluated"
) -> Candidate:
    """Record a candidate with what its val examples count."""
    numbers = tuple(parent.number for parent in parents)
    candidate = descended(Candidate(number=number, program=parse(source), parents=numbers, operator="grow" if parents else "seed"), parents)
    val = evaluation(values) if status == "evaluated" else None
    lineage.result(
        Result(
            number=number, operator=candidate.operator, island=0, parents=numbers, status=status, candidate=candidate, val=val, train=val
        )
    )
    return candidate


def write_family(path: Path) -> None:
    """The seed, two children, their merge; and others who are none of its ancestors."""
    with Lineage(path) as lineage:
        seed = tell(lineage, 0, SEED, [0.0, 0.0, 0.0, None])
        one = tell(lineage, 1, FAR, [1.0, 0.0, 0.0, 1.0], seed)
        other = tell(lineage, 2, NEAR, [0.0, 1.0, 1.0, 1.0], seed, seed)
        tell(lineage, 3, SEED.replace("x + 1", "x + 7"), [], seed, status="rejected")
        merged = tell(lineage, 4, NEAR.replace("x + 1", "x + 2"), [1.0, 1.0, 0.5, 1.0], one, other)
        tell(lineage, 5, NEAR.replace("x + 1", "x + 5"), [0.0, 0.0, 0.0, 0.0], other)
        tell(lineage, 6, SEED.replace("x + 1", "x + 9"), [], merged, status="rejected")


def test_everyone_that_it_descends_from_stands_before_it_and_nobody_else(tmp_path: Path) -> None:
    write_family(tmp_path)
    generations = pedigree(open_run(tmp_path), 4)
    assert [(one.candidate, one.parents, one.operator) for one in generations] == [
        (0, (), "seed"),
        (1, (0,), "grow"),
        (2, (0,), "grow"),
        (4, (1, 2), "grow"),
    ]
    assert [one.n_siblings for one in generations] == [0, 1, 1, 1]
    assert [one.candidate for one in pedigree(open_run(tmp_path), 1)] == [0, 1]


def test_each_step_tells_what_it_changed_and_from_whom_it_has_the_rest(tmp_path: Path) -> None:
    write_family(tmp_path)
    seed, one, _, merged = pedigree(open_run(tmp_path), 4)
    assert (seed.changes, seed.inherited) == ((), {})
    assert [(change.title, change.diff.splitlines()[-2:]) for change in one.changes] == [
        ("changed function far", ["-    return x + 1", "+    return x + 2"])
    ]
    assert (merged.changes, merged.inherited) == ((), {"near": 2})


def test_a_gain_is_paired_with_each_parent_on_the_examples_that_count_for_both(tmp_path: Path) -> None:
    write_family(tmp_path)
    seed, one, _, merged = pedigree(open_run(tmp_path), 4)
    assert seed.gains == {}
    gain = one.gains[0]
    assert gain is not None
    assert (round(gain.mean, 6), gain.n, gain.dropped) == (0.333333, 3, 1)
    means = {parent: gain and gain.mean for parent, gain in merged.gains.items()}
    assert means == {1: 0.375, 2: 0.125}
    assert all(gain is not None and gain.lo <= gain.mean <= gain.hi for gain in merged.gains.values())


def test_a_candidate_that_was_not_evaluated_has_no_gain(tmp_path: Path) -> None:
    write_family(tmp_path)
    last = pedigree(open_run(tmp_path), 6)[-1]
    assert (last.status, last.score, last.gains) == ("rejected", None, {4: None})


def test_a_candidate_that_there_is_not_is_one_clear_line(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(RunError, match="no program of candidate 9 in this run: it has candidates 0 to 4"):
        pedigree(open_run(tmp_path), 9)
