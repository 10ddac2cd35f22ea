"""The controls spend a budget through the same engine, and are repeated and gone on with like any search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Limits
from graftwork.flows import engine
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import ConfigError
from graftwork.search.record import open_run
from tests.flows.scripted_task import made_run, made_task, scripted_models

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


def test_sampling_builds_every_candidate_on_the_seed_and_is_repeated(tmp_path: Path) -> None:
    report = run_search(made_run(tmp_path / "run", strategy="random", candidates=12), lambda progress: None)
    rows = open_run(report.run_dir).candidates.to_pylist()
    assert {tuple(row["parents"]) for row in rows[1:]} == {(0,)}
    assert sum(row["status"] == "evaluated" for row in rows) > 4
    assert replay(report.run_dir, task=made_task()).crowned


def test_sampling_goes_on_from_a_snapshot_as_if_it_had_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SNAPSHOT_EVERY", 4)
    short = run_search(made_run(tmp_path / "short", strategy="random", candidates=9, window=1), lambda progress: None)
    run = prepare_resume(short.run_dir, task=made_task(), models=scripted_models(), changes={"candidates": 14})
    run_search(run, lambda progress: None)
    whole = run_search(made_run(tmp_path / "whole", strategy="random", candidates=14, window=1), lambda progress: None)
    digests = [open_run(path).candidates["digest"].to_pylist() for path in (short.run_dir, whole.run_dir)]
    assert digests[0] == digests[1]


def test_best_of_n_asks_the_seed_in_growing_votes_and_is_repeated(tmp_path: Path) -> None:
    roomy = replace(made_task(), limits=Limits(timeout_s=20, calls=20, max_tokens=16))
    run = prepare(roomy, RunSettings(seed=1, strategy="best-of-n", window=4), run_dir=tmp_path / "run", models=scripted_models())
    report = run_search(run, lambda progress: None)
    rows = open_run(report.run_dir).candidates.to_pylist()
    assert [row["note"] for row in rows[1:]] == [f"seed_vote: a vote of {n} calls of solve" for n in (3, 5)]
    assert [row["status"] for row in rows] == ["evaluated"] * 3
    assert report.stop.reason == "candidates"
    assert replay(report.run_dir, task=roomy).crowned


def test_best_of_n_that_the_limit_of_calls_does_not_hold_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="makes at most 2 model calls"):
        made_run(tmp_path / "run", strategy="best-of-n")


def test_best_of_n_of_a_seed_without_prompts_is_refused_in_words(tmp_path: Path) -> None:
    task = make_task("def solve(x):\n    return x\n", [({"x": n}, n) for n in range(12)], lambda _output, _example: 1.0, name="t")
    with pytest.raises(ConfigError, match="this seed asks no model: it answers alike each time"):
        prepare(task, RunSettings(strategy="best-of-n"), run_dir=tmp_path / "run")
