"""Datasets: rows of a JSONL, CSV, TSV or Parquet file, or of any Python iterable, as rows of examples that know where they stand.

Files are read line by line, or batch by batch, so that no more than the rows themselves are in memory. Paths are relative to the task
file's folder while it is loaded, else to the working directory.

Types are kept: what is a number, a list or null in JSONL or Parquet is one for the program. A CSV cell is text, always and as it stands:
whether `007`, `1e5` or `true` is a number or a name is for the author to say, by `convert={"price": float, "tags": json.loads}`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, overload

from graftwork.programs.errors import TaskError

from .blame import blaming
from .examples import PlacedRow, RowPlace
from .make_task import TASK_FOLDER
from .task import SPLITS

__all__ = ["read_examples"]

TableRow = Mapping[str, object]
Converter = Callable[[Any], object]

_DELIMITERS: Final[Mapping[str, str]] = {".csv": ",", ".tsv": "\t"}
_BATCH_ROWS: Final = 1_000


@overload
def read_examples(
    source: str | Path | Iterable[TableRow],
    *,
    inputs: str | Collection[str] | Mapping[str, str],
    target: str | None = None,
    split: None = None,
    convert: Mapping[str, Converter] | None = None,
) -> tuple[PlacedRow, ...]: ...


@overload
def read_examples(
    source: str | Path | Iterable[TableRow],
    *,
    inputs: str | Collection[str] | Mapping[str, str],
    target: str | None = None,
    split: str,
    convert: Mapping[str, Converter] | None = None,
) -> Mapping[str, tuple[PlacedRow, ...]]: ...


def read_examples(
    source: str | Path | Iterable[TableRow],
    *,
    inputs: str | Collection[str] | Mapping[str, str],
    target: str | None = None,
    split: str | None = None,
    convert: Mapping[str, Converter] | None = None,
) -> tuple[PlacedRow, ...] | Mapping[str, tuple[PlacedRow, ...]]:
    """The examples of a dataset: for `examples=` of a task, which makes their ids of the content and refuses what stands there twice.

    Args:
        source: A file that ends in .jsonl, .ndjson, .csv, .tsv or .parquet, in UTF-8; or mappings, such as rows of a data frame.
        inputs: Columns that are the entry's parameters of the same names; or parameters by column, such as `{"Question": "question"}`.
        target: The column that the scorer compares with; None where it needs none.
        split: The column that says train, val, confirm or test; then the rows come by split. None gives one list.
        convert: Functions that make the value of a column, such as `{"price": float}`; needed for what is not text in a CSV file.

    Raises:
        TaskError: If the file cannot be read, or a row lacks a column or cannot be converted, with its file and line.
    """
    columns = _Columns(inputs=_parameters(inputs), target=target, split=split, convert=dict(convert or {}))
    columns.check()
    rows = [(columns.split_of(row, where), columns.placed(row, where)) for row, where in _rows(source, columns)]
    if split is None:
        return tuple(row for _, row in rows)
    return {name: tuple(row for of, row in rows if of == name) for name in SPLITS if any(of == name for of, _ in rows)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """What becomes of a row's columns."""

    inputs: Mapping[str, str]
    target: str | None
    split: str | None
    convert: Mapping[str, Converter]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are used."""
        return tuple(dict.fromkeys((*self.inputs, *(name for name in (self.target, self.split) if name is not None))))

    def check(self) -> None:
        if self.target is not None and self.target in self.inputs:
            raise TaskError(f"the column {self.target!r} is target and input at once: the program would be told the answer")
        for name, converter in self.convert.items():
            if name not in self.inputs and name != self.target:
                raise TaskError(f"convert names {name!r}, which is no input or target ({', '.join(self.names)})")
            if converter is bool or not callable(converter):
                instead = "json.loads for true and false, since bool('false') is True" if converter is bool else "a function such as float"
                raise TaskError(f"convert must give {name!r} {instead}, not {converter!r}")

    def placed(self, row: TableRow, where: RowPlace) -> PlacedRow:
        inputs = {parameter: self._value(row, name, where) for name, parameter in self.inputs.items()}
        return PlacedRow(inputs=inputs, target=None if self.target is None else self._value(row, self.target, where), place=where)

    def split_of(self, row: TableRow, where: RowPlace) -> str:
        if self.split is None:
            return ""
        name = _column(row, self.split, where)
        if name not in SPLITS:
            raise TaskError(f"{where}: the column {self.split!r} must be one of {', '.join(SPLITS)}, not {name!r:.80}")
        return str(name)

    def _value(self, row: TableRow, name: str, where: RowPlace) -> object:
        value = _column(row, name, where)
        if name not in self.convert:
            return value
        with blaming(f"{where}, column {name!r}: converting {value!r:.80} raised"):
            return self.convert[name](value)


def _parameters(inputs: object) -> Mapping[str, str]:
    """Parameters by column."""
    if isinstance(inputs, str):
        inputs = (inputs,)
    named = inputs if isinstance(inputs, Mapping) else {name: name for name in inputs} if isinstance(inputs, Collection) else {}
    if not named or not all(isinstance(name, str) for pair in named.items() for name in pair):
        raise TaskError(f"inputs must be column names, or parameters by column, not {inputs!r}")
    if len(set(named.values())) < len(named):
        raise TaskError(f"inputs must give each parameter one column: {', '.join(map(str, named.values()))}")
    return named


def _column(row: TableRow, name: str, where: RowPlace | Path) -> object:
    if name not in row:
        raise TaskError(f"{where} has no column {name!r}; it has {', '.join(map(str, row)) or 'none'}")
    return row[name]


def _rows(source: str | Path | Iterable[TableRow], columns: _Columns) -> Iterator[tuple[TableRow, RowPlace]]:
    """Rows with the words for where they stand."""
    if not isinstance(source, str | Path):
        yield from _of_iterable(source)
        return
    file = (TASK_FOLDER.get() or Path.cwd()) / source
    suffix = file.suffix.lower()
    with _readable(file):
        if suffix in {".jsonl", ".ndjson"}:
            yield from _of_jsonl(file)
        elif suffix in _DELIMITERS:
            yield from _of_csv(file, _DELIMITERS[suffix])
        elif suffix == ".parquet":
            yield from _of_parquet(file, columns)
        else:
            raise TaskError(f"{file} must end in .jsonl, .ndjson, .csv, .tsv or .parquet; rows of anything else can be given as mappings")


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise TaskError(f"there is no file {file}: give its path relative to {TASK_FOLDER.get() or Path.cwd()}") from None
    except UnicodeDecodeError as error:
        raise TaskError(f"{file} must be UTF-8 text: {error}") from None
    except OSError as error:
        raise TaskError(f"{file} cannot be read: {error.strerror or error}") from None


def _of_iterable(source: object) -> Iterator[tuple[TableRow, RowPlace]]:
    if not isinstance(source, Iterable) or isinstance(source, bytes | Mapping):
        raise TaskError(f"a dataset must be a file's path or an iterable of mappings, not a {type(source).__name__}")
    for number, row in enumerate(source):
        if not isinstance(row, Mapping):
            raise TaskError(f"rows[{number}] of a dataset must be a mapping by column, not a {type(row).__name__}")
        yield row, RowPlace("rows", number)


def _of_jsonl(file: Path) -> Iterator[tuple[TableRow, RowPlace]]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = RowPlace(str(file), number, "line")
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise TaskError(f"{where} must be a JSON object: {error}") from None
            if not isinstance(row, dict):
                raise TaskError(f"{where} must be a JSON object, not a {type(row).__name__}")
            yield row, where


def _of_csv(file: Path, delimiter: str) -> Iterator[tuple[TableRow, RowPlace]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        names: list[str] | None = None
        first = 1
        while True:
            where = RowPlace(str(file), first, "line")
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise TaskError(f"{where} cannot be read as CSV: {error} (fields may have {csv.field_size_limit()} characters)") from None
            if cells is None:
                return
            if names is None:
                names = _header(cells, where)
            elif cells and len(cells) != len(names):
                raise TaskError(f"{where} has {len(cells)} fields, and the header {len(names)}: {', '.join(names)}")
            elif cells:
                yield dict(zip(names, cells, strict=True)), where
            first = reader.line_num + 1


def _header(names: list[str], where: RowPlace) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TaskError(f"{where} must name each column once, and names {twice[0]!r} twice")
    return names


def _of_parquet(file: Path, columns: _Columns) -> Iterator[tuple[TableRow, RowPlace]]:
    import pyarrow as pa  # here: importing it takes longer than reading most datasets
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as parquet:
            there = parquet.schema_arrow.names
            for name in columns.names:
                _column(dict.fromkeys(there), name, file)
            number = 0
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns.names)):
                for row in batch.to_pylist():
                    number += 1
                    yield row, RowPlace(str(file), number, "row")
    except pa.ArrowException as error:
        raise TaskError(f"{file} cannot be read as Parquet: {error}") from None
