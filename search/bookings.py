"""Bookings: what the recorded model calls come to, without looking at them one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graftwork.programs.failure import FAULTS_OF_THE_PROGRAM
from graftwork.programs.model import Role, Usage

__all__ = ["Bookings", "recorded_bookings"]

_USAGE = ("input_tokens", "output_tokens", "usd", "calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookings:
    """The recorded calls of a run.

    Attributes:
        settled: What settled calls are booked at, by role.
        unsettled: The rows of reservations without a settlement.
        lasting: `key`, `draw` and `row`, its place in the table, of every settled call whose answer lasts, in the order of writing.
    """

    settled: Mapping[Role, Usage]
    unsettled: pa.Table
    lasting: pa.Table


def recorded_bookings(calls: pa.Table) -> Bookings:
    """What a table of calls comes to; its column `reply` need not be there."""
    calls = calls.append_column("row", pa.array(np.arange(calls.num_rows)))
    settled = calls.filter(pc.field("event") == "settled")
    reserved = calls.filter(pc.field("event") == "reserved")
    sums = settled.group_by(["role"], use_threads=False).aggregate([(name, "sum") for name in _USAGE]).to_pylist()
    lasts = pc.field("failure_kind").is_null() | pc.field("failure_kind").isin(sorted(FAULTS_OF_THE_PROGRAM))
    return Bookings(
        settled={row["role"]: Usage(**{name: row[f"{name}_sum"] for name in _USAGE}) for row in sums},
        unsettled=reserved.filter(~pc.field("id").isin(settled["id"].combine_chunks())),
        lasting=settled.filter(lasts).select(["key", "draw", "row"]),
    )
