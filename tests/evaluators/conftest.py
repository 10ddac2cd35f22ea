"""A pool that the tests of a file share: a template takes longer to start than most programs of tests to run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from graftwork.evaluators.local_pool import LocalPool

from .pool_programs import Switch, templates


@pytest.fixture(scope="module")
def local() -> Iterator[tuple[LocalPool, Switch]]:
    """A pool of two slots, and where its calls go. Once it is closed, no template is left, also if it is closed again."""
    switch = Switch()
    pool = LocalPool(switch, slots=2)
    yield pool, switch
    asyncio.run(pool.aclose())
    asyncio.run(pool.aclose())
    assert templates() == []
