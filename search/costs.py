"""Costs: what a run's model calls were booked at, by who asked, for what, whom and when. The sums are the ledger's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from graftwork.programs.errors import ConfigError

from .record import Record

__all__ = ["Cost", "CostKey", "Costs"]

CostKey = Literal["role", "operator", "model", "hour"]
# JSON text escapes the quotes in every string, so that this stands nowhere but where the reply says its model.
_MODEL: Final = r'"model":"(?P<model>(?:[^"\\]|\\.)+)"'
_SUMS: Final = ("calls", "failed", "in_doubt", "input_tokens", "output_tokens", "usd", "usd_in_doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What some model calls were booked at.

    Attributes:
        keys: What these calls have in common: `role`, `operator`, `model` or `hour` (UTC), by name.
        calls: Calls that count: attempts that the endpoint did not serve are none.
        failed: Attempts that ended with a failure.
        in_doubt: Calls that were sent while nobody knows whether the endpoint billed them; they count at what they had reserved. Those
            in flight are among them.
        input_tokens: As booked.
        output_tokens: As booked.
        usd: At list price.
        usd_in_doubt: The part of `usd` that the calls in doubt had reserved.
    """

    keys: Mapping[str, str]
    calls: int
    failed: int
    in_doubt: int
    input_tokens: int
    output_tokens: int
    usd: float
    usd_in_doubt: float


class Costs:
    """A run's model calls, as booked when this was made.

    Args:
        record: The run.

    Raises:
        RunError: If it is damaged or cannot be read.
    """

    def __init__(self, record: Record) -> None:
        tables = record.tables()
        calls = _booked(tables["calls"])
        keys = {
            "role": calls["role"],
            "operator": _operators(calls["candidate"], tables),
            "model": _models(calls, record, tables["decisions"]),
            "hour": pc.strftime(calls["at"], format="%Y-%m-%d %H:00"),
        }
        self._calls = pa.table({**keys, **{name: calls[name] for name in _SUMS}})

    @property
    def total(self) -> Cost:
        """All calls together."""
        return self.by()[0]

    def by(self, *keys: str) -> tuple[Cost, ...]:
        """The calls summed by one or more keys, in the order of their values; by none, one sum of all.

        Raises:
            ConfigError: If a key is none.
        """
        for key in keys:
            if key not in get_args(CostKey):
                raise ConfigError(f"costs are told by {', '.join(get_args(CostKey))}, not by {key!r}")
        summed = self._calls.group_by(list(keys)).aggregate([(name, "sum") for name in _SUMS])
        rows: list[dict[str, Any]] = summed.sort_by([(key, "ascending") for key in keys]).to_pylist() if keys else summed.to_pylist()
        return tuple(Cost(keys={key: str(row[key]) for key in keys}, **{name: row[f"{name}_sum"] or 0 for name in _SUMS}) for row in rows)


def _booked(calls: pa.Table) -> pa.Table:
    """One row for each attempt: settled at its usage, else at its reservation."""
    settled = calls.filter(pc.field("event") == "settled")
    reserved = calls.filter(pc.field("event") == "reserved")
    unsettled = reserved.filter(pc.invert(pc.is_in(reserved["id"], value_set=settled["id"].combine_chunks())))
    for name in ("input_tokens", "output_tokens", "usd"):
        place = unsettled.column_names.index(name)
        unsettled = unsettled.set_column(place, unsettled.schema.field(name), unsettled[f"reserved_{name}"])
    ones = pa.array([1] * unsettled.num_rows, pa.int64())
    unsettled = unsettled.set_column(unsettled.column_names.index("calls"), "calls", ones)
    booked = pa.concat_tables([settled, unsettled])
    failed = pc.cast(booked["failure_kind"].is_valid(), pa.int64())
    # What the endpoint did not serve is booked at no call.
    in_doubt = pc.multiply(pc.cast(booked["reply"].is_null(), pa.int64()), booked["calls"])
    columns = {"failed": failed, "in_doubt": in_doubt, "usd_in_doubt": pc.multiply(pc.cast(in_doubt, pa.float64()), booked["usd"])}
    for name, column in columns.items():
        booked = booked.append_column(name, column)
    return booked


def _operators(candidates: pa.ChunkedArray, tables: Mapping[Any, pa.Table]) -> pa.ChunkedArray:
    """The operator that each call's candidate was made by, or is being made by; the seed's own is `seed`."""
    told, asked = tables["candidates"], tables["decisions"].filter(pc.field("kind") == "ask")
    numbers = pa.chunked_array([*told["number"].chunks, *asked["number"].chunks, [0]], pa.int64())
    names = pa.chunked_array([*told["operator"].chunks, *asked["operator"].chunks, ["seed"]], pa.string())
    return names.take(pc.index_in(candidates, value_set=numbers.combine_chunks())).fill_null("unknown")


def _models(calls: pa.Table, record: Record, decisions: pa.Table) -> pa.ChunkedArray:
    """The model that answered, as the endpoint names it; where none did, the one that has the role, of several proposers the one chosen."""
    answered = pc.struct_field(pc.extract_regex(calls["reply"], _MODEL), "model")
    aliases = record.config.get("models", {}) if (record.path / "run.toml").is_file() else {}
    chosen = _chosen_proposers(decisions)
    asked = zip(calls["role"].to_pylist(), calls["candidate"].to_pylist(), strict=True)
    names = ((chosen.get(candidate) if role == "proposer" else None, aliases.get(role, "unknown")) for role, candidate in asked)
    named = pa.chunked_array([[str(one or other).partition("@")[0] for one, other in names]], pa.string())
    return pc.coalesce(answered, named)


def _chosen_proposers(decisions: pa.Table) -> dict[int, str]:
    """The proposer that each brief chose, by its number; none of a run that has one only."""
    asks = decisions.filter((pc.field("kind") == "ask") & pc.match_substring(pc.field("detail"), '"proposer"'))
    return {
        number: json.loads(detail)["proposer"]
        for number, detail in zip(asks["number"].to_pylist(), asks["detail"].to_pylist(), strict=True)
    }
