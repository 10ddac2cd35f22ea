"""Circle packing without a search: zero tolerance, the seed program, the control."""

from __future__ import annotations

import math
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graftwork as gw
from tests.examples.running import EXAMPLES, evaluate_program, load_module

FOLDER = EXAMPLES / "circle_packing"


@pytest.fixture(scope="module")
def task() -> gw.Task:
    return gw.load_task(FOLDER)


def judged(task: gw.Task, output: object, n: int) -> gw.Score:
    return cast("gw.Score", task.scorer(output, gw.Example(id="0" * 16, inputs={"n": n, "seed": 0})))


def test_the_seed_program_packs_26_and_32_circles_legally(task: gw.Task) -> None:
    for examples in (task.splits["val"], task.transfer["n_32"]):
        evaluation = evaluate_program(task.seed.source, examples, task=task)
        assert evaluation.failures == ()
        assert all(2.0 < cast("float", value) < 2.6 for value in evaluation.values)


def test_other_seeds_give_other_packings_and_the_same_seed_the_same(task: gw.Task) -> None:
    first, second = task.splits["val"]
    values = evaluate_program(task.seed.source, [first, second, first], task=task).values
    assert values[0] == values[2] != values[1]


def test_circles_that_touch_are_legal_and_the_next_larger_float_is_not(task: gw.Task) -> None:
    quarter = [[0.25, 0.25, 0.25], [0.75, 0.25, 0.25], [0.25, 0.75, 0.25], [0.75, 0.75, 0.25]]
    assert judged(task, quarter, 4).value == 1.0
    wider = [[0.25, 0.25, math.nextafter(0.25, 1)], *quarter[1:]]
    assert "beyond the unit square" in judged(task, wider, 4).invalid
    two = [[0.5, 0.5, 0.25], [0.875, 0.5, 0.125]]
    assert judged(task, two, 2).value == 0.375
    nearer = [[0.5, 0.5, math.nextafter(0.25, 1)], two[1]]
    assert "circles 0 and 1 overlap" in judged(task, nearer, 2).invalid


@pytest.mark.parametrize(("output", "reason"), [
    (None, "expected a list of 2 circles, got None"),
    ([[0.5, 0.5, 0.5]], "got a list of 1"),
    ([[0.5, 0.5, 0.1], "circle"], "circle 1 must be [x, y, radius]"),
    ([[0.5, 0.5, 0.1], [0.5, 0.5]], "circle 1 must be"),
    ([[0.5, 0.5, 0.1], [0.1, 0.1, math.nan]], "finite"),
    ([[0.5, 0.5, 0.1], [math.inf, 0.1, 0.0]], "finite"),
    ([[0.5, 0.5, 0.1], [True, 0.1, 0.0]], "finite"),
    ([[0.5, 0.5, 0.1], [0.1, 0.1, 10**400]], "finite"),
    ([[0.5, 0.5, 0.1], [1e308, 1e308, 1e308]], "none beyond a million"),
    ([[0.5, 0.5, 0.1], [1e6, 1e6, 1e6]], "circle 1 reaches"),
    ([[0.5, 0.5, 0.1], [0.1, 0.1, -0.01]], "negative radius"),
    ([[0.5, 0.5, 0.1], [1.5, 0.1, 0.0]], "circle 1 reaches 0.5 beyond"),
    ([[0.5, 0.5, 0.1], [0.5, 0.5, 0.0]], "overlap by 0.1"),
])  # fmt: skip
def test_what_is_no_legal_packing_is_invalid(task: gw.Task, output: object, reason: str) -> None:
    score = judged(task, output, 2)
    assert score.value is None
    assert reason in score.invalid


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=4))
def test_no_legal_packing_covers_more_than_the_square(task: gw.Task, circles: list[tuple[float, float, float]]) -> None:
    shrunk = [[x, y, r / 4] for x, y, r in circles]
    score = judged(task, shrunk, len(shrunk))
    if not score.invalid:
        assert math.pi * sum(r * r for _, _, r in shrunk) <= 1
        assert 0 <= cast("float", score.value) <= math.sqrt(len(shrunk) / math.pi)


def test_the_control_is_legal_and_better_than_the_seed(task: gw.Task) -> None:
    pytest.importorskip("scipy", reason="the control needs the extra `examples`")
    circles, n_starts = load_module(FOLDER / "control.py").multistart(10, cpu_s=1.0, seed=0)
    assert n_starts >= 1
    score = judged(task, circles.tolist(), 10)
    assert not score.invalid
    assert cast("float", score.value) > 1.5
