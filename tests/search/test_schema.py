"""Every column is there once, has a purpose in time or not, and the rows that are made fit."""

from __future__ import annotations

import pyarrow as pa
import pytest

from graftwork.programs.errors import RunError
from graftwork.search.schema import SCHEMA_VERSION, SCHEMAS, TABLES, TableName, check_version, lasting_columns


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
    check_version(SCHEMAS["calls"], file="here")
    with pytest.raises(RunError, match="here has lineage schema version 99"):
        check_version(pa.schema([], metadata={"schema_version": "99"}), file="here")
