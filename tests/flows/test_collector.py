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


def test_it_is_as_before_once_the_last_search_has_ended_in_whatever_order_they_do(found: tuple[int, int, int]) -> None:
    expected = {700: 10_000}.get(found[0], found[0])
    first, second = collecting_seldom(), collecting_seldom()
    first.__enter__()
    second.__enter__()
    assert gc.get_threshold()[0] == expected
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == expected
    second.__exit__(None, None, None)
    assert gc.get_threshold() == found
