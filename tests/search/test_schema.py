"""Every column is there once, has a purpose in time or not, and the rows that are made fit."""

from __future__ import annotations

import pyarrow as pa
import pytest

from graftwork.programs.errors import RunError
from graftwork.search.schema import SCHEMA_VERSION, SCHEMAS, TABLES, TableName, as_current, lasting_columns


def test_every_table_has_a_schema_with_its_version() -> None:
    assert tuple(SCHEMAS) == TABLES
    for schema in SCHEMAS.values():
        assert schema.metadata == {b"schema_version": str(SCHEMA_VERSION).encode()}
        assert len(set(schema.names)) == len(schema.names)


def test_what_depends_on_time_or_arrival_does_not_last() -> None:
    timing: dict[TableName, tuple[str, ...]] = {
        "candidates": ("told_at", "group"),
        "scores": ("seconds", "cpu_s", "group"),
        "spans": ("seconds",),
        "calls": ("id", "candidate", "attempt", "seconds", "at"),
        "decisions": ("at",),
    }
    for table, columns in timing.items():
        assert set(columns) <= set(SCHEMAS[table].names)
        assert not set(columns) & set(lasting_columns(table))
    assert {"number", "digest", "score"} <= set(lasting_columns("candidates"))
    assert {"key", "draw", "reply"} <= set(lasting_columns("calls"))


def test_another_schema_version_is_refused_by_name() -> None:
    now = SCHEMAS["calls"]
    assert as_current(now.empty_table(), now, file="here").schema.equals(now, check_metadata=True)
    with pytest.raises(RunError, match="here has lineage schema version 99"):
        as_current(pa.table({}, metadata={"schema_version": "99"}), now, file="here")


def test_a_table_of_the_second_version_is_read_without_objectives() -> None:
    new = {"run_usd", "run_seconds", "metrics"}
    for name in ("candidates", "scores"):
        now = SCHEMAS[name]
        second = pa.schema([field for field in now if field.name not in new], metadata={"schema_version": "2"})
        (row,) = as_current(pa.Table.from_pylist([{}], schema=second), now, file="here").to_pylist()
        assert {column for column in new if column in row} == new & set(now.names) != set()
        assert row["metrics"] is None


def test_a_table_of_the_first_version_is_read_with_null_where_it_has_no_column() -> None:
    now = SCHEMAS["candidates"]
    first = pa.schema([field for field in now if field.name != "changes"], metadata={"schema_version": "1"})
    table = as_current(pa.Table.from_pylist([{"number": 3, "note": "older"}], schema=first), now, file="here")
    assert table.schema.equals(now, check_metadata=True)
    assert [(row["number"], row["note"], row["changes"]) for row in table.to_pylist()] == [(3, "older", None)]
