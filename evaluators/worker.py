"""Worker: runs programs on cases, each in a child of its own, on the loop that calls it."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from typing import Final

from graftwork.programs.errors import InfrastructureError

from .case_run import CaseRun, cpu_limit_s
from .evaluation import Case, Outcome, Work
from .foreign_run import ForeignRunner
from .gathering import gathered
from .pool import Relay
from .sandbox import SandboxLevel
from .scratch import disk_is_full
from .template_client import TemplateClient

__all__ = ["Worker"]

_ATTEMPTS: Final = 3
_LOOK_S: Final = 1.0
_FULL_S: Final = 900.0
_MAX_TEMPLATES: Final = 4


class Worker:
    """Owns the template processes, one for each set of packages, with GPUs or without, and belongs to one loop.

    Args:
        relay: Where model calls go.
        slots: Children at the same time, at least 1.
        sandbox: What the children are confined by.
    """

    def __init__(self, relay: Relay, *, slots: int, sandbox: SandboxLevel = "standard") -> None:
        self._relay = relay
        self._slots = slots
        self._sandbox = sandbox
        self._foreign = ForeignRunner(locked=sandbox == "standard")
        self._starting = asyncio.Lock()
        self._templates: dict[tuple[tuple[str, ...], bool], TemplateClient] = {}
        self._running: set[asyncio.Task[Outcome]] = set()
        self._closed = False

    @property
    def slots(self) -> int:
        """Children at the same time."""
        return self._slots

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        """Run every case at the same time; outcomes come in the order of the cases. Whoever calls sees to the slots.

        Raises:
            CeilingReached: The run's budget is spent.
            ConfigError: If a package cannot be imported.
            InfrastructureError: Children or templates were lost more often than is retried.
        """
        tasks = [asyncio.create_task(self._run_case(work, case)) for case in work.cases]
        self._running.update(tasks)
        try:
            return await gathered(tasks)
        finally:
            self._running.difference_update(tasks)

    async def aclose(self) -> None:
        """Kill every child and end the templates. Calling it twice is harmless."""
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        async with self._starting:
            for key in tuple(self._templates):
                await self._end(key)

    async def _run_case(self, work: Work, case: Case) -> Outcome:
        lost = InfrastructureError("")
        for attempt in range(_ATTEMPTS):
            try:
                await _room_for_scratch()
                return await self._outcome(work, case, again=attempt == 0)
            except InfrastructureError as error:
                lost = error
        raise InfrastructureError(f"a case was lost {_ATTEMPTS} times, the last time because {lost}")

    async def _outcome(self, work: Work, case: Case, *, again: bool) -> Outcome:
        if work.foreign is not None:
            return await self._foreign.outcome(work, case)
        template = await self._template(work.packages, devices=work.spawn)
        child = template.spawn(memory_mb=work.limits.memory_mb, cpu_s=cpu_limit_s(work.limits))
        return await CaseRun(work, case, child=child, relay=self._relay, again=again).outcome()

    async def _template(self, packages: tuple[str, ...], *, devices: bool) -> TemplateClient:
        async with self._starting:
            if self._closed:
                raise InfrastructureError("this pool is closed")
            template = self._templates.get((packages, devices))
            if template is None or template.lost:
                if template is not None:
                    await template.aclose()
                elif len(self._templates) >= _MAX_TEMPLATES:
                    await self._retire()
                template = await TemplateClient.start(packages, locked=self._sandbox == "standard", devices=devices)
                self._templates[packages, devices] = template
            return template

    async def _retire(self) -> None:
        """End the oldest template that has no children, if there is one."""
        for key, template in self._templates.items():
            if template.is_idle:
                await self._end(key)
                return

    async def _end(self, key: tuple[tuple[str, ...], bool]) -> None:
        """End a template; whoever is cancelled meanwhile leaves it to who closes next."""
        await self._templates[key].aclose()
        del self._templates[key]


async def _room_for_scratch() -> None:
    """Wait while the disk that holds scratch is full: a program must not fail of it.

    Raises:
        InfrastructureError: It stays full.
    """
    directory = tempfile.gettempdir()
    if not disk_is_full(directory):
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_FULL_S):
            while disk_is_full(directory):  # noqa: ASYNC110 - nobody tells when a disk has room again
                await asyncio.sleep(_LOOK_S)
    if disk_is_full(directory):
        raise InfrastructureError(f"the disk that holds {directory} has been full for {_FULL_S:.0f} s: make room, or set TMPDIR to another")
