"""Tests of the index of digests: it is a dictionary in which the first number of a digest counts."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.search import digest_index
from graftwork.search.digest_index import DigestIndex

DIGESTS = st.sampled_from([f"{n:016x}{'0' * 16}" for n in range(12)] + [f"{n:032x}" for n in range(12)])
PAIRS = st.lists(st.tuples(DIGESTS, st.integers(0, 2**62)))


@pytest.fixture(params=[None, "folder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """Where an index keeps its arrays, into which all but its last three digests go."""
    monkeypatch.setattr(digest_index, "_FRESH", 3)
    monkeypatch.setattr(digest_index, "_CHUNK", 4)
    return tmp_path if request.param else None


def added(pairs: Iterable[tuple[str, int]], folder: Path | None = None) -> DigestIndex:
    """An index to which the pairs were added."""
    index = DigestIndex(folder=folder)
    for digest, number in pairs:
        index.add(digest, number)
    return index


def first_numbers(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The first number of each digest."""
    first: dict[str, int] = {}
    for digest, number in pairs:
        first.setdefault(digest, number)
    return first


@given(pairs=PAIRS, n=st.integers(0, 30))
def test_the_first_number_of_each_digest_is_found_however_it_came(pairs: list[tuple[str, int]], n: int) -> None:
    first = first_numbers(pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest_index, "_FRESH", 3)
        patch.setattr(digest_index, "_CHUNK", 4)
        index = DigestIndex([digest for digest, _ in pairs[:n]], [number for _, number in pairs[:n]])
        for digest, number in pairs[n:]:
            index.add(digest, number)
        assert index == added(pairs) == added(first.items())
    assert len(index) == len(first)
    assert {digest: index.get(digest) for digest in first} == first
    assert index.get("f" * 32) is None
    assert "f" * 32 not in index


def test_two_that_differ_in_one_number_are_not_equal() -> None:
    pairs = [(f"{n:032x}", n) for n in range(9)]
    assert added(pairs) != added([*pairs[:-1], (pairs[-1][0], 10)])
    assert added(pairs) != added(pairs[:-1])


def test_digests_without_numbers_are_counted() -> None:
    assert DigestIndex([f"{n:032x}" for n in (5, 3, 5)]) == added([(f"{5:032x}", 0), (f"{3:032x}", 1)])


def test_a_copy_goes_its_own_way(folder: Path | None) -> None:
    index = added(((f"{n:032x}", n) for n in range(20)), folder)
    copied = deepcopy(index)
    copied.add("a" * 32, 1)
    assert copied.get(f"{7:032x}") == 7
    assert index.get("a" * 32) is None


def test_nobody_sees_the_files_of_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_index, "_FRESH", 3)
    index = added(((f"{n:032x}", n) for n in range(1_000)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert [index.get(f"{n:032x}") for n in range(1_001)] == [*range(1_000), None]


def test_a_folder_that_takes_no_file_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DigestIndex(["a" * 32], folder=tmp_path / "nowhere")
