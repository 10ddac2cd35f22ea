"""SQL over a run: DuckDB on the tables of its lineage, with no way to a file, to the network or to another database.

The database is in memory and holds nothing but views of the tables, as of when it was opened: a run that goes on is read as it stands,
and no query can change it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from graftwork.programs.errors import ConfigError, UserError

from .record import Record
from .schema import TableName

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Answer", "Described", "Queries", "relations"]

_VIEWS: Final[Mapping[str, str]] = {
    "programs": """
        select number, string_agg(text, '' order by place) as source
        from (select number, unnest(pieces) as digest, generate_subscripts(pieces, 1) as place from candidates) join texts using (digest)
        group by number
    """,
}
_LOCKS: Final = "set temp_directory = ''; set enable_external_access = false; set lock_configuration = true"
_CHUNK_ROWS: Final = 1_000
_LISTING: Final = (
    'select table_name as "table", column_name as "column", data_type as "type" from information_schema.columns '
    "order by table_name, ordinal_position"
)


def relations(record: Record) -> Mapping[TableName, Any]:
    """What can be asked by name: Arrow datasets, all as of the same instant.

    Raises:
        RunError: If a file is damaged or cannot be read.
    """
    return record.datasets()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query gave.

    Attributes:
        columns: Their names, each once.
        rows: One tuple for each row, read from the query as they are taken.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A table or view that can be asked.

    Attributes:
        name: As a query names it.
        columns: SQL types by name, in the table's order.
    """

    name: str
    columns: Mapping[str, str]


class Queries:
    """A run, ready to be asked. A context manager.

    Args:
        record: The run.

    Attributes:
        listing: The query that lists every column of every table.

    Raises:
        ConfigError: If DuckDB is not installed.
        RunError: If the run is damaged or cannot be read.
    """

    listing: Final = _LISTING

    def __init__(self, record: Record) -> None:
        try:
            import duckdb  # here: an optional extra
        except ImportError:
            raise ConfigError("SQL needs DuckDB, which is not installed: pip install 'graftwork[sql]'") from None
        self._error: type[Exception] = duckdb.Error
        # Else a name in a query might be a variable of this process.
        self._connection: DuckDBPyConnection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
        for name, relation in relations(record).items():
            self._connection.register(name, relation)
        for view, query in _VIEWS.items():
            self._connection.execute(f"create view {view} as {query}")
        self._connection.execute(_LOCKS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._connection.close()

    def ask(self, query: str) -> Answer:
        """Run one query that reads.

        Raises:
            UserError: If it is not one, or DuckDB refuses it; where a name is wrong, with those that there are.
        """
        try:
            statements = self._connection.extract_statements(query)
            kinds = [statement.type.name for statement in statements]
            if kinds not in (["SELECT"], ["EXPLAIN"]):
                given = ", ".join(kinds) or "none"
                raise UserError(f"expected one SELECT or EXPLAIN, and this is {given}: only what reads is run")
            self._connection.execute(statements[0])
        except self._error as error:
            raise UserError(self._refusal(str(error), query)) from None
        names = [column[0] for column in self._connection.description or ()]
        return Answer(columns=_each_once(names), rows=self._rows(query))

    def described(self) -> tuple[Described, ...]:
        """Every table and view with its columns."""
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self._connection.execute(self.listing).fetchall():
            found.setdefault(table, {})[column] = kind
        return tuple(Described(name=name, columns=columns) for name, columns in found.items())

    def _rows(self, query: str) -> Iterator[tuple[object, ...]]:
        try:
            while chunk := self._connection.fetchmany(_CHUNK_ROWS):
                yield from chunk
        except self._error as error:  # what a value does, such as a division or a cast, shows only now
            raise UserError(self._refusal(str(error), query)) from None

    def _refusal(self, message: str, query: str) -> str:
        """DuckDB's message in one line, and the names that would have done."""
        told = " ".join(message.partition("\n\nLINE")[0].split())
        known = self.described()
        if told.startswith("Catalog Error: Table"):
            return f"{told} (there are {', '.join(table.name for table in known)})"
        if not told.startswith("Binder Error") or "column" not in told:
            return told
        words = set(re.findall(r"\w+", query.lower()))
        named = [f"{table.name} has {', '.join(table.columns)}" for table in known if table.name in words]
        return f"{told} ({'; '.join(named)})" if named else told


def _each_once(names: list[str]) -> tuple[str, ...]:
    """The names; one that stands there again with a number, so that a row can be an object of JSON."""
    kept: list[str] = []
    for name in names:
        new, again = name, 1
        while new in kept:
            again += 1
            new = f"{name}_{again}"
        kept.append(new)
    return tuple(kept)
