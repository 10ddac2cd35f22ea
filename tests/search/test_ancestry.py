"""Blame walks back through the candidates that made a component what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graftwork.programs.errors import ProgramError, RunError
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.ancestry import Ancestry
from graftwork.search.candidate import Candidate, Result
from graftwork.search.descent import descended
from graftwork.search.lineage import Lineage
from graftwork.search.record import canonical, open_run

from .factory import evaluation

SEED = "import math\n\n\ndef far(x: float) -> float:\n    return x + 1\n\n\ndef near(x: float) -> float:\n    return x\n\n\n"
SEED += "def solve(x: float) -> float:\n    return far(near(x))\n"


def told(lineage: Lineage, number: int, source: str, score: float, *parents: Candidate) -> Candidate:
    """Record a candidate with this source as the search does."""
    program: Program = parse(source)
    numbers = tuple(parent.number for parent in parents)
    candidate = descended(Candidate(number=number, program=program, parents=numbers, operator="grow", note=f"step {number}"), parents)
    lineage.result(
        Result(
            number=number,
            operator="grow" if parents else "seed",
            island=0,
            parents=numbers,
            status="evaluated",
            candidate=candidate,
            val=evaluation([score]),
            train=evaluation(()),
        )
    )
    return candidate


def write_run(path: Path) -> None:
    """A run of four candidates: 1 changes `far`, 2 `near`, 3 joins them and changes `far` again."""
    with Lineage(path) as lineage:
        seed = told(lineage, 0, SEED, 0.25)
        one = told(lineage, 1, SEED.replace("x + 1", "x + 2"), 0.5, seed)
        other = told(lineage, 2, SEED.replace("return x\n", "return abs(x)\n"), 0.75, seed)
        joined = SEED.replace("return x\n", "return abs(x)\n").replace("x + 1", "x + 2")
        merged = told(lineage, 3, joined, 0.75, one, other)
        told(lineage, 4, joined.replace("x + 2", "x + 3").replace("far", "afar"), 1.0, merged)


def test_each_component_is_from_the_candidate_that_had_it_first(tmp_path: Path) -> None:
    write_run(tmp_path)
    ancestry = open_run(tmp_path).ancestry()
    assert [ancestry.introduced(3, name) for name in ("far", "near", "solve")] == [1, 2, 0]
    assert ancestry.introduced(4, "near") == 2


def test_the_history_of_a_component_tells_who_changed_what_and_what_it_gained(tmp_path: Path) -> None:
    write_run(tmp_path)
    steps = open_run(tmp_path).blame(4, "afar")
    assert [(step.candidate, step.component, step.operator, step.gain) for step in steps] == [
        (4, "afar", "grow", 0.25),
        (1, "far", "grow", 0.25),
        (0, "far", "seed", None),
    ]
    assert steps[1].note == "step 1"
    assert steps[1].diff.splitlines() == [" def far(x: float) -> float:", "-    return x + 1", "+    return x + 2"]
    assert steps[2].diff == "+def far(x: float) -> float:\n+    return x + 1"


def test_rows_record_only_what_changed(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert open_run(tmp_path).candidates["changes"].to_pylist() == [
        "{}",
        '{"far":[0,"far"]}',
        '{"near":[0,"near"]}',
        "{}",
        '{"afar":[1,"far"],"solve":[0,"solve"]}',
    ]
    assert b'"changes":"{\\"far\\":[0,\\"far\\"]}"' in canonical(tmp_path)


def test_a_run_of_the_first_schema_is_blamed_alike(tmp_path: Path) -> None:
    write_run(tmp_path)
    record = open_run(tmp_path)
    rows: list[dict[str, Any]] = [{**row, "changes": None} for row in record.candidates.to_pylist()]
    texts = {row["digest"]: row["text"] for row in record.texts.to_pylist()}
    assert Ancestry(rows, texts).steps(4, "afar") == record.blame(4, "afar")


def test_what_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(RunError, match="no program of candidate 9 in this run: it has candidates 0 to 4"):
        open_run(tmp_path).blame(9, "far")
    with pytest.raises(ProgramError, match="no component 'lost'; this program has far, near, solve"):
        open_run(tmp_path).blame(1, "lost")
