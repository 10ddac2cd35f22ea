"""A pool that runs no program: what stands in its place, in this process, says what came of each work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

from graftwork.evaluators.evaluation import Outcome, Work

__all__ = ["FakePool"]


class FakePool(ABC):
    """A subclass gives `run`."""

    slots = 1

    @abstractmethod
    async def run(self, work: Work) -> tuple[Outcome, ...]:
        """What came of each case."""

    async def stream(self, work: Work) -> AsyncGenerator[Outcome, None]:
        """The same, one by one."""
        for outcome in await self.run(work):
            yield outcome

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to release
        """Nothing to release."""
