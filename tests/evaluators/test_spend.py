"""Money as a whole: a ceiling against a real endpoint, in a process that is killed on the way."""

from __future__ import annotations

import pytest

from benchmarks.spend import Plan, spend

pytestmark = pytest.mark.slow


def test_the_ledger_equals_the_endpoints_count_and_neither_passes_the_ceiling() -> None:
    spent = spend(Plan(calls=200, in_flight=64, kills=0, seed=1))
    assert spent.ledger == pytest.approx(spent.endpoint, rel=1e-9)
    assert 0.9 * spent.ceiling < spent.ledger <= spent.ceiling
    assert spent.calls > 100


def test_killed_on_the_way_the_ledger_is_never_below_the_endpoints_count_nor_above_the_ceiling() -> None:
    spent = spend(Plan(calls=400, in_flight=64, kills=1, seed=2))
    assert spent.endpoint * (1 - 1e-12) <= spent.ledger <= spent.ceiling  # they add the same amounts in another order
    assert spent.ledger > 0.9 * spent.ceiling
