"""The tables of a lineage: their columns, and which of them depend on time.

Two runs that make the same search write the same values in every column that is not tagged `timing`. Tagged are seconds and
dates, and what depends on the order of arrival: which of two equal calls in flight was sent first, on whose behalf, at
which attempt. Timestamps are UTC, in microseconds. JSON columns hold JSON text in ASCII. Where a value is not there, it is null.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, get_args

import pyarrow as pa

__all__ = ["SCHEMAS", "SCHEMA_VERSION", "TABLES", "TableName", "as_current", "lasting_columns", "texts_within"]

from graftwork.programs.errors import RunError

from .texts import text_digest

TableName = Literal["candidates", "texts", "scores", "spans", "calls", "decisions", "events"]
TABLES: Final[tuple[TableName, ...]] = get_args(TableName)
SCHEMA_VERSION: Final = 5
_JUDGING: Final = ("judging_input_tokens", "judging_output_tokens", "judging_usd", "judging_calls")
_RACING: Final = ("error", "verdict")
_TRAITS: Final = ("normal", "sketch", "answers")
_ADDED: Final = MappingProxyType(
    {
        "1": frozenset(("changes", "output_digest", "run_usd", "run_seconds", "metrics", *_JUDGING, *_RACING, *_TRAITS)),
        "2": frozenset(("run_usd", "run_seconds", "metrics", *_JUDGING, *_RACING, *_TRAITS)),
        "3": frozenset((*_JUDGING, *_RACING, *_TRAITS)),
        "4": frozenset((*_RACING, *_TRAITS)),
    }
)  # by version: columns that it had not yet, null when it is read
_WITHOUT_TEXTS: Final = frozenset(("1", "2", "3"))  # the versions whose candidates hold their whole source in a column

_TEXT: Final = pa.string()
_FLAG: Final = pa.bool_()
_REAL: Final = pa.float64()
_INT: Final = pa.int64()
_SEED: Final = pa.uint64()
_TIME: Final = pa.timestamp("us")
_NUMBERS: Final = pa.list_(pa.field("number", _INT))
_DIGESTS: Final = pa.list_(pa.field("digest", _TEXT))
_FEEDS: Final = pa.list_(pa.field("feed", pa.struct([("path", _TEXT), ("parameter", _TEXT), ("kind", _TEXT)])))


def _timing(name: str, of: pa.DataType) -> pa.Field:
    return pa.field(name, of, metadata={"timing": "1"})


def _schema(*columns: tuple[str, pa.DataType] | pa.Field) -> pa.Schema:
    # Every row tells which durable write brought it: rows of one write are there together or not at all.
    fields = [*(pa.field(*column) if isinstance(column, tuple) else column for column in columns), _timing("group", _INT)]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


_CANDIDATES: Final = _schema(
    ("number", _INT),
    ("operator", _TEXT),
    ("island", _INT),
    ("parents", _NUMBERS),
    ("status", _TEXT),
    ("digest", _TEXT),
    ("pieces", _DIGESTS),  # of `texts`; joined they are the program's text
    ("note", _TEXT),
    ("model", _TEXT),
    ("changes", _TEXT),  # JSON: the component that is no parent's, by name: [candidate, name] that its predecessor is from, or null
    ("reason", _TEXT),
    ("score", _REAL),  # mean on val, each example the mean over its repeats; where it ran on a part of val, what that says of all of it
    ("error", _REAL),  # standard error of that, for differences to the seed; null where it is not known
    ("n_val", _INT),  # examples of val that count
    ("verdict", _TEXT),  # of the race against its parent: promoted, dropped, undecided; null where there was none
    ("run_usd", _REAL),  # mean on val of a run's price
    ("metrics", _TEXT),  # JSON: means on val of the scorer's further metrics, by name
    ("n_failures", _INT),  # on val and train
    ("n_components", _INT),
    ("n_prompts", _INT),
    ("n_tools", _INT),
    ("n_chars", _INT),
    ("normal", _TEXT),  # digest of the program's normal form; null where the search compares no programs, as the two below
    ("sketch", _TEXT),  # of its shingles: 128 bytes, hexadecimal
    ("answers", _TEXT),  # digest of its outputs on the first examples; null also where they tell too little
    ("proposer_input_tokens", _INT),
    ("proposer_output_tokens", _INT),
    ("proposer_usd", _REAL),
    ("proposer_calls", _INT),
    ("task_input_tokens", _INT),
    ("task_output_tokens", _INT),
    ("task_usd", _REAL),
    ("task_calls", _INT),
    _timing("run_seconds", _REAL),  # mean on val of a run's wall seconds
    _timing("told_at", _TIME),
)
_TEXTS: Final = _schema(
    ("digest", _TEXT),
    ("text", _TEXT),  # once, however many programs have it
)
_SCORES: Final = _schema(
    ("candidate", _INT),
    ("split", _TEXT),  # train, val, confirm, test, the name of a transfer set; parent: on val, of the parent that it was raced against
    ("position", _INT),  # place of the case in its evaluation, from 0
    ("example_id", _TEXT),
    ("repeat", _INT),
    ("value", _REAL),  # as scored
    ("counted", _REAL),  # in comparisons: the lowest score for a failure of the program, null where it does not count
    ("feedback", _TEXT),
    ("metrics", _TEXT),  # JSON: further numbers that the scorer gave, by name; null where it gave none
    ("output", _TEXT),  # JSON; null where there is none, or where its text is longer than 4,000 characters
    ("output_digest", _TEXT),  # of that longer text
    ("failure_kind", _TEXT),
    ("failure_message", _TEXT),
    ("failure_component", _TEXT),
    ("failure_detail", _TEXT),
    ("stdout", _TEXT),
    ("input_tokens", _INT),
    ("output_tokens", _INT),
    ("usd", _REAL),
    ("calls", _INT),
    ("judging_input_tokens", _INT),  # of the scorer's own model calls; null where it made none
    ("judging_output_tokens", _INT),
    ("judging_usd", _REAL),
    ("judging_calls", _INT),
    _timing("seconds", _REAL),
    _timing("cpu_s", _REAL),
)
_SPANS: Final = _schema(
    ("candidate", _INT),
    ("split", _TEXT),
    ("example_id", _TEXT),
    ("repeat", _INT),
    ("path", _TEXT),
    ("component", _TEXT),
    ("kind", _TEXT),
    ("inputs", _TEXT),  # JSON, bounded
    ("output", _TEXT),  # JSON, bounded
    ("error", _TEXT),
    ("feeds", _FEEDS),
    ("input_tokens", _INT),
    ("output_tokens", _INT),
    ("claimed", _FLAG),
    _timing("seconds", _REAL),
)
_CALLS: Final = _schema(
    _timing("id", _TEXT),
    ("event", _TEXT),  # reserved, settled
    ("role", _TEXT),
    ("key", _TEXT),
    ("draw", _TEXT),
    _timing("candidate", _INT),
    _timing("example_id", _TEXT),
    _timing("component", _TEXT),
    _timing("path", _TEXT),
    ("reserved_input_tokens", _INT),  # the most that it can cost; null in settled rows, as the two below
    ("reserved_output_tokens", _INT),
    ("reserved_usd", _REAL),
    ("input_tokens", _INT),  # what it is booked at; null in reserved rows, as all below but the attempt
    ("output_tokens", _INT),
    ("usd", _REAL),
    ("calls", _INT),
    ("reply", _TEXT),  # JSON
    ("failure_kind", _TEXT),
    ("failure_message", _TEXT),
    ("failure_component", _TEXT),
    ("failure_detail", _TEXT),
    _timing("attempt", _INT),
    _timing("seconds", _REAL),
    _timing("at", _TIME),
)
_DECISIONS: Final = _schema(
    ("kind", _TEXT),  # ask, tell, archive, bandit, evaluation, audit, champion, open_split, crown
    ("number", _INT),  # of the brief, or of the candidate that it is about
    ("told", _INT),  # of an ask: how many results the state had
    ("operator", _TEXT),
    ("island", _INT),
    ("parents", _NUMBERS),
    ("seed", _SEED),
    ("detail", _TEXT),  # JSON
    _timing("n_rows", _INT),  # of other tables in the same write, which counts only with all of them
    _timing("at", _TIME),
)
_EVENTS: Final = _schema(
    ("kind", _TEXT),  # start, stop, export, repair
    ("message", _TEXT),
    ("detail", _TEXT),  # JSON
    _timing("at", _TIME),
)
SCHEMAS: Final = MappingProxyType(
    dict(zip(TABLES, (_CANDIDATES, _TEXTS, _SCORES, _SPANS, _CALLS, _DECISIONS, _EVENTS), strict=True)),
)


def lasting_columns(table: TableName) -> tuple[str, ...]:
    """The columns that two runs of the same search agree on, in the table's order."""
    return tuple(field.name for field in SCHEMAS[table] if not (field.metadata or {}).get(b"timing"))


