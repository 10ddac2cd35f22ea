"""Bare: runs an exported file as whoever gets it does: a clean interpreter, the packages that it asks for and nothing of ours.

Its confinement is that of programs, but for one TCP port, where recorded replies answer the requests that it makes by itself. Landlock
knows no addresses: the same port of another machine is open too, so that a file could tell its inputs to whoever listens there.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from graftwork.programs.errors import ConfigError, InfrastructureError

from .case_run import CaseRun, cpu_limit_s
from .closure import dependency_closure, distributions_of, link_packages
from .evaluation import Case, Outcome, Work
from .gathering import gathered
from .lockdown import ABI_OF_NETWORK, landlock_abi
from .pool import ProgramCall, Relayed
from .replay_endpoint import ReplayEndpoint
from .sandbox import SandboxLevel
from .template_client import Bareness, TemplateClient

__all__ = ["run_bare"]

_CLIENT: Final = "openai"
_CLIENT_S: Final = 2.0  # of one request, generously: it opens a client, reads certificates and closes it again
_CLIENT_MB: Final = 512
_AT_ONCE: Final = 2


async def run_bare(work: Work, *, endpoint: ReplayEndpoint | None, sandbox: SandboxLevel) -> tuple[Outcome, ...]:
    """Run a file on every case; outcomes come in the order of the cases.

    Args:
        work: The file, with its `hook`; its limits are widened by what asking over HTTP takes.
        endpoint: Where it asks; None for a file that asks nobody, which then can import the task's packages only.
        sandbox: What it is confined by.

    Raises:
        ConfigError: If a package is missing, or the kernel cannot leave one port open and close all others.
        InfrastructureError: A child or the template was lost.
    """
    if endpoint is not None and sandbox == "standard" and landlock_abi() < ABI_OF_NETWORK:
        raise ConfigError(
            f"a file that asks a model is run behind Landlock's wall for TCP, which is missing here (ABI {landlock_abi()} of "
            f"{ABI_OF_NETWORK}, Linux 6.7): export on another machine"
        )
    needed = [*work.packages, *([_CLIENT] if endpoint is not None else [])]
    with tempfile.TemporaryDirectory(prefix="graftwork-packages-") as directory:
        await asyncio.to_thread(_fill, Path(directory), needed)
        bare = Bareness(path=directory)
        if endpoint is not None:
            # The machine's certificates cannot be read, and none are needed: a directory without any.
            bare = Bareness(path=directory, port=endpoint.port, variables={**endpoint.variables, "SSL_CERT_DIR": directory})
        template = await TemplateClient.start(needed, locked=sandbox == "standard", bare=bare)
        try:
            return await _run(template, work, asking=endpoint is not None)
        finally:
            await template.aclose()


def _fill(directory: Path, packages: Iterable[str]) -> None:
    directory.chmod(0o755)  # for the user that the template becomes
    link_packages(directory, dependency_closure(distributions_of(packages)), packages=packages)


async def _run(template: TemplateClient, work: Work, *, asking: bool) -> tuple[Outcome, ...]:
    limits = work.limits
    if asking:
        limits = replace(limits, timeout_s=limits.timeout_s + _CLIENT_S * limits.calls, memory_mb=limits.memory_mb + _CLIENT_MB)
        work = replace(work, limits=limits)
    free = asyncio.Semaphore(_AT_ONCE)

    async def run(case: Case) -> Outcome:
        async with free:
            child = template.spawn(memory_mb=limits.memory_mb, cpu_s=cpu_limit_s(limits))
            return await CaseRun(work, case, child=child, relay=_NoRelay()).outcome()

    return await gathered([asyncio.create_task(run(case)) for case in work.cases])


class _NoRelay:
    async def call(self, call: ProgramCall) -> Relayed:
        raise InfrastructureError(f"a file that runs alone has no session, and {call.component} asked one")
