"""A place is named without keys, holds files whole, and says in one line what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graftwork.programs.errors import ConfigError, RunError
from graftwork.search.mirror import refuse_unfit
from graftwork.search.remote import Remote, is_place

from .stores import Store, reachable_store


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with reachable_store() as running:
        yield running


@pytest.fixture(params=["s3", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    if request.param == "file":
        return Remote(f"{tmp_path.as_uri()}/folder/run")
    running: Store = request.getfixturevalue("store")
    return Remote(running.uri(f"folder/{tmp_path.name}"))


def test_what_is_written_is_read_listed_replaced_and_removed(place: Remote) -> None:
    assert place.files() == {}
    assert place.read_if_there("a.toml") is None
    place.write("a.toml", b"one")
    place.write("deep/er/b.gz", b"\x00" * 20)
    assert (place.read("a.toml"), place.read("deep/er/b.gz")) == (b"one", b"\x00" * 20)
    place.write("a.toml", b"two!")
    assert {name: stored.n_bytes for name, stored in place.files().items()} == {"a.toml": 4, "deep/er/b.gz": 20}
    place.remove("deep/er/b.gz")
    place.remove("deep/er/b.gz")
    assert set(place.files()) == {"a.toml"}
    with pytest.raises(FileNotFoundError):
        place.read("deep/er/b.gz")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://key:secret@bucket/run",
        "s3://bucket/run?access_key=key&secret_key=secret",
        "s3://bucket/run?session_token=secret",
        "gs://secret@bucket/run",
        "abfs://account:secret@host/run",
    ],
)
def test_keys_in_a_uri_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ConfigError, match="named without keys") as caught:
        Remote(uri)
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)


def test_what_is_no_place_is_refused_in_one_line(tmp_path: Path) -> None:
    assert is_place("s3://bucket/run")
    assert not is_place(tmp_path)
    assert not is_place("runs/a:1")
    for uri, said in (("runs/a", "a place is a URI"), ("s3://", "needs a bucket"), ("s3://[/x", "a place is a URI")):
        with pytest.raises(ConfigError, match=said):
            Remote(uri)
    with pytest.raises(ConfigError, match="pyarrow knows no place nowhere://x/y"):
        Remote("nowhere://x/y").files()


def test_a_place_that_cannot_be_written_is_refused_before_a_run_is_made(store: Store) -> None:
    refuse_unfit(Remote(store.uri("fresh")))
    assert Remote(store.uri("fresh")).files() == {}
    with pytest.raises(RunError, match=r"cannot mirror to s3://none/run.*NO_SUCH_BUCKET") as caught:
        refuse_unfit(Remote(store.uri("run", bucket="none")))
    assert len(str(caught.value).splitlines()) == 1
