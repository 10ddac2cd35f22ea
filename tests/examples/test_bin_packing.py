"""Online bin packing without a search: the published figures, legality, the score, causality."""

from __future__ import annotations

import random
from statistics import mean
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graftwork as gw
from graftwork.evaluators.task import SPLITS
from tests.examples.running import EXAMPLES, evaluate_program, load_module

FOLDER = EXAMPLES / "bin_packing"
FIRST_FIT = "\n\ndef priority(item, gaps):\n    return -np.arange(len(gaps))\n"
PEEKING = """
def priority(item, gaps):
    import sys
    frame = sys._getframe()
    while "items" not in frame.f_locals:
        frame = frame.f_back
    return -abs(gaps - item - sum(frame.f_locals["items"]) % 10)
"""


@pytest.fixture(scope="module")
def task() -> gw.Task:
    return gw.load_task(FOLDER)


def example(items: list[int], capacity: int) -> gw.Example:
    return gw.Example(id="0" * 16, inputs={"items": items, "capacity": capacity})


def judged(task: gw.Task, output: object, items: list[int], capacity: int) -> gw.Score:
    return cast("gw.Score", task.scorer(output, example(items, capacity)))


def other_priority(task: gw.Task, priority: str) -> str:
    """The seed's text with another `priority`."""
    return task.seed.source.replace(task.seed["priority"].source, priority.strip())


@pytest.mark.parametrize(("family", "rule", "figure", "noise"), [
    ("weibull", "first fit", 4.23, 0.15),
    ("weibull", "best fit", 3.98, 0.15),
    ("or3_like", "first fit", 5.74, 0.3),
    ("or3_like", "best fit", 5.37, 0.3),
])  # fmt: skip
def test_first_fit_and_best_fit_give_the_figures_of_funsearch(task: gw.Task, family: str, rule: str, figure: float, noise: float) -> None:
    weibull = load_module(FOLDER / "instances.py").weibull
    fresh = [gw.Example(id=f"{seed:016x}", inputs=weibull(5000, seed)) for seed in range(100, 110)]
    examples = fresh if family == "weibull" else task.transfer[family]
    source = task.seed.source if rule == "best fit" else other_priority(task, FIRST_FIT)
    evaluation = evaluate_program(source, examples, task=task)
    assert evaluation.failures == ()
    assert evaluation.mean == pytest.approx(-figure, abs=noise)


def test_items_are_drawn_as_the_published_ones_are(task: gw.Task) -> None:
    items = [item for example in task.splits["test"] for item in cast("list[int]", example.inputs["items"])]
    assert 1 <= min(items) <= max(items) <= 100
    assert mean(items) == pytest.approx(39.75, abs=0.3)
    assert {len(cast("list[int]", example.inputs["items"])) for example in task.splits["train"]} == {1000}
    assert {len(cast("list[int]", example.inputs["items"])) for example in task.splits["test"]} == {5000}
    uniform = [item for example in task.transfer["or3_like"] for item in cast("list[int]", example.inputs["items"])]
    assert (len(uniform), min(uniform), max(uniform)) == (20 * 500, 20, 100)
    assert [len(task.splits[split]) for split in SPLITS] == [4, 6, 5, 5]


@pytest.mark.parametrize(("output", "reason"), [
    (None, "list with one bin for each of 3 items, got None"),
    ([0, 1], "got a list of 2"),
    ([0, 1, 2, 3], "got a list of 4"),
    ([0, True, 1], "number for item 1, got True"),
    ([0, 1.0, 1], "number for item 1, got 1.0"),
    ([0, 2, 1], "item 1 is in bin 2, but only bins 0 to 1"),
    ([1, 0, 0], "item 0 is in bin 1"),
    ([0, 1, -1], "item 2 is in bin -1"),
    ([0, 0, 1], "bin 0 holds 13, more than the capacity 10"),
])  # fmt: skip
def test_what_is_no_legal_packing_is_invalid(task: gw.Task, output: object, reason: str) -> None:
    score = judged(task, output, [6, 7, 4], 10)
    assert score.value is None
    assert reason in score.invalid


