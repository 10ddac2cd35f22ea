"""Rows as a table, in the terminal, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["as_json", "plain_table", "print_csv", "print_json_rows", "print_rows"]

_SHOWN_CHARS: Final = 20_000  # of all cells of a column together: one program is shown whole, forty are not
_CELL_CHARS: Final = 240
_COLUMN_WIDTH: Final = 9  # narrower than this on average, a table cannot be read


def plain_table(rows: Iterable[Mapping[str, object]], *, title: str) -> Table | str:
    """A small table of our own making; in one line where it has no rows."""
    listed = list(rows)
    if not listed:
        return f"{title}: none"
    return _table(list(listed[0]), [[str(cell) for cell in row.values()] for row in listed], title=title)


def print_rows(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows of anything as a table; where that would be too wide, each row as lines of column and value."""
    listed = list(rows)
    most = max(_CELL_CHARS, _SHOWN_CHARS // max(1, len(listed)))
    cells = [[_cell(value, most) for value in row] for row in listed]
    if len(columns) * _COLUMN_WIDTH <= console.width:
        console.print(_table(columns, cells))
        return
    width = max(map(len, columns))
    for number, row in enumerate(cells):
        console.print(f"row {number}", style="bold", markup=False, highlight=False)
        for column, cell in zip(columns, row, strict=True):
            below = cell.rstrip("\n").replace("\n", f"\n{'':<{width + 4}}")
            console.print(f"  {column:<{width}}  {below}", markup=False, highlight=False, soft_wrap=True)


def print_json_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a JSON list of objects to standard output, one on a line, as they come."""
    mark = "["
    for row in rows:
        sys.stdout.write(f"{mark}\n{as_json(dict(zip(columns, row, strict=True)))}")
        mark = ","
    sys.stdout.write("[]\n" if mark == "[" else "\n]\n")


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write CSV to standard output, as rows come; nothing for null, JSON for what holds other values."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([as_json(cell) if isinstance(cell, list | dict) else cell for cell in row] for row in rows)


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON text; dates as text, and null for numbers that JSON has none for."""
    return json.dumps(_finite(value), default=str, ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _table(columns: Sequence[str], cells: Iterable[Sequence[str]], *, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _cell(value: object, most: int) -> str:
    """A value in at most so many characters, none of which moves the cursor: texts in a run are written by models and programs."""
    if isinstance(value, float):
        return f"{value:.8g}"
    text = "null" if value is None else as_json(value) if isinstance(value, list | dict) else str(value)
    text = text if len(text) <= most else f"{text[:most]}… {len(text)} characters"
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
