"""`graftwork sql` prints a table, JSON or CSV, and says what can be asked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from graftwork.cli_sql import sql_run
from graftwork.programs.errors import ConfigError
from tests.search.test_ancestry import write_run

from .typed import typed

QUERY = "select number, score, parents, null as nothing from candidates where number > 2 order by number"


def test_a_person_asks_and_a_mistake_is_one_line(tmp_path: Path) -> None:
    write_run(tmp_path)
    done = typed("sql", ".", QUERY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split("│")[1:5] for line in done.stdout.splitlines() if line.startswith("│ 3")] == [
        [" 3      ", " 0.75  ", " [1, 2]  ", " null    "]
    ]
    wrong = typed("sql", ".", "select scor from candidates", cwd=tmp_path)
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert "score" in wrong.stderr


def test_json_and_csv_hold_the_same_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    sql_run(tmp_path, QUERY, as_json=True)
    rows = [{"number": 3, "score": 0.75, "parents": [1, 2], "nothing": None}, {"number": 4, "score": 1.0, "parents": [3], "nothing": None}]
    assert json.loads(capsys.readouterr().out) == rows
    sql_run(tmp_path, QUERY, as_csv=True)
    read = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(read) == [
        {"number": "3", "score": "0.75", "parents": "[1, 2]", "nothing": ""},
        {"number": "4", "score": "1.0", "parents": "[3]", "nothing": ""},
    ]
    with pytest.raises(ConfigError, match="leave one of them out"):
        sql_run(tmp_path, QUERY, as_json=True, as_csv=True)


def test_json_has_no_number_that_json_has_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    sql_run(tmp_path, "select 'nan'::double as a, ['inf'::double, 1.5] as b, timestamp '2026-01-02' as c", as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"a": None, "b": [None, 1.5], "c": "2026-01-02 00:00:00"}]
    sql_run(tmp_path, "select 1 as a where false", as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_the_terminal_gets_few_rows_short_cells_and_no_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    sql_run(tmp_path, "select i, concat(chr(27), '[2J', repeat('x', 30_000)) as text from range(9) t(i)", rows=3)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[2J" in printed
    assert len(printed) < 40_000
    assert "the first 3 rows; --rows N shows more" in printed
    sql_run(tmp_path, "select i from range(3) t(i)", rows=3)
    assert "the first" not in capsys.readouterr().out


def test_a_row_of_many_columns_is_printed_as_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    sql_run(tmp_path, "select candidates.*, programs.source as text from candidates join programs using (number) where number = 4")
    lines = capsys.readouterr().out.splitlines()
    assert f"  {'operator':<22}  grow" in lines
    text = lines.index(f"  {'text':<22}  import math")
    assert lines[text + 3] == " " * 26 + "def afar(x: float) -> float:"


def test_without_a_query_the_tables_and_their_columns_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path)
    sql_run(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == ["calls", "candidates", "decisions", "events", "programs", "scores", "spans", "texts"]
    assert lines[9] == "  number bigint, source varchar"
    sql_run(tmp_path, as_json=True)
    assert {"table": "programs", "column": "source", "type": "VARCHAR"} in json.loads(capsys.readouterr().out)
