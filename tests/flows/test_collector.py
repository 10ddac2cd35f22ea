"""The collector of cycles looks less often while searches go on, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from graftwork.flows.collector import collecting_seldom


@pytest.fixture(params=[(700, 10, 10), (50_000, 10, 10), (0, 10, 10)], ids=["as ever", "seldom", "never"])
def found(request: pytest.FixtureRequest) -> Iterator[tuple[int, int, int]]:
    """What a process had set."""
    before = gc.get_threshold()
    gc.set_threshold(*request.param)
    yield request.param
    gc.set_threshold(*before)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the first ends first", "the last ends first"])
def test_it_is_as_before_once_the_last_search_has_ended(found: tuple[int, int, int], order: tuple[int, int]) -> None:
    expected = 10_000 if found[0] == 700 else found[0]
    searches = [collecting_seldom(), collecting_seldom()]
    for search in searches:
        search.__enter__()
        assert gc.get_threshold()[0] == expected
    searches[order[0]].__exit__(None, None, None)
    assert gc.get_threshold()[0] == expected
    searches[order[1]].__exit__(None, None, None)
    assert gc.get_threshold() == found
