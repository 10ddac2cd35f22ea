"""Rows fit their tables, and calls come back from them as they were."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.call_store import RecordedCall, Settlement
from graftwork.evaluators.task import Score
from graftwork.programs.failure import FAILURE_KINDS, Failure
from graftwork.programs.model import Reply, ToolCall, Usage
from graftwork.search.rows import (
    Row,
    brief_row,
    candidate_row,
    json_text,
    recorded_call,
    reservation_of,
    reserved_row,
    score_rows,
    settled_row,
    span_rows,
    tell_row,
)
from graftwork.search.schema import SCHEMAS, TableName, lasting_columns

from .lineage_values import AWKWARD, brief, evaluation, reservation, result, settlement

texts = st.text(st.characters(), max_size=20)  # lone surrogates too
usages = st.builds(Usage, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9), usd=st.floats(0, 1), calls=st.integers(0, 2))
replies = st.builds(
    Reply,
    text=texts,
    tool_calls=st.lists(st.builds(ToolCall, id=texts, name=texts, arguments=texts), max_size=2).map(tuple),
    finish_reason=texts,
    usage=usages,
    model=texts,
    refusal=st.none() | texts,
)


def as_read(table: TableName, row: Row) -> dict[str, object]:
    """The row with a null for each column that it does not name, as Arrow gives it back."""
    return dict.fromkeys(SCHEMAS[table].names) | dict(row)


def test_every_row_has_columns_of_its_table_only() -> None:
    whole = evaluation()
    rows: list[tuple[TableName, Row]] = [
        ("candidates", candidate_row(result(1))),
        *(("scores", row) for row in score_rows(1, "val", whole)),
        *(("spans", row) for row in span_rows(1, "val", whole)),
        ("decisions", brief_row(brief(1))),
        ("decisions", tell_row(result(1))),
        ("calls", reserved_row(reservation("1"))),
        ("calls", settled_row(reservation("1"), settlement("1"))),
    ]
    assert {table for table, _ in rows} == {"candidates", "scores", "spans", "decisions", "calls"}
    for table, row in rows:
        assert not set(row) - set(SCHEMAS[table].names)


def test_objectives_and_metrics_are_recorded() -> None:
    whole = evaluation(seconds=0.5)
    scored = replace(whole.judgements[0], score=Score(value=0.5, metrics={"recall": 0.25}))
    val = replace(whole, judgements=(scored, *whole.judgements[1:]))
    row = candidate_row(replace(result(1), val=val))
    assert (row["run_usd"], row["metrics"]) == (0.0, '{"recall":0.25}')
    assert row["run_seconds"] == pytest.approx(1 / 3)  # the crash took no time
    assert [one["metrics"] for one in score_rows(1, "val", val)] == ['{"recall":0.25}', None, None]
    assert "run_seconds" not in lasting_columns("candidates")


@given(reply=replies, usage=usages)
def test_a_reply_comes_back_as_it_was_whatever_its_text(reply: Reply, usage: Usage) -> None:
    row = settled_row(reservation("1"), Settlement(id="1", reply=reply, usage=usage))
    assert recorded_call(as_read("calls", row)) == RecordedCall(reply=reply, usage=usage)


@given(kind=st.sampled_from(FAILURE_KINDS), component=st.none() | st.just("plan"))
def test_a_failed_call_and_a_reservation_come_back_as_they_were(kind: str, component: str | None) -> None:
    failure = Failure(kind=kind, message="no", component=component, detail="more")  # type: ignore[arg-type]  # sampled from the kinds
    row = settled_row(reservation("1"), Settlement(id="1", failure=failure, usage=Usage()))
    assert recorded_call(as_read("calls", row)) == RecordedCall(failure=failure, usage=Usage())
    assert reservation_of(as_read("calls", reserved_row(reservation("1")))) == reservation("1")


def test_json_text_is_one_text_in_ascii_for_equal_values() -> None:
    assert json_text({"b": (1, 2), "a": AWKWARD}) == json_text({"a": AWKWARD, "b": [1, 2]})
    assert json_text(AWKWARD).isascii()
