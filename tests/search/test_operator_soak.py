"""Operators without a model, in chains over every example program: a small version of `benchmarks/operator_soak.py`."""

from __future__ import annotations

import sys

import pytest

from benchmarks.operator_soak import Bounds, Row, soak, table, tasks
from graftwork.programs.parse import parse
from graftwork.search.catalogue import variations

_APPLICATIONS = 1_500
_LEAST = 10  # a share of fewer says nothing


@pytest.mark.timeout(600)
def test_operators_keep_their_promises_and_give_new_programs_where_they_say_that_they_apply(capsys: pytest.CaptureFixture[str]) -> None:
    rows = soak(_APPLICATIONS, seed=0, tasks=tasks())
    with capsys.disabled():
        sys.stdout.write(f"\n{table(rows)}\n")
    assert {operator for operator, _ in rows} == set(variations())
    low = {key: f"{row.rate:.0%} of {row.held}" for key, row in rows.items() if row.says and row.held >= _LEAST and row.rate < 0.6}
    assert low == {}
    assert any(row.new for row in rows.values())


def test_the_rate_counts_only_where_the_precondition_held() -> None:
    assert Row(calls=9, held=4, new=3).rate == 0.75
    assert Row(calls=9).rate == 1.0


def test_a_small_seed_has_room_to_grow_and_no_more() -> None:
    bounds = Bounds.of(parse("def solve(x):\n    return x\n"))
    assert (bounds.components, bounds.nodes) == (20, 4024)
