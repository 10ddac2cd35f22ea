"""A mirror is at every instant a run that can be read and gone on with, and catches up with whatever happened to its place."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graftwork.programs.errors import RunError
from graftwork.search.fetching import fetch, fetch_to_cache, fetch_to_new
from graftwork.search.lineage import Lineage
from graftwork.search.manifest import load_manifest
from graftwork.search.mirror import MANIFEST, Mirror
from graftwork.search.record import canonical, open_run
from graftwork.search.remote import Remote

from .lineage_values import brief, result
from .stores import Store, reachable_store

REPOSITORY = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from graftwork.search.lineage import Lineage
from graftwork.search.mirror import Mirror
from graftwork.search.remote import Remote
from tests.search.lineage_values import brief, result
run_dir = Path(sys.argv[1])
with Mirror(run_dir, Remote(sys.argv[2])) as mirror, Lineage(run_dir, seal_rows=23, seal_s=0.1) as lineage:
    lineage.on_whole(mirror.hold)
    for number in range(lineage.n_durable, int(sys.argv[3])):
        lineage.brief(brief(number))
        lineage.result(result(number))
        lineage.commit()
        print(number, flush=True)
print(mirror.said)
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with reachable_store() as running:
        yield running


def new_run(run_dir: Path, *, name: str = "one") -> Path:
    run_dir.mkdir()
    (run_dir / "run.toml").write_text(f'id = "{name}"\n')
    return run_dir


def write(run_dir: Path, place: Remote, until: int, *, wait_s: float = 60.0, during: Callable[[int], None] = lambda number: None) -> Mirror:
    """Write results up to a number, sealing all together ten times a second and some tables alone in between."""
    with Mirror(run_dir, place, wait_s=wait_s) as mirror, Lineage(run_dir, seal_rows=7, seal_s=0.1) as lineage:
        lineage.on_whole(mirror.hold)
        for number in range(lineage.n_durable, until):
            lineage.brief(brief(number))
            lineage.result(result(number))
            lineage.commit()
            during(number)
    return mirror


def is_whole(run_dir: Path) -> int:
    """How many results a run holds, each with its briefs, scores and spans, and no others."""
    tables = open_run(run_dir).tables()
    numbers = tables["candidates"]["number"].to_pylist()
    assert numbers == list(range(len(numbers)))
    assert tables["scores"].num_rows == 5 * len(numbers)
    assert tables["spans"].num_rows == 2 * 3 * len(numbers)
    told = [row["number"] for row in tables["decisions"].to_pylist() if row["kind"] == "tell"]
    assert told == numbers
    return len(numbers)


def test_whoever_reads_while_a_run_goes_on_finds_a_whole_run(tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote((tmp_path / "place").as_uri())
    found = list[int]()

    def look(number: int) -> None:
        time.sleep(0.01)
        if number % 10 == 5:
            found.append(is_whole(fetch(Remote(place.uri), tmp_path / "copy").folder))

    mirror = write(run_dir, place, 120, during=look)
    assert mirror.said == f"mirrored to {place}"
    assert found == sorted(found)
    assert len({*found}) > 3
    assert fetch(place, tmp_path / "copy").n_files > 0
    assert fetch(place, tmp_path / "copy").n_files == 0
    assert is_whole(tmp_path / "copy") == 120
    assert canonical(tmp_path / "copy") == canonical(run_dir)
    listed = {f"lineage/{name}/{one.file}" for name, sealed in load_manifest(run_dir / "lineage").tables.items() for one in sealed.segments}
    assert set(place.files()) == {"run.toml", MANIFEST, *listed}  # what was merged is removed there too
    assert not (run_dir / "lineage" / "mirror").exists()


def test_a_copy_is_gone_on_with_elsewhere_and_the_folder_that_was_left_behind_is_refused(store: Store, tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote(store.uri("lost"))
    write(run_dir, place, 20)
    back = fetch_to_new(place.uri, tmp_path / "back").folder
    assert write(back, Remote(place.uri), 50).whole
    assert is_whole(fetch_to_new(place.uri, tmp_path / "again").folder) == 50
    left = write(run_dir, Remote(place.uri), 30)
    assert "holds more of this run" in left.said
    assert is_whole(fetch_to_cache_below(tmp_path, place)) == 50
    with pytest.raises(RunError, match="is not an empty folder"):
        fetch_to_new(place.uri, back)


def fetch_to_cache_below(folder: Path, place: Remote) -> Path:
    return fetch_to_cache(place.uri, {"XDG_CACHE_HOME": str(folder / "cache")}).folder


def test_a_store_that_goes_down_and_comes_back_is_caught_up_with_and_the_run_waits_for_nothing(store: Store, tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote(store.uri("down"))
    troubles = set[str]()

    def cut(number: int) -> None:
        time.sleep(0.02)
        if number == 40:
            store.down()
        while number > 40 and not any(troubles) and time.monotonic() < ends:
            time.sleep(0.1)
            troubles.add(mirror_of[0].trouble)
        if number == 139:
            store.up()

    mirror_of, ends = list[Mirror](), time.monotonic() + 60
    try:
        with Mirror(run_dir, place) as mirror, Lineage(run_dir, seal_rows=7, seal_s=0.1) as lineage:
            mirror_of.append(mirror)
            lineage.on_whole(mirror.hold)
            for number in range(140):
                lineage.result(result(number))
                lineage.commit()
                cut(number)
    finally:
        store.down()
        store.up()
    assert any("cannot be written" in trouble and "NETWORK_CONNECTION" in trouble for trouble in troubles)
    assert mirror.said == f"mirrored to {place}"
    assert canonical(fetch_to_cache_below(tmp_path, place)) == canonical(run_dir)


def test_leaving_waits_a_bounded_time_and_says_what_is_not_there(store: Store, tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote(store.uri("slow"))
    store.down()
    try:
        before = time.monotonic()
        mirror = write(run_dir, place, 5, wait_s=1.0)
        assert time.monotonic() - before < 10
    finally:
        store.up()
    assert not mirror.whole
    assert f"what is missing at {place} is copied by `graftwork mirror {run_dir}`" in mirror.said
    assert write(run_dir, Remote(place.uri), 5).whole
    assert is_whole(fetch_to_cache_below(tmp_path, place)) == 5


def test_kills_leave_a_whole_run_in_its_place_and_the_next_process_copies_the_rest(store: Store, tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote(store.uri("killed"))
    command = [sys.executable, "-c", WRITER, str(run_dir), place.uri]
    for last in (60, 140):
        with subprocess.Popen([*command, "100000"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while int(process.stdout.readline()) < last or place.read_if_there(MANIFEST) is None:  # a fast writer is ahead of the place
                pass
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert is_whole(fetch_to_cache_below(tmp_path, place)) <= is_whole(run_dir)
    n_told = is_whole(run_dir) + 20
    done = subprocess.run([*command, str(n_told)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"mirrored to {place}"
    assert is_whole(run_dir) == n_told
    assert canonical(fetch_to_cache_below(tmp_path, place)) == canonical(run_dir)


def test_a_place_of_another_run_is_left_alone(tmp_path: Path) -> None:
    place = Remote((tmp_path / "place").as_uri())
    write(new_run(tmp_path / "one"), place, 3)
    other = write(new_run(tmp_path / "other", name="other"), Remote(place.uri), 5)
    assert "holds another run than" in other.said
    assert is_whole(fetch(place, tmp_path / "copy").folder) == 3


def test_two_writers_of_one_place_are_noticed(tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote((tmp_path / "place").as_uri())

    def meddle(number: int) -> None:
        time.sleep(0.05)
        if number == 10:
            (tmp_path / "place" / MANIFEST).write_bytes(b"{}")

    assert "is written by another process too" in write(run_dir, place, 20, during=meddle).said


def test_damage_in_a_place_is_told_and_nothing_of_it_is_read(tmp_path: Path) -> None:
    run_dir, place = new_run(tmp_path / "run"), Remote((tmp_path / "place").as_uri())
    write(run_dir, place, 3)
    segment = next((tmp_path / "place").rglob("scores/*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-9] + b"damaged!!")
    with pytest.raises(RunError, match=r"is damaged, or written faster than it can be read: the checksum of lineage/scores/"):
        fetch(place, tmp_path / "copy")
    segment.unlink()
    with pytest.raises(RunError, match=rf"lineage/scores/{segment.name} is missing"):
        fetch(place, tmp_path / "other")
    with pytest.raises(RunError, match="no run in file://"):
        fetch(Remote((tmp_path / "nothing").as_uri()), tmp_path / "none")
