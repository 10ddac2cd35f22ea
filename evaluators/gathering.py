"""Gathering: what several tasks give; none of them outlives an error or a cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["gathered"]

T = TypeVar("T")


async def gathered(tasks: Sequence[asyncio.Task[T]]) -> tuple[T, ...]:
    """What the tasks give, in their order. After an error, or when we are cancelled, the others are cancelled and waited for.

    Raises:
        Exception: The first that one of them raises, as it is.
    """
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
