"""What a run cost, summed by anything, is what its ledger booked, calls in doubt included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from graftwork.evaluators.call_store import Reservation, Settlement
from graftwork.programs.errors import ConfigError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Role, Usage
from graftwork.search.costs import Cost, CostKey, Costs
from graftwork.search.lineage import Lineage
from graftwork.search.record import open_run
from graftwork.search.recorded_calls import LineageCallStore

from .lineage_values import brief, result

HOUR_S = 3600.0
RESERVED = Usage(input_tokens=100, output_tokens=50, usd=0.25, calls=1)


def replied(call_id: str, tokens: int, *, model: str = "small", text: str = "") -> Settlement:
    usage = Usage(input_tokens=tokens, output_tokens=1, usd=tokens / 1000, calls=1)
    return Settlement(id=call_id, reply=Reply(text=text, usage=usage, model=model), usage=usage)


def write_calls(run_dir: Path) -> Usage:
    """A run with calls of two roles and hours; the ledger's sum of them."""
    now = [1_800_000_000.0 - 1_800_000_000.0 % HOUR_S]
    (run_dir / "run.toml").write_text('[models]\ntask = "small@http://here"\nproposer = "large"\n')
    with Lineage(run_dir, clock=lambda: now[0]) as lineage:
        store = LineageCallStore(lineage)

        def reserve(call_id: str, role: Role, candidate: int) -> None:
            store.reserve(Reservation(id=call_id, role=role, key="k", draw=call_id, candidate=candidate, reserved=RESERVED))

        lineage.result(replace(result(0), operator="seed", parents=()))
        for place, candidate in enumerate((0, 1, 2)):
            reserve(f"t{place}", "task", candidate)
        store.settle(replied("t0", 10))
        store.settle(replied("t1", 20, text='"model":"liar" \\"model\\":\\"liar\\"'))
        store.settle(Settlement(id="t2", failure=Failure(kind="model", message="429"), usage=Usage()))  # not served
        lineage.brief(brief(1))
        lineage.result(result(1))
        lineage.brief(replace(brief(2), operator="blend"))  # asked, and not told yet
        now[0] += HOUR_S
        for call_id in ("p0", "p1", "p2"):
            reserve(call_id, "proposer", 2)
        store.settle(replied("p0", 40, model="large-2026"))
        store.settle(Settlement(id="p1", failure=Failure(kind="model", message="lost"), usage=RESERVED))  # in doubt
        booked = [one.usage for one in store.booked()]  # p2 is in flight
    return sum(booked, Usage())


def told(costs: tuple[Cost, ...]) -> list[tuple[object, ...]]:
    return [(*cost.keys.values(), cost.calls, cost.failed, cost.in_doubt, round(cost.usd, 6)) for cost in costs]


def test_every_way_of_summing_gives_what_the_ledger_booked(tmp_path: Path) -> None:
    booked = write_calls(tmp_path)
    costs = Costs(open_run(tmp_path))
    for keys in ((), *((key,) for key in get_args(CostKey)), ("role", "hour"), get_args(CostKey)):
        rows = costs.by(*keys)
        assert sum(row.usd for row in rows) == pytest.approx(booked.usd)
        assert sum(row.calls for row in rows) == booked.calls
        assert (sum(row.input_tokens for row in rows), sum(row.output_tokens for row in rows)) == (
            booked.input_tokens,
            booked.output_tokens,
        )
    assert costs.total.usd == pytest.approx(0.57)
    assert (costs.total.in_doubt, costs.total.usd_in_doubt) == (2, 0.5)


def test_costs_are_told_by_role_operator_model_and_hour(tmp_path: Path) -> None:
    write_calls(tmp_path)
    costs = Costs(open_run(tmp_path))
    assert told(costs.by("role")) == [("proposer", 3, 1, 2, 0.54), ("task", 2, 1, 0, 0.03)]
    assert told(costs.by("operator")) == [("blend", 3, 2, 2, 0.54), ("perturb", 1, 0, 0, 0.02), ("seed", 1, 0, 0, 0.01)]
    assert told(costs.by("model")) == [("large", 2, 1, 2, 0.5), ("large-2026", 1, 0, 0, 0.04), ("small", 2, 1, 0, 0.03)]
    assert told(costs.by("hour")) == [("2027-01-15 08:00", 2, 1, 0, 0.03), ("2027-01-15 09:00", 3, 1, 2, 0.54)]
    assert told(costs.by("operator", "role"))[0] == ("blend", "proposer", 3, 1, 2, 0.54)


def test_a_run_without_calls_cost_nothing(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.result(result(0))
    costs = Costs(open_run(tmp_path))
    assert costs.by("role", "model") == ()
    assert (costs.total.calls, costs.total.usd) == (0, 0)


def test_a_key_that_there_is_not_is_one_clear_line(tmp_path: Path) -> None:
    write_calls(tmp_path)
    with pytest.raises(ConfigError, match="by role, operator, model, hour, not by 'day'"):
        Costs(open_run(tmp_path)).by("role", "day")
