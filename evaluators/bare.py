"""Bare: runs an exported file as whoever gets it does: a clean interpreter, the packages that it asks for and nothing of ours.

Its confinement is that of programs. The requests that it makes by itself go through connections that a door hands in (`door.py`), to
where recorded replies answer them: it has no network.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from graftwork.programs.errors import InfrastructureError

from .case_run import CaseRun, cpu_limit_s
from .closure import dependency_closure, distributions_of, link_packages
from .door import hand_in
from .evaluation import Case, Outcome, Work
from .gathering import gathered
from .pool import ProgramCall, Relayed
from .replay_endpoint import VARIABLES, ReplayEndpoint
from .sandbox import SandboxLevel
from .template_client import Bareness, TemplateClient

__all__ = ["run_bare"]

_CLIENT: Final = "openai"
_CLIENT_S: Final = 2.0  # of one request, generously: it opens a client, reads certificates and closes it again
_CLIENT_MB: Final = 512
_AT_ONCE: Final = 2
_MAX_CONNECTIONS: Final = 64  # of one child at a time; it may have half as many open files


async def run_bare(work: Work, *, endpoint: ReplayEndpoint | None, sandbox: SandboxLevel) -> tuple[Outcome, ...]:
    """Run a file on every case; outcomes come in the order of the cases.

    Args:
        work: The file, with its `hook`; its limits are widened by what asking over HTTP takes.
        endpoint: Where it asks; None for a file that asks nobody, which then can import the task's packages only.
        sandbox: What it is confined by.

    Raises:
        ConfigError: If a package is missing.
        InfrastructureError: A child or the template was lost.
    """
    needed = [*work.packages, *([_CLIENT] if endpoint is not None else [])]
    with tempfile.TemporaryDirectory(prefix="graftwork-packages-") as directory:
        await asyncio.to_thread(_fill, Path(directory), needed)
        bare = Bareness(path=directory)
        if endpoint is not None:
            # The machine's certificates cannot be read, and none are needed: a directory without any.
            bare = Bareness(path=directory, asking=True, variables={**VARIABLES, "SSL_CERT_DIR": directory})
        template = await TemplateClient.start(needed, locked=sandbox == "standard", bare=bare)
        try:
            return await _run(template, work, endpoint)
        finally:
            await template.aclose()


def _fill(directory: Path, packages: Iterable[str]) -> None:
    directory.chmod(0o755)  # for the user that the template becomes
    link_packages(directory, dependency_closure(distributions_of(packages)), packages=packages)


async def _run(template: TemplateClient, work: Work, endpoint: ReplayEndpoint | None) -> tuple[Outcome, ...]:
    limits = work.limits
    if endpoint is not None:
        limits = replace(limits, timeout_s=limits.timeout_s + _CLIENT_S * limits.calls, memory_mb=limits.memory_mb + _CLIENT_MB)
        work = replace(work, limits=limits)
    free = asyncio.Semaphore(_AT_ONCE)

    async def run(case: Case) -> Outcome:
        async with free:
            with _door(endpoint) if endpoint is not None else nullcontext() as door:
                child = template.spawn(memory_mb=limits.memory_mb, cpu_s=cpu_limit_s(limits), door=door)
            return await CaseRun(work, case, child=child, relay=_NoRelay()).outcome()

    return await gathered([asyncio.create_task(run(case)) for case in work.cases])


@contextmanager
def _door(endpoint: ReplayEndpoint) -> Iterator[socket.socket]:
    """The child's end of a door to the endpoint; ours is closed when the child has none left, or wants too much."""
    loop = asyncio.get_running_loop()
    served: list[threading.Thread] = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)

    def answer() -> None:
        served[:] = [thread for thread in served if thread.is_alive()]
        try:
            connection = hand_in(ours)
        except BlockingIOError:
            return
        except OSError:
            connection = None  # it has ended
        if connection is not None:
            served.append(endpoint.serve(connection))
        if connection is None or len(served) == _MAX_CONNECTIONS:
            loop.remove_reader(ours)
            ours.close()

    loop.add_reader(ours, answer)
    with theirs:
        yield theirs


class _NoRelay:
    async def call(self, call: ProgramCall) -> Relayed:
        raise InfrastructureError(f"a file that runs alone has no session, and {call.component} asked one")
