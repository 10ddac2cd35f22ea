"""A run is read as it stands; the canonical lineage holds what was searched and nothing of when."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.call_store import Settlement
from graftwork.programs.errors import RunError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.search.candidate import Result
from graftwork.search.lineage import Lineage
from graftwork.search.record import canonical, open_run
from graftwork.search.recorded_calls import LineageCallStore

from .lineage_values import brief, evaluation, program, reservation, result, settlement


def lines(run_dir: Path, table: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in canonical(run_dir).splitlines()]
    return [row for row in rows if row["table"] == table]


def test_a_directory_without_a_run_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run in"):
        open_run(tmp_path / "nothing")


def test_a_result_is_told_column_by_column(tmp_path: Path) -> None:
    with Lineage(tmp_path, clock=lambda: 1.5) as lineage:
        lineage.result(result(1))
    record = open_run(tmp_path)
    (row,) = record.candidates.to_pylist()
    assert record.source(row) == program(1).source
    assert row["told_at"].isoformat() == "1970-01-01T00:00:01.500000"
    expected = {
        "number": 1,
        "parents": [0],
        "status": "evaluated",
        "digest": program(1).digest,
        "score": 0.0,  # two of 0.5 and a crash that counts -1
        "n_val": 3,
        "n_failures": 2,
        "n_components": 1,
        "n_prompts": 0,
        "proposer_usd": 0.25,
        "task_calls": 3,
    }
    assert {name: row[name] for name in expected} == expected


def test_a_score_keeps_value_failure_and_what_was_printed(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.result(result(1))
    rows = open_run(tmp_path).scores.to_pylist()
    assert [(row["split"], row["position"], row["value"], row["counted"]) for row in rows[:3]] == [
        ("val", 0, 0.5, 0.5),
        ("val", 1, 0.5, 0.5),
        ("val", 2, None, -1.0),
    ]
    assert rows[0]["output"] == "[1,2.5]"
    assert rows[2]["failure_kind"] == "crash"
    assert rows[2]["stdout"].startswith("lone \\udc80 surrogate")


def test_a_long_output_is_left_out_and_a_short_one_kept(tmp_path: Path) -> None:
    whole = evaluation(n_cases=2)
    first = whole.judgements[0]
    long = replace(first, outcome=replace(first.outcome, output="x" * 4_000))
    with Lineage(tmp_path) as lineage:
        lineage.evaluation(0, "test", replace(whole, judgements=(first, long)))
    assert open_run(tmp_path).scores["output"].to_pylist() == ["[1,2.5]", None]


def test_what_was_never_written_is_a_row_too(tmp_path: Path) -> None:
    blank = Result(number=4, operator="diff_edit", island=0, parents=(1,), status="unwritten", reason="no code in the reply")
    with Lineage(tmp_path) as lineage:
        lineage.result(blank)
    (row,) = open_run(tmp_path).candidates.to_pylist()
    assert (row["status"], row["reason"], row["digest"], row["score"]) == ("unwritten", "no code in the reply", None, None)
    assert open_run(tmp_path).best is None


def test_best_is_the_earliest_of_the_highest_scores_and_champion_what_was_decided(tmp_path: Path) -> None:
    better = replace(result(2), val=evaluation(n_cases=9))
    with Lineage(tmp_path) as lineage:
        for told in (result(0), better, replace(better, number=3), replace(better, number=4, status="rejected")):
            lineage.result(told)
        assert open_run(tmp_path).champion is None
        lineage.decision("champion", number=3, detail={})
    record = open_run(tmp_path)
    best, champion = record.best, record.champion
    assert best is not None
    assert champion is not None
    assert (best["number"], champion["number"]) == (2, 3)


def test_the_configuration_is_what_run_toml_says(tmp_path: Path) -> None:
    Lineage(tmp_path).close()
    record = open_run(tmp_path)
    with pytest.raises(RunError, match=r"cannot read .*run.toml"):
        _ = record.config
    (tmp_path / "run.toml").write_text("seed = ")
    with pytest.raises(RunError, match="is not TOML"):
        _ = record.config
    (tmp_path / "run.toml").write_text("seed = 7\n")
    assert record.config == {"seed": 7}


def test_canonical_lines_hold_no_time_and_no_events(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.event("start", "now")
        lineage.brief(brief(1))
        lineage.result(result(1))
    rows = [json.loads(line) for line in canonical(tmp_path).splitlines()]
    assert {row["table"] for row in rows} == {"candidates", "scores", "spans", "decisions"}
    assert not {"seconds", "cpu_s", "told_at", "at", "group"} & {name for row in rows for name in row}


def test_another_score_or_source_is_another_canonical_lineage(tmp_path: Path) -> None:
    other = result(1)
    assert other.candidate is not None
    for name, told in {
        "same": result(1),
        "score": replace(other, val=evaluation(n_cases=4)),
        "source": replace(other, candidate=replace(other.candidate, program=program(5))),
    }.items():
        with Lineage(tmp_path / name) as lineage:
            lineage.result(told)
    assert len({canonical(tmp_path / name) for name in ("same", "score", "source")}) == 3


def test_what_a_resumed_run_did_again_stands_once(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        for seconds in (0.1, 0.2):
            lineage.brief(brief(1))
            lineage.decision("open_split", number=1, detail={"split": "test"})
            lineage.evaluation(1, "test", evaluation(seconds=seconds))
    assert open_run(tmp_path).scores.num_rows == 6
    assert len(lines(tmp_path, "scores")) == 3
    assert len(lines(tmp_path, "spans")) == 4
    assert [row["kind"] for row in lines(tmp_path, "decisions")] == ["ask", "evaluation", "open_split"]


def test_a_call_stands_once_by_key_and_draw_if_its_answer_lasts(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        store = LineageCallStore(lineage)
        for call_id, draw in (("1", "a"), ("2", "b"), ("3", "b"), ("4", "c")):
            store.reserve(reservation(call_id, draw=draw))
        store.settle(settlement("1"))
        store.settle(Settlement(id="2", failure=Failure(kind="model", message="429"), usage=Usage()))
        store.settle(settlement("3"))
    assert [row["draw"] for row in lines(tmp_path, "calls")] == ["a", "b"]
