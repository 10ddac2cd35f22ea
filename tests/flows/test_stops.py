"""A search ends by a score, for want of improvement or by a file; its record repeats, and goes on where that is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graftwork.flows.engine import run_search
from graftwork.flows.progress import Progress
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.programs.errors import ConfigError, RunError
from graftwork.search.lineage import Lineage
from graftwork.search.record import canonical, open_run
from tests.flows.scripted_task import made_run, made_task, scripted_models

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


def test_a_search_ends_at_its_target_and_goes_on_to_a_higher_one(tmp_path: Path) -> None:
    report = run_search(made_run(tmp_path / "run", target=0.5, candidates=40), lambda progress: None)
    assert report.stop.reason == "target"
    assert replay(report.run_dir, task=made_task()).crowned
    before = canonical(report.run_dir)
    again = prepare_resume(report.run_dir, task=made_task(), models=scripted_models())
    assert run_search(again, lambda progress: None).stop == report.stop
    assert canonical(report.run_dir) == before
    run = prepare_resume(report.run_dir, task=made_task(), models=scripted_models(), changes={"target": 1.0, "patience": 4})
    later = run_search(run, lambda progress: None)
    assert later.stop.reason == "patience"
    assert later.stop.told > report.stop.told
    assert replay(later.run_dir, task=made_task()).crowned
    details = [json.loads(row["detail"]) for row in open_run(later.run_dir).decisions.to_pylist() if row["kind"] == "stop"]
    assert details == [{"reason": "target", "level": 0.5}, {"reason": "patience", "level": 4}]


def test_a_file_ends_a_search_and_is_refused_where_it_is_there_already(tmp_path: Path) -> None:
    file = tmp_path / "stop"

    def touch(progress: Progress) -> None:
        if progress.told >= 3:
            file.touch()

    report = run_search(made_run(tmp_path / "run", stop_file=str(file), candidates=400), touch)
    assert report.stop.reason == "file"
    assert 3 < report.stop.told < 401
    assert replay(report.run_dir, task=made_task()).told == report.stop.told
    with pytest.raises(ConfigError, match="is there already"):
        made_run(tmp_path / "other", stop_file=str(file))


def test_a_target_that_no_score_can_reach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--target must be a score above 0 and up to 1"):
        made_run(tmp_path / "run", target=1.5)


def test_a_replay_names_an_end_that_does_not_follow(tmp_path: Path) -> None:
    run_dir = run_search(made_run(tmp_path / "run", candidates=6), lambda progress: None).run_dir
    with Lineage(run_dir) as lineage:
        lineage.decision("stop", number=3, detail={"reason": "patience", "level": 5})
    with pytest.raises(RunError, match="differs from its record: it ended by patience 5 after result 3"):
        replay(run_dir, task=made_task())
