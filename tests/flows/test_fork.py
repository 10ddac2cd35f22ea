"""A run that begins with results of another: those stand, what comes after is its own, and both go on and are repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftwork.flows.engine import run_search
from graftwork.flows.fork import prepare_fork
from graftwork.flows.progress import Progress
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Report
from graftwork.programs.errors import RunError
from graftwork.search.record import canonical, open_run
from tests.flows.scripted_task import made_task, scripted_models

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


@pytest.fixture
def origin(finished: tuple[Report, list[Progress]]) -> Path:
    return finished[0].run_dir


def test_another_seed_goes_another_way_from_there(origin: Path, tmp_path: Path) -> None:
    before = canonical(origin)
    made = prepare_fork(
        origin, tmp_path / "fork", until=10, task=made_task(), models=scripted_models(), changes={"seed": 5, "candidates": 20}
    )
    fork, old = open_run(run_search(made, lambda progress: None).run_dir), open_run(origin)
    columns = ["number", "digest", "score", "pieces"]
    assert fork.candidates.select(columns)[:11] == old.candidates.select(columns)[:11]
    assert fork.candidates.num_rows == 21
    assert fork.candidates["digest"].to_pylist()[11:] != old.candidates["digest"].to_pylist()[11:21]
    assert fork.config["fork"] == {"run": str(origin), "until": 10}
    assert replay(fork.path, task=made_task()).told == 21
    assert canonical(origin) == before


def test_another_strategy_begins_with_what_models_wrote_and_goes_on_later(origin: Path, tmp_path: Path) -> None:
    made = prepare_fork(
        origin,
        tmp_path / "fork",
        until=6,
        task=made_task(),
        models=scripted_models(),
        changes={"strategy": "no-model", "candidates": 12},
    )
    run_dir = run_search(made, lambda progress: None).run_dir
    went_on = prepare_resume(run_dir, task=made_task(), models=scripted_models(), changes={"candidates": 16})
    run_search(went_on, lambda progress: None)
    record = open_run(run_dir)
    assert record.candidates["number"].to_pylist() == list(range(17))
    models = record.candidates["model"].to_pylist()
    assert "scripted-proposer" in models[:7]
    assert "scripted-proposer" not in models[7:]
    assert replay(run_dir, task=made_task()).told == 17


def test_a_point_that_was_never_reached_is_refused(origin: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"--until must be a candidate of .*, 0 to 24, not 25"):
        prepare_fork(origin, tmp_path / "fork", until=25, task=made_task(), models=scripted_models())
    assert not (tmp_path / "fork").exists()