def as_current(table: pa.Table, schema: pa.Schema, *, file: str) -> pa.Table:
    """A table that was read, with this version's columns; those that its version had not yet are null.

    Args:
        table: As it stands in the file.
        schema: This version's.
        file: Where it is from.

    Raises:
        RunError: If it is of a version that is not known here, naming the file and both versions.
    """
    found = _version(table)
    if found != str(SCHEMA_VERSION) and found not in _ADDED:
        raise RunError(
            f"{file} has lineage schema version {found}, this Graftwork reads version {SCHEMA_VERSION}: use the one that wrote it"
        )
    if found in _WITHOUT_TEXTS and "source" in table.column_names:
        pieces = [None if text is None else [text_digest(text)] for text in table["source"].to_pylist()]
        table = table.append_column(pa.field("pieces", _DIGESTS), pa.array(pieces, type=_DIGESTS))
    for field in schema:
        if field.name in _ADDED.get(found, ()) and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)


def texts_within(table: pa.Table) -> pa.Table:
    """The texts that a table of candidates of an earlier version holds itself; none of a table of this version."""
    if _version(table) not in _WITHOUT_TEXTS:
        return _TEXTS.empty_table()
    texts = sorted({text for text in table["source"].to_pylist() if text is not None})
    return pa.Table.from_pylist([{"digest": text_digest(text), "text": text} for text in texts], schema=_TEXTS)


def _version(table: pa.Table) -> str:
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    return metadata.get(b"schema_version", b"none").decode("ascii", "replace")
