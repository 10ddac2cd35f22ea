"""A run's mirror, as a person types it, on a real S3 server."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from graftwork.search.record import canonical, open_run
from tests.search.stores import KEYS, Store, running_store
from tests.search.test_ancestry import write_run
from tests.test_readme import blocks

from .test_cli import graftwork
from .typed import typed


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with running_store() as running:
        yield running


def test_the_commands_of_the_readme_do_what_it_says(store: Store, tmp_path: Path) -> None:
    uri = store.uri("parcels")
    assert typed("init", "hello", cwd=tmp_path).returncode == 0
    block = next(block for block in blocks("sh") if "--mirror" in block)
    printed = list[str]()
    for line in block.splitlines():
        words = [word.replace("s3://bucket/parcels", uri) for word in shlex.split(line, comments=True)[1:]]
        done = graftwork(*words, cwd=tmp_path, **KEYS)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0].splitlines()[-1] == printed[3].splitlines()[-1] == f"mirrored to {uri}"
    assert printed[1].startswith("champion: candidate ")
    assert printed[2].startswith("fetched ")
    assert open_run(tmp_path / "back").candidates.num_rows == 31
    assert graftwork("fetch", uri, "again", cwd=tmp_path, **KEYS).returncode == 0
    assert canonical(tmp_path / "again") == canonical(tmp_path / "back")


def test_every_command_that_reads_a_run_takes_its_mirror(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "run.toml").write_text('id = "one"\n')
    place = (tmp_path / "place").as_uri()
    copied = graftwork("mirror", "run", place, cwd=tmp_path)
    assert (copied.returncode, copied.stdout) == (0, f"mirrored to {place}\n"), copied.stderr
    for words in (("sql", place, "select 1"), ("blame", place, "3"), ("lineage", place, "3"), ("diff", place, "0", "3"), ("cost", place)):
        here = typed(*(word.replace(place, "run") for word in words), cwd=tmp_path)
        done = typed(*words, cwd=tmp_path)
        assert (here.returncode, done.returncode) == (0, 0), done.stderr
        assert done.stderr.splitlines()[0].startswith("fetched ")
        assert len(done.stdout.splitlines()) == len(here.stdout.splitlines())


def test_a_mistake_with_a_place_is_one_line(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "run.toml").write_text("[settings]\n")
    place = (tmp_path / "place").as_uri()
    for words, said in (
        (("show", place), "no run in file://"),
        (("resume", place), "brings it there"),
        (("mirror", "run"), "was started without --mirror"),
        (("mirror", "run", "remote"), "a place is a URI"),
        (("mirror", "run", place), "has no id to mirror it by"),
        (("fetch", place, "run"), "is not an empty folder"),
    ):
        done = typed(*words, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr
