"""A run that was killed or ended early goes on as if nothing had happened, and pays for nothing twice."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graftwork.flows.engine import run_search
from graftwork.flows.progress import Progress
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Report
from graftwork.programs.errors import ConfigError, RunError
from graftwork.search.record import canonical, open_run
from tests.flows.scripted_task import made_run, made_task, scripted_models
from tests.search.lineage_values import files

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")

SEARCH = """
import sys
from pathlib import Path
from graftwork.flows import engine
from graftwork.flows.engine import run_search
from graftwork.flows.resume import prepare_resume
from graftwork.search import segments
from graftwork.search.lineage import Lineage
from tests.flows.scripted_task import made_run, made_task, scripted_models
engine.SNAPSHOT_EVERY = 5
# So that so short a run seals and merges segments all the time:
Lineage.__init__.__kwdefaults__.update(commit_s=0.01, seal_rows=5)
segments._MERGED = 4
run_dir = Path(sys.argv[1])
if (run_dir / "lineage").is_dir():
    run = prepare_resume(run_dir, task=made_task(n_kinds=4), models=scripted_models(int(sys.argv[2])))
else:
    run = made_run(run_dir, latency_seed=int(sys.argv[2]), task=made_task(n_kinds=4))
run_search(run, lambda progress: print(progress.told, flush=True))
print("done", flush=True)
"""
REPOSITORY = Path(__file__).parents[2]


def go_on(run_dir: Path, *, latency_seed: int, kill_at: tuple[int, float] | None) -> tuple[int, bool]:
    """Let a process search, and return the number of results that it last said, and whether it finished.

    Where `kill_at` gives a number of results and seconds, it is killed so long after it said that number or more.
    """
    command = [sys.executable, "-c", SEARCH, str(run_dir), str(latency_seed)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told, finished = 0, False
        for line in process.stdout:
            finished = line == "done\n"
            told = told if finished else int(line)
            if kill_at is not None and told >= kill_at[0]:
                time.sleep(kill_at[1])
                process.kill()
                kill_at = None  # what it still said is read to its end
        code = process.wait()
    assert code in {0, -signal.SIGKILL}
    return told, finished


@pytest.fixture
def undisturbed(roomy: Report) -> Path:
    return roomy.run_dir


def test_kills_at_random_instants_leave_the_lineage_of_an_undisturbed_run(undisturbed: Path, tmp_path: Path) -> None:
    rng, acknowledged, run_dir = random.Random(1), 0, tmp_path / "run"
    finished, n_kills = False, 0
    while not finished:
        kill_at = (acknowledged + rng.randrange(6), rng.uniform(0.0, 0.1)) if n_kills < 6 else None
        told, finished = go_on(run_dir, latency_seed=n_kills, kill_at=kill_at)
        n_kills += not finished
        recorded = open_run(run_dir).candidates["number"].to_pylist()
        acknowledged = max(acknowledged, told)
        assert recorded == list(range(len(recorded)))
        assert len(recorded) > acknowledged or acknowledged == 0
    assert n_kills > 2
    assert {"calls", "scores", "spans"} <= {path.parent.name for path in files(run_dir, "*/segment-*-*.parquet")}  # were merged
    assert canonical(run_dir) == canonical(undisturbed)
    calls = [row for row in open_run(run_dir).calls.to_pylist() if row["event"] == "settled"]
    assert len({(row["key"], row["draw"]) for row in calls}) == len(calls)


def test_a_finished_run_goes_on_where_its_ceiling_is_raised(undisturbed: Path, tmp_path: Path) -> None:
    short = run_search(made_run(tmp_path / "run", candidates=9, task=made_task(n_kinds=4)), lambda progress: None).run_dir
    n_calls = open_run(short).calls.num_rows
    told: list[Progress] = []
    run = prepare_resume(short, task=made_task(n_kinds=4), models=scripted_models(), changes={"candidates": 24})
    report = run_search(run, told.append)
    record, whole = open_run(short), open_run(undisturbed)
    assert report.stop.told == 25
    assert record.candidates["number"].to_pylist() == list(range(25))
    assert record.config["settings"]["candidates"] == 24
    assert [row["kind"] for row in record.events.to_pylist() if row["kind"] in {"start", "resume"}] == ["start", "resume"]
    # It had ended for a time: what came after was asked with more told than in a run that never did.
    assert record.candidates["digest"].to_pylist()[:10] == whole.candidates["digest"].to_pylist()[:10]
    assert record.calls.num_rows > n_calls
    assert record.candidates.schema == whole.candidates.schema


def test_going_on_with_a_finished_run_changes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    before, n_calls = canonical(run_dir), open_run(run_dir).calls.num_rows
    run_search(prepare_resume(run_dir, task=made_task(n_kinds=4), models=scripted_models()), lambda progress: None)
    assert canonical(run_dir) == before == canonical(undisturbed)
    assert open_run(run_dir).calls.num_rows == n_calls


def test_what_would_make_another_search_of_it_is_refused(undisturbed: Path) -> None:
    with pytest.raises(ConfigError, match="window cannot change in a run that goes on"):
        prepare_resume(undisturbed, task=made_task(n_kinds=4), models=scripted_models(), changes={"window": 2})
    with pytest.raises(RunError, match=r"not the task of .* any more: splits was"):
        prepare_resume(undisturbed, task=made_task(n_words=11, n_kinds=4), models=scripted_models())
    with pytest.raises(RunError, match="was made in memory: name a task's folder or file with --task"):
        prepare_resume(undisturbed, models=scripted_models())
