"""Places: directories of children, used again when they are left empty."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from graftwork.evaluators.places import Places


def numbers() -> Callable[[str], int]:
    """Stands in for rulesets: a new descriptor for each directory."""
    return lambda directory: os.open(directory, os.O_PATH)


def test_a_place_left_empty_serves_the_next_child_under_names_that_it_gives_itself(tmp_path: Path) -> None:
    places = Places(str(tmp_path), numbers())
    first = places.give(1)
    own = Path(first.take())
    assert own.parent == tmp_path / "1"
    assert places.take_back(first)
    second = places.give(2)
    other = Path(second.take())
    assert (second.ruleset, other.parent, list(other.iterdir())) == (first.ruleset, tmp_path / "2", [])
    assert other.name != own.name
    assert list(tmp_path.iterdir()) == [tmp_path / "2"]


def test_what_a_child_left_something_in_is_never_used_again(tmp_path: Path) -> None:
    places = Places(str(tmp_path), numbers())
    first = places.give(1)
    (Path(first.take()) / "left").touch()
    assert not places.take_back(first)
    assert first.ruleset is not None
    second = places.give(2)
    assert Path(second.take()).parent == tmp_path / "2"
    assert (tmp_path / "1").exists()  # whoever called removes it


def test_without_rulesets_every_child_has_a_new_directory(tmp_path: Path) -> None:
    places = Places(str(tmp_path), None)
    place = places.give(1)
    place.take()
    assert places.take_back(place)
    assert list(tmp_path.iterdir()) == []
    assert places.give(2).ruleset is None


def test_a_place_that_was_not_moved_into_is_taken_back_too(tmp_path: Path) -> None:
    places = Places(str(tmp_path), numbers())
    assert places.take_back(places.give(1))
    assert Path(places.give(2).take()).parent == tmp_path / "2"