def test_the_score_is_minus_the_percentage_above_the_lower_bound(task: gw.Task) -> None:
    assert judged(task, [0, 1, 0], [6, 7, 4], 10).value == 0.0
    assert judged(task, [0, 1, 2], [6, 7, 4], 10).value == -50.0
    assert judged(task, list(range(8)), [1] * 8, 10).value == -100.0


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_every_legal_packing_has_a_score_within_the_range(task: gw.Task, sizes: list[int], seed: int) -> None:
    rng = random.Random(seed)
    packing: list[int] = []
    loads: list[int] = []
    for size in sizes:
        chosen = rng.choice([b for b, load in enumerate([*loads, 0]) if load + size <= 20])
        if chosen == len(loads):
            loads.append(0)
        loads[chosen] += size
        packing.append(chosen)
    score = judged(task, packing, sizes, 20)
    assert not score.invalid
    assert -100.0 <= cast("float", score.value) <= 0.0


@pytest.mark.parametrize(("priority", "message"), [
    ("return gaps[:-1] * 0.0", "priority must return 1 real numbers, not float64 of shape (0,)"),
    ("return 1.0", "not float64 of shape ()"),
    ("return gaps + 1j", "not complex128"),
    ("return ['a'] * len(gaps)", "not <U1"),
    ("return gaps * float('nan')", "must be finite, not nan"),
    ("return gaps * float('-inf')", "must be finite, not -inf"),
])  # fmt: skip
def test_a_priority_that_cannot_rank_is_refused_in_words(task: gw.Task, priority: str, message: str) -> None:
    source = other_priority(task, f"def priority(item, gaps):\n    {priority}\n")
    (failure,) = evaluate_program(source, task.splits["train"][:1], task=task).failures
    assert failure.kind == "crash"
    assert message in failure.message


def test_minus_infinity_means_never(task: gw.Task) -> None:
    source = other_priority(task, "def priority(item, gaps):\n    return np.where(gaps < 100, -np.inf, 0.0)\n")
    evaluation = evaluate_program(source, [example([1, 2, 3], 100)], task=task)
    assert evaluation.judgements[0].outcome.output == [0, 1, 2]


def test_the_packing_loop_may_not_be_changed(task: gw.Task) -> None:
    assert task.frozen == {"solve"}


def test_a_program_that_looks_ahead_breaks_causality(task: gw.Task) -> None:
    (rule,), rng = task.audits, random.Random(7)
    first = task.splits["train"][0]
    verdicts = []
    for source in (task.seed.source, other_priority(task, PEEKING)):
        changed = rule.variant(first.inputs, rng)
        pair = [first, gw.Example(id="1" * 16, inputs=changed)]
        plain, other = evaluate_program(source, pair, task=task).judgements
        verdicts.append(rule.violation(first.inputs, plain.outcome.output, changed, other.outcome.output))
    assert verdicts[0] == ""
    assert "when only later items were others" in verdicts[1]


def test_the_variant_keeps_a_beginning_and_changes_the_rest(task: gw.Task) -> None:
    (rule,) = task.audits
    items = cast("list[int]", task.splits["train"][0].inputs["items"])
    for seed in range(50):
        changed = cast("list[int]", rule.variant(task.splits["train"][0].inputs, random.Random(seed))["items"])
        n_same = next((k for k, pair in enumerate(zip(items, changed, strict=False)) if pair[0] != pair[1]), min(len(items), len(changed)))
        assert n_same >= 1
        assert changed != items
        assert 1 <= min(changed) <= max(changed) <= 100


def test_an_unreadable_run_breaks_causality(task: gw.Task) -> None:
    (rule,) = task.audits
    inputs = {"items": [1, 2], "capacity": 10}
    assert rule.violation(inputs, [0, 0], {"items": [1, 3], "capacity": 10}, None)
    assert rule.violation(inputs, [0, 0], {"items": [1, 3], "capacity": 10}, [0, 1]) == ""
    assert rule.violation(inputs, [0, 0], {"items": [1, 2, 3], "capacity": 10}, [0, 1, 1])


def test_the_loop_in_the_child_packs_as_a_plain_one_does(task: gw.Task) -> None:
    module = load_module(FOLDER / "program.py")
    items = [int(size) for size in np.random.default_rng(0).integers(1, 40, 300)]
    gaps: list[int] = []
    packing = []
    for item in items:
        fitting = [b for b, gap in enumerate(gaps) if gap >= item]
        chosen = min(fitting, key=lambda b: gaps[b]) if fitting else len(gaps)
        if chosen == len(gaps):
            gaps.append(60)
        gaps[chosen] -= item
        packing.append(chosen)
    assert module.solve(items, 60) == packing
