"""Datasets: one row is one example whatever file it is in, types are kept, and what is wrong is named by file and line."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.datasets import read_examples
from graftwork.evaluators.examples import make_examples, split_examples
from graftwork.evaluators.load import load_task
from graftwork.programs.errors import TaskError

ROWS: Final[list[dict[str, Any]]] = [
    {"question": 'Who said "no, thanks"?', "answer": "Ann\nand Bo", "split": "train"},
    {"question": "007", "answer": "1e5", "split": "val"},
    {"question": "true, or é?", "answer": "null", "split": "test"},
]
TEXTS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


def write_jsonl(file: Path, rows: list[dict[str, Any]]) -> Path:
    file = file.with_suffix(".jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_csv(file: Path, rows: list[dict[str, Any]]) -> Path:
    file = file.with_suffix(".csv")
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_tsv(file: Path, rows: list[dict[str, Any]]) -> Path:
    file = file.with_suffix(".tsv")
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_parquet(file: Path, rows: list[dict[str, Any]]) -> Path:
    file = file.with_suffix(".parquet")
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file


Written = Callable[[Path, list[dict[str, Any]]], Path]
WRITTEN: Final = pytest.mark.parametrize("written", [write_jsonl, write_csv, write_tsv, write_parquet])


@WRITTEN
def test_the_same_rows_are_the_same_examples_whatever_they_are_in(written: Written, tmp_path: Path) -> None:
    file = written(tmp_path / "rows", ROWS)
    by_split = read_examples(file, inputs=["question"], target="answer", split="split")
    assert {split: len(rows) for split, rows in by_split.items()} == {"train": 1, "val": 1, "test": 1}
    ids = [example.id for example in make_examples(read_examples(str(file), inputs="question", target="answer"))]
    assert ids == [example.id for example in make_examples([({"question": row["question"]}, row["answer"]) for row in ROWS])]
    assert ids == [example.id for example in make_examples(read_examples(ROWS, inputs=("question",), target="answer"))]
    assert {example.id for examples in split_examples(by_split).values() for example in examples} == set(ids)


@WRITTEN
def test_columns_may_be_other_parameters_and_others_are_left_out(written: Written, tmp_path: Path) -> None:
    (row, *_) = read_examples(written(tmp_path / "rows", ROWS), inputs={"question": "text", "split": "of"})
    assert (row.inputs, row.target) == ({"text": ROWS[0]["question"], "of": "train"}, None)


@pytest.mark.parametrize("written", [write_jsonl, write_parquet])
def test_types_are_kept_where_the_format_has_them(written: Written, tmp_path: Path) -> None:
    rows = [{"n": 1, "x": 2.0, "on": True, "none": None, "items": [1, 2], "pair": {"a": "b"}}]
    (row,) = read_examples(written(tmp_path / "rows", rows), inputs=list(rows[0]))
    assert row.inputs == rows[0]
    assert [type(value) for value in row.inputs.values()] == [int, float, bool, type(None), list, dict]


def test_a_csv_cell_is_text_unless_the_author_converts_it(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "rows", [{"zip": "007", "price": "1e3", "on": "true", "tags": '["a", 1]', "none": ""}])
    (plain,) = read_examples(file, inputs=["zip", "price", "on", "tags", "none"])
    assert plain.inputs == {"zip": "007", "price": "1e3", "on": "true", "tags": '["a", 1]', "none": ""}
    (row,) = read_examples(file, inputs=["zip", "price", "on", "tags"], convert={"price": float, "on": json.loads, "tags": json.loads})
    assert row.inputs == {"zip": "007", "price": 1000.0, "on": True, "tags": ["a", 1]}


@given(cells=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_any_text_comes_back_from_csv_as_it_was(cells: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = write_csv(tmp_path_factory.getbasetemp() / "any", [{"a": one, "b": other} for one, other in cells])
    rows = read_examples(file, inputs=["a"], target="b")
    assert [(row.inputs["a"], row.target) for row in rows] == cells


def test_rows_know_their_line_also_after_cells_of_several_lines_and_empty_ones(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b'\xef\xbb\xbfq,a\r\n"one\r\ntwo",1\r\n\r\nthree,3\r\n')
    assert [str(row.place) for row in read_examples(file, inputs="q")] == [f"{file}, line 2", f"{file}, line 5"]
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"q": "one"}\n\n{"q": "a\u2028b"}\n', encoding="utf-8")
    assert [str(row.place) for row in read_examples(lines, inputs="q")] == [f"{lines}, line 1", f"{lines}, line 3"]
    table = write_parquet(tmp_path / "rows", [{"q": n} for n in range(2500)])
    assert [row.place.number for row in read_examples(table, inputs="q")] == list(range(1, 2501))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"q": 1, "t": 2}\n{"q": 1', "a.jsonl, line 2 must be a JSON object: "),
        ("a.jsonl", '{"q": 1, "t": 2}\n[1]', "a.jsonl, line 2 must be a JSON object, not a list"),
        ("a.jsonl", '{"q": 1, "t": 2}\n{"q": 1}', "a.jsonl, line 2 has no column 't'; it has q"),
        ("a.jsonl", "[" * 100_000, "a.jsonl, line 1 must be a JSON object: "),
        ("a.jsonl", '{"q": ' + "9" * 5000 + "}", "a.jsonl, line 1 must be a JSON object: "),
        ("a.csv", "q,t\n1,2\n3\n", "a.csv, line 3 has 1 fields, and the header 2: q, t"),
        ("a.csv", "q,t\n1,2,3\n", "a.csv, line 2 has 3 fields"),
        ("a.csv", 'q,t\n1,2\n"3,4\n', "a.csv, line 3 cannot be read as CSV: unexpected end of data"),
        ("a.csv", "q,t\n1," + "x" * 200_000, "a.csv, line 2 cannot be read as CSV: field larger than field limit"),
        ("a.csv", "q,q\n1,2\n", "a.csv, line 1 must name each column once, and names 'q' twice"),
        ("a.csv", "Q,t\n1,2\n", "a.csv, line 2 has no column 'q'; it has Q, t"),
        ("a.parquet", "PAR1", "a.parquet cannot be read as Parquet: "),
        ("a.jsonl", b"\xff\xfe", "a.jsonl must be UTF-8 text: "),
        ("a.xlsx", "", "a.xlsx must end in .jsonl, .ndjson, .csv, .tsv or .parquet"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TaskError) as caught:
        read_examples(tmp_path / name, inputs="q", target="t")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_without_the_column_says_what_it_has(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a", [{"q": 1}])
    with pytest.raises(TaskError, match=r"a.parquet has no column 't'; it has q"):
        read_examples(file, inputs="q", target="t")


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(TaskError, match=r"there is no file .*nowhere.csv: give its path relative to "):
        read_examples(tmp_path / "nowhere.csv", inputs="q")
    with pytest.raises(TaskError, match=r"there is no file .*nowhere.parquet"):
        read_examples(tmp_path / "nowhere.parquet", inputs="q")
    with pytest.raises(TaskError, match=r"folder.jsonl cannot be read: Is a directory"):
        read_examples(tmp_path / "folder.jsonl", inputs="q")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"q": 1}], {"inputs": []}, "inputs must be column names, or parameters by column, not []"),
        ([{"q": 1}], {"inputs": {"q": 1}}, "inputs must be column names, or parameters by column"),
        ([{"q": 1}], {"inputs": {"q": "x", "r": "x"}}, "inputs must give each parameter one column"),
        ([{"q": 1}], {"inputs": "q", "target": "q"}, "'q' is target and input at once"),
        (
            [{"q": 1, "s": "dev"}],
            {"inputs": "q", "split": "s"},
            "rows[0]: the column 's' must be one of train, val, confirm, test, not 'dev'",
        ),
        ([{"q": 1, "s": ["val"]}], {"inputs": "q", "split": "s"}, "must be one of train, val, confirm, test, not ['val']"),
        ([{"q": "1"}, {"q": "x"}], {"inputs": "q", "convert": {"q": float}}, "rows[1], column 'q': converting 'x' raised ValueError: "),
        ([{"q": 1}], {"inputs": "q", "convert": {"r": float}}, "convert names 'r', which is no input or target (q)"),
        ([{"q": 1}], {"inputs": "q", "convert": {"q": bool}}, "json.loads for true and false"),
        ([{"q": 1}], {"inputs": "q", "convert": {"q": "float"}}, "a function such as float, not 'float'"),
        ([1], {"inputs": "q"}, "rows[0] of a dataset must be a mapping by column, not a int"),
        (5, {"inputs": "q"}, "must be a file's path or an iterable of mappings, not a int"),
        ({"q": 1}, {"inputs": "q"}, "must be a file's path or an iterable of mappings, not a dict"),
    ],
)
def test_a_wrong_wish_is_one_line_that_says_what_to_do(rows: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as caught:
        read_examples(rows, **options)
    assert message in str(caught.value)


def test_a_value_that_is_no_json_is_named_by_its_row(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "dates", [{"q": 1, "day": date(2024, 5, 1)}])
    with pytest.raises(TaskError, match=r"dates.parquet, row 1 must be JSON values .*not date"):
        make_examples(read_examples(file, inputs=["q", "day"]))
    (example,) = make_examples(read_examples(file, inputs=["q", "day"], convert={"day": str}))
    assert example.inputs == {"q": 1, "day": "2024-05-01"}
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"q": NaN}\n')
    with pytest.raises(TaskError, match=r"a.jsonl, line 1 must be JSON values with finite numbers"):
        make_examples(read_examples(lines, inputs="q"))


def test_duplicates_are_refused_with_both_their_places(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a", [{"q": 1}, {"q": 2}, {"q": 1}])
    with pytest.raises(TaskError, match=r"a.jsonl, line 3 is the same as .*a.jsonl, line 1 \(id .*remove one of them"):
        split_examples(read_examples(file, inputs="q"))
    other = write_csv(tmp_path / "b", [{"q": "0"}, {"q": "2"}])
    examples = {"val": read_examples(file, inputs="q")[:2], "test": read_examples(other, inputs="q", convert={"q": int})}
    with pytest.raises(TaskError, match=r"in both val and test \(id .*\), at .*a.jsonl, line 2 and .*b.csv, line 3: keep it"):
        split_examples(examples)
    with pytest.raises(TaskError, match=r"in both val and test .*, at val\[1\] and test\[0\]: keep it"):
        split_examples({"val": [({"q": 1}, 1), ({"q": 2}, 1)], "test": [({"q": 2}, 1)]})


def test_a_task_file_reads_what_lies_beside_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows", [{"n": str(n), "twice": str(2 * n), "split": "val" if n else "train"} for n in range(4)])
    (tmp_path / "program.py").write_text("def solve(n):\n    return 2 * n\n")
    (tmp_path / "task.py").write_text(
        "import graftwork as gw\n"
        'rows = gw.read_examples("rows.csv", inputs=["n"], target="twice", split="split", convert={"n": int, "twice": int})\n'
        'task = gw.task("program.py", rows, gw.numeric())\n'
    )
    task = load_task(tmp_path)
    assert [(example.inputs, example.target) for example in task.splits["val"]] == [({"n": n}, 2 * n) for n in range(1, 4)]
    assert len(task.splits["train"]) == 1
    (tmp_path / "rows.csv").unlink()
    with pytest.raises(TaskError, match=rf"task.py, line 2: there is no file {tmp_path}/rows.csv: give its path relative to {tmp_path}"):
        load_task(tmp_path)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_file_is_read_line_by_line(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"large{suffix}"
    text = io.StringIO()
    text.write("" if suffix == ".jsonl" else "q,more\n")
    for number in range(20_000):
        row = {"q": number, "more": "x" * 500}
        text.write(json.dumps(row) + "\n" if suffix == ".jsonl" else f"{number},{row['more']}\n")
    file.write_text(text.getvalue())
    assert file.stat().st_size > 10_000_000
    tracemalloc.start()
    rows = read_examples(file, inputs="q")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 20_000
    assert most < file.stat().st_size
