"""A search whose folder is lost goes on from its mirror to the same end, and trouble of the mirror's place ends no search."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graftwork.flows.engine import run_search
from graftwork.flows.mirroring import mirror_now
from graftwork.flows.progress import Progress
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Report
from graftwork.programs.errors import ConfigError, RunError
from graftwork.search.fetching import fetch_to_cache, fetch_to_new
from graftwork.search.record import canonical, open_run
from tests.flows.scripted_task import made_run, made_task, scripted_models
from tests.search.stores import Store, reachable_store

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")

REPOSITORY = Path(__file__).parents[2]
SEARCH = """
import sys
from pathlib import Path
from graftwork.flows.engine import run_search
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Report
from tests.flows.scripted_task import made_run, made_task, scripted_models
run_dir = Path(sys.argv[1])
if run_dir.is_dir():
    run = prepare_resume(run_dir, task=made_task(), models=scripted_models())
else:
    run = made_run(run_dir, mirror=sys.argv[2])
run_search(run, lambda progress: print(progress.told, flush=True))
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with reachable_store() as running:
        yield running


@pytest.fixture
def undisturbed(finished: tuple[Report, list[Progress]]) -> Path:
    return finished[0].run_dir


def search_until(run_dir: Path, uri: str, told: int) -> None:
    """Let a process search, and kill it when it has told so many."""
    with subprocess.Popen([sys.executable, "-c", SEARCH, str(run_dir), uri], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < told:
            pass
        process.kill()
        assert process.wait() == -signal.SIGKILL


def test_a_search_whose_machine_is_lost_goes_on_from_its_mirror_to_the_same_end(undisturbed: Path, store: Store, tmp_path: Path) -> None:
    run_dir, uri = tmp_path / "run", store.uri("lost")
    search_until(run_dir, uri, 6)
    assert fetch_to_cache(uri, {"XDG_CACHE_HOME": str(tmp_path / "cache")}).folder.is_dir()
    search_until(run_dir, uri, 12)  # what the first process left was sealed and copied by the second
    shutil.rmtree(run_dir)
    back = fetch_to_new(uri, tmp_path / "back").folder
    n_told = open_run(back).candidates.num_rows
    assert 6 <= n_told < 24
    report = run_search(prepare_resume(back, task=made_task(), models=scripted_models()), lambda progress: None)
    assert report.mirrored == f"mirrored to {uri}"
    assert canonical(back) == canonical(undisturbed)
    fetched = fetch_to_cache(uri, {"XDG_CACHE_HOME": str(tmp_path / "cache")}).folder
    assert canonical(fetched) == canonical(undisturbed)
    assert (fetched / "champion.py").read_bytes() == (back / "champion.py").read_bytes()
    assert open_run(fetched).config == open_run(back).config


def test_trouble_of_the_place_is_an_event_and_a_line_of_progress_and_ends_no_search(undisturbed: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    run = made_run(tmp_path / "run", mirror=place.as_uri())
    place.rmdir()
    place.write_text("no folder")
    troubles = list[str]()

    def events() -> list[str]:
        return [row["message"] for row in open_run(tmp_path / "run").events.to_pylist() if row["kind"] == "mirror"]

    def mend_when_told(progress: Progress) -> None:
        troubles.extend([progress.trouble] if progress.trouble else [])
        if place.is_file():
            if events():
                place.unlink()
            elif progress.stage == "searching":
                time.sleep(0.3)  # for the search not to be over before its trouble is told

    report = run_search(run, mend_when_told)
    assert troubles[0].startswith(f"mirror: {place.as_uri()} cannot be written: ")
    assert report.mirrored == f"mirrored to {place.as_uri()}"
    assert events()[0] == troubles[0]
    fetched = fetch_to_cache(place.as_uri(), {"XDG_CACHE_HOME": str(tmp_path / "cache")}).folder
    assert canonical(fetched) == canonical(tmp_path / "run") == canonical(undisturbed)


def test_a_place_that_is_taken_is_refused_before_anything_is_made(undisturbed: Path, tmp_path: Path) -> None:
    place = (tmp_path / "place").as_uri()
    shutil.copytree(undisturbed, tmp_path / "run")
    assert mirror_now(tmp_path / "run", place) == (f"mirrored to {place}", True)
    with pytest.raises(RunError, match="holds another run: name an empty place"):
        made_run(tmp_path / "other", mirror=place)
    with pytest.raises(ConfigError, match="a place is named without keys"):
        made_run(tmp_path / "other", mirror="s3://key:secret@bucket/run")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ConfigError, match="was started without --mirror: name a place"):
        mirror_now(tmp_path / "run")
    with pytest.raises(RunError, match="no run in"):
        mirror_now(tmp_path / "nothing", place)


def test_a_run_gets_a_mirror_or_another_or_none_where_it_goes_on(short: Report, undisturbed: Path, tmp_path: Path) -> None:
    run_dir = Path(shutil.copytree(short.run_dir, tmp_path / "run"))
    run_id = open_run(run_dir).config["id"]
    for folder in ("one", "other"):
        place = (tmp_path / folder).as_uri()
        run = prepare_resume(run_dir, task=made_task(), models=scripted_models(), changes={"mirror": place})
        assert run_search(run, lambda progress: None).mirrored == f"mirrored to {place}"
        fetched = fetch_to_new(place, tmp_path / f"{folder}-fetched").folder
        assert open_run(fetched).config["id"] == run_id
        assert canonical(fetched) == canonical(run_dir)
    run = prepare_resume(run_dir, task=made_task(), models=scripted_models(), changes={"mirror": None})
    assert run_search(run, lambda progress: None).mirrored == ""
    taken = Path(shutil.copytree(undisturbed, tmp_path / "second"))
    with pytest.raises(RunError, match="holds another run"):
        prepare_resume(taken, task=made_task(), models=scripted_models(), changes={"mirror": place})
