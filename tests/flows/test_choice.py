"""A search whose operators are drawn by a bandit is recorded, goes on and is repeated like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from graftwork.flows.engine import run_search
from graftwork.flows.prepare import task_facts, write_configuration
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Run
from graftwork.search.record import canonical, open_run
from tests.flows.scripted_task import made_run, made_task, scripted_models


def choosing(run_dir: Path, *, candidates: int, latency_seed: int | None = None) -> Run:
    """A run that draws its operators by evidence, and forgets quickly."""
    run = made_run(run_dir, candidates=candidates, latency_seed=latency_seed)
    run = replace(run, strategy=replace(run.strategy, bandit=True, bandit_floor=0.1, bandit_memory=10.0))
    write_configuration(run, run_dir, task=task_facts(run.task, "in memory"))
    return run


def test_its_draws_and_rewards_are_recorded_and_it_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = run_search(choosing(tmp_path / "whole", candidates=20, latency_seed=1), lambda progress: None).run_dir
    part = run_search(choosing(tmp_path / "part", candidates=12, latency_seed=2), lambda progress: None).run_dir
    run_search(prepare_resume(part, task=made_task(), models=scripted_models(), changes={"candidates": 20}), lambda progress: None)
    said = [[row for row in open_run(one).decisions.to_pylist() if row["kind"] in {"ask", "bandit"}] for one in (whole, part)]
    first, second = ([(row["kind"], row["number"], row["operator"], row["detail"]) for row in rows] for rows in said)
    assert sorted(first, key=str) == sorted(second, key=str)
    learned = {row["number"]: json.loads(row["detail"]) for row in said[0] if row["kind"] == "bandit"}
    assert max(one["reward"] for one in learned.values()) > 0
    assert learned.keys() <= set(range(1, 21))
    assert sum("worth" in str(row["detail"]) for row in said[0] if row["kind"] == "ask") > 10
    assert replay(whole, task=made_task()).told == 21
    assert b'"kind":"bandit"' in canonical(whole)
