"""Repeats: every example is run as often as the task says, and everything that counts runs counts them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Example, Score
from graftwork.flows.caps import candidate_caps, crowning_share
from graftwork.flows.engine import run_search
from graftwork.flows.exporting import exported
from graftwork.flows.prepare import prepare
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings
from graftwork.flows.summary import objectives_line, report_rows
from graftwork.flows.verification import Verification
from graftwork.programs.model import Usage
from graftwork.search.candidate import Candidate, Result
from graftwork.search.lineage import Lineage
from graftwork.search.record import open_run
from tests.flows.scripted_task import made_run
from tests.flows.threads import threads_for_children
from tests.search.factory import evaluation

STOCHASTIC = (
    "import random\n\n\ndef guess(x: int) -> int:\n    return random.randrange(2)\n\n\ndef solve(x: int) -> int:\n    return guess(x)\n"
)
ROWS = {"train": [(1, 1)], "val": [(n, 1) for n in range(2, 8)], "confirm": [(n, 1) for n in range(10, 14)], "test": [(20, 1), (21, 1)]}
REPEATS = {"train": 1, "val": 5, "confirm": 3, "test": 2}


def score(output: object, example: Example, /) -> Score:
    """1 for a one."""
    right = float(output == example.target)
    return Score(value=right, metrics={"twice": 2 * right})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A search among programs that toss coins."""
    task = make_task(STOCHASTIC, ROWS, score, name="coins", repeats=REPEATS)
    run = prepare(task, RunSettings(candidates=6, window=2), run_dir=tmp_path_factory.mktemp("coins") / "run")
    return run_search(run, lambda _: None)


def test_every_run_is_recorded_with_its_repeat_and_draws_anew(report: Report) -> None:
    rows = open_run(report.run_dir).scores.to_pylist()
    seed = [row for row in rows if row["candidate"] == 0]
    for split in ("val", "confirm", "test"):
        cases = [(row["example_id"], row["repeat"]) for row in seed if row["split"] == split]
        assert len(cases) == len(set(cases)) == len(ROWS[split]) * REPEATS[split]
    assert {row["counted"] for row in seed if row["split"] == "val"} == {0.0, 1.0}


def test_comparisons_count_examples_and_take_the_mean_over_repeats(report: Report) -> None:
    measured = report.crown.measured
    assert {name: (one.n, one.repeats) for name, one in measured.items()} == {"val": (6, 5), "confirm": (4, 3), "test": (2, 2)}
    assert [row["examples"] for row in report_rows(measured)] == ["6 × 5", "4 × 3", "2 × 2"]
    record = open_run(report.run_dir)
    seed = record.candidates.to_pylist()[0]
    values = [row["counted"] for row in record.case_rows(0, "val")]
    assert len(values) == 30
    assert seed["score"] == measured["val"].seed == pytest.approx(sum(values) / 30)
    assert (seed["n_val"], seed["metrics"]) == (6, f'{{"twice":{2 * sum(values) / 30}}}')
    assert measured["val"].difference is None or measured["val"].difference.n == 6


def test_the_configuration_says_how_often(report: Report) -> None:
    splits = open_run(report.run_dir).config["task"]["splits"]
    assert {name: split["repeats"] for name, split in splits.items()} == REPEATS


def test_one_line_tells_seed_and_champion_by_every_objective(report: Report) -> None:
    rows = open_run(report.run_dir).candidates.to_pylist()
    number = report.crown.champion.number
    line = objectives_line(rows, number)
    assert line.startswith(f"seed → candidate {number}: val {rows[0]['score']:.4g} → {rows[number]['score']:.4g}, ")
    assert f"characters {rows[0]['n_chars']} → {rows[number]['n_chars']}, twice " in line
    assert ", seconds " in line
    assert "usd" not in line
    assert "\n" not in line
    dear = [{**row, "run_usd": 0.002} for row in rows]
    assert "usd 0.002 → 0.002" in objectives_line(dear, number)
    assert objectives_line([{**row, "run_usd": None} for row in rows], number) == ""


def test_caps_and_the_crownings_share_grow_with_repeats(tmp_path: Path) -> None:
    once = made_run(tmp_path / "once")
    names = ("train", "val", "confirm", "test")
    thrice = replace(once, task=replace(once.task, repeats=dict.fromkeys(names, 3)))
    n_val = len(once.task.splits["val"])
    used = Usage(input_tokens=100 * n_val, output_tokens=n_val, calls=n_val)
    one, three = candidate_caps(once, used, n_runs=n_val), candidate_caps(thrice, used, n_runs=3 * n_val)
    assert one.calls is not None
    assert three.calls is not None
    assert three.calls - one.calls == 2 * n_val * once.task.limits.calls
    assert crowning_share(thrice, n_runs=3 * n_val) == crowning_share(once, n_runs=n_val)
    late = replace(once, task=replace(once.task, repeats={"confirm": 3, "test": 3}))
    assert crowning_share(late, n_runs=n_val) == 3 * crowning_share(once, n_runs=n_val)


def test_a_ceiling_is_kept_and_leaves_enough_for_a_crowning_that_runs_each_example_often(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", candidates=500, budget_tokens=200_000, repeats={"val": 2, "confirm": 4, "test": 4})
    with threads_for_children():
        report = run_search(run, lambda _: None)
    assert report.stop.reason == "budget"
    assert sum(usage.tokens for usage in report.spent.values()) <= 200_000
    assert report.crown.measured["test"].repeats == 4
    assert report.crown.missing == ()
    drawn = {row["draw"].split("/")[1] for row in open_run(report.run_dir).calls.to_pylist() if row["draw"].startswith("test/")}
    assert drawn == {"0", "1", "2", "3"}


def test_the_export_of_an_unfinished_run_takes_the_mean_over_repeats(tmp_path: Path) -> None:
    task = make_task("def solve(x: int) -> int:\n    return x\n", {"val": [(1, 1), (2, 1)]}, score, repeats=2)
    run = prepare(task, RunSettings(), run_dir=tmp_path / "run")
    values = {(0, 0): 1.0, (0, 1): 0.0, (1, 0): 1.0, (1, 1): 1.0}
    judgements = tuple(
        Judgement(outcome=Outcome(example_id=task.splits["val"][place].id, repeat=repeat), score=Score(value=value))
        for (place, repeat), value in values.items()
    )
    val = Evaluation(digest=task.seed.digest, judgements=judgements, lo=0.0)
    with Lineage(run.run_dir) as lineage:
        seed = Candidate(number=0, program=task.seed)
        lineage.result(
            Result(number=0, operator="seed", island=0, parents=(), status="evaluated", candidate=seed, val=val, train=evaluation(()))
        )
    made = asyncio.run(exported(run.run_dir, verification=Verification(holds=True, said="as a test")))
    assert "val: 0.75 score, seed 0.75, +0 [+0, +0] (paired, 95 % interval, n = 2)" in made.text
