"""Forking: the first part of a record as the beginning of another."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from .manifest import Manifest
from .schema import TABLES, TableName
from .segments import read_tables, seal
from .tails import FullTail

__all__ = ["copy_until"]

_OF_THE_SEARCH: Final = ("val", "train")
_TAKEN_OVER: Final = ("ask", "tell")  # what archives made of it is decided anew


def copy_until(source: Path, target: Path, number: int) -> None:
    """Make a lineage of the results of another up to a number, with every text and every model call of that one.

    Args:
        source: The other's folder; it may be written meanwhile.
        target: The new one's; it must not exist.
        number: Of the last result.

    Raises:
        RunError: If the other is damaged.
        OSError: If the disk does not take it.
    """
    target.mkdir(parents=True)
    tables = dict(read_tables(source, TABLES))
    of_results = (pc.field("candidate") <= number) & pc.field("split").isin(_OF_THE_SEARCH)
    kept: dict[TableName, pc.Expression] = {
        "candidates": pc.field("number") <= number,
        "scores": of_results,
        "spans": of_results,
        "decisions": (pc.field("number") <= number) & pc.field("kind").isin(_TAKEN_OVER),
    }
    for name, where in kept.items():
        tables[name] = tables[name].filter(where)
    del tables["events"]
    group = max((pc.max(table["group"]).as_py() for table in tables.values() if table.num_rows), default=0)
    full: dict[TableName, FullTail] = {name: FullTail(table=table) for name, table in tables.items() if table.num_rows}
    for name in full:
        (target / name).mkdir()
    seal(target, Manifest(), full, group=group)
