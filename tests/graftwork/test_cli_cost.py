"""`graftwork cost` prints what a run's calls cost, as tables or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graftwork.cli_cost import cost_run
from tests.search.test_ancestry import write_run
from tests.search.test_costs import write_calls


def test_the_total_stands_above_the_tables_and_what_is_in_doubt_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_calls(tmp_path)
    cost_run(tmp_path)
    printed = capsys.readouterr().out
    first, second, *_ = printed.splitlines()
    assert first == "5 model calls, 270 input and 103 output tokens, 0.5700 usd at list price"
    assert second.startswith("of these in doubt: 2 model calls, 0.5000 usd: sent, and nobody knows whether they were billed")
    assert [line.rstrip() for line in printed.splitlines() if line.startswith("by ")] == ["by role", "by operator", "by model", "by hour"]


def test_one_table_by_two_keys_is_asked_for_and_json_adds_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_calls(tmp_path)
    cost_run(tmp_path, by=["role,hour"], as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["by"].keys() == {"role,hour"}
    assert [(row["role"], row["hour"]) for row in told["by"]["role,hour"]] == [
        ("proposer", "2027-01-15 09:00"),
        ("task", "2027-01-15 08:00"),
    ]
    assert sum(row["usd"] for row in told["by"]["role,hour"]) == pytest.approx(told["total"]["usd"])


def test_a_run_without_a_model_says_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    cost_run(tmp_path)
    printed = capsys.readouterr().out
    assert printed.startswith("0 model calls")
    assert "by role: none" in printed
