"""`graftwork lineage` and `graftwork diff` tell how a candidate came to be, and what differs between two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graftwork.cli_diff import diff_run
from graftwork.cli_lineage import lineage_run
from graftwork.programs.errors import ConfigError, RunError
from graftwork.search.lineage import Lineage
from tests.search.factory import evaluation
from tests.search.test_pedigree import write_family


def test_a_lineage_is_printed_from_the_seed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_family(tmp_path)
    lineage_run(tmp_path, "4")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "candidate 0 by seed: val 0"
    step = lines.index("candidate 1 by grow of 0: val 0.5")
    assert lines[step + 1].startswith("  against 0: +0.3333 [")
    assert lines[step + 1].endswith("] on 3 examples")
    assert lines[step + 2 : step + 4] == ["  1 other child of its parent evaluated", "  @ changed function far"]
    assert lines[-2:] == ["  1 other child of its parents evaluated", "  near as in 2"]


def test_a_lineage_without_diffs_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_family(tmp_path)
    lineage_run(tmp_path, "best", diffs=False)
    assert "  changed function far" in capsys.readouterr().out.splitlines()
    lineage_run(tmp_path, "4", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [one["candidate"] for one in told] == [0, 1, 2, 4]
    assert told[3]["gains"]["1"]["mean"] == 0.375


def test_two_candidates_of_a_run_are_set_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_family(tmp_path)
    (tmp_path / "inputs.jsonl").write_text('{"id": "e1", "inputs": {"x": 3}}\n')
    with Lineage(tmp_path) as lineage:
        for number, value in ((1, 0.0), (2, 1.0)):
            lineage.evaluation(number, "confirm", evaluation([value]))
    diff_run(str(tmp_path), "1", "2")
    printed = capsys.readouterr().out
    lines = [line.rstrip() for line in printed.splitlines()]
    assert lines[0] == f"a: candidate 1 of {tmp_path} by grow, val 0.5"
    assert lines[2:6] == ["@ changed function far", " def far(x: float) -> float:", "-    return x + 2", "+    return x + 1"]
    assert lines[6:10] == ["@ changed function near", " def near(x: float) -> float:", "-    return x", "+    return abs(x)"]
    rows = {cells[1].strip(): [cell.strip() for cell in cells] for line in lines if len(cells := line.split("│")) == 10}
    assert rows["val"][2:5] == ["4", "0.5", "0.75"]
    assert rows["val"][6:9] == ["2", "1", "1"]
    assert rows["confirm"][2:6] == ["1", "0", "1", "+1"]
    assert "val, 3 examples that differ:" in lines
    assert '  e1  0 → 1  {"x": 3}' in lines


def test_candidates_of_two_runs_are_compared_on_the_examples_that_both_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "a:b", tmp_path / "other"
    for path in (one, other):
        write_family(path)
    diff_run(f"{one}:seed", f"{other}:4", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["a"]["run"], told["b"]["number"]) == (str(one), 4)
    assert [change["name"] for change in told["changes"]] == ["far", "near"]
    assert (told["scores"]["val"]["wins"], told["scores"]["val"]["dropped"]) == (3, 1)
    diff_run(f"{one}:1", f"{other}:1")
    assert "the same text" in capsys.readouterr().out


def test_what_names_no_candidate_is_one_clear_line(tmp_path: Path) -> None:
    write_family(tmp_path)
    with pytest.raises(ConfigError, match="name a run and two candidates of it"):
        diff_run(str(tmp_path), "1")
    with pytest.raises(ConfigError, match="a number, or seed, champion or best, not 'last'"):
        lineage_run(tmp_path, "last")
    with pytest.raises(RunError, match="has no champion yet"):
        diff_run(str(tmp_path), "0", "champion")
