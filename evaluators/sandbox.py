"""The sandbox's levels, and the self-test that says which of them this machine can give.

`standard`: resource limits, a clean environment, Landlock and seccomp; the child can reach nothing but its own directory.
`weak`: limits, a clean environment and the death of the whole process tree only; for machines without the other two, and
programs that are trusted.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from graftwork.programs.errors import ConfigError, InfrastructureError

from .case_run import CaseRun, cpu_limit_s
from .evaluation import Case, Work
from .lockdown import has_seccomp, landlock_abi
from .loop_thread import LoopThread
from .pool import ProgramCall, Relayed
from .task import Limits
from .template_client import TemplateClient

__all__ = ["SandboxLevel", "SandboxReport", "probe", "require"]

SandboxLevel = Literal["standard", "weak"]

_LIMITS: Final = Limits(timeout_s=10.0, memory_mb=256)
# Tried by the self-test's child. Each attack is one that a program of no ill will may also make by mistake.
_ATTACKS: Final = """
import os, socket


def solve(secret, outside, parent):
    attacks = {
        "open a socket": lambda: socket.socket(socket.AF_UNIX),
        "connect over the network": lambda: socket.socket(socket.AF_INET).connect(("127.0.0.1", 9)),
        "fork": lambda: os.fork() or os._exit(0),
        "execute a file": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "read a file of ours": lambda: open(secret).read(),
        "read the parent's environment": lambda: open(f"/proc/{os.getppid()}/environ").read(),
        "write outside its directory": lambda: open(outside, "w").write("x"),
        "signal another process": lambda: os.kill(parent, 0),
        "take all memory": lambda: bytearray(1 << 40),
    }
    return [name for name, attack in attacks.items() if succeeds(attack)]


def succeeds(attack):
    try:
        attack()
    except (PermissionError, MemoryError):
        return False
    except OSError:
        return True
    return True
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxReport:
    """What holds here.

    Attributes:
        landlock_abi: The kernel's Landlock ABI; 0 where there is none.
        seccomp: Whether the kernel filters system calls, on a machine whose calls we know.
        open_doors: Attacks of the self-test that succeeded.
        trouble: Why the self-test's child did not run; empty when it did.
    """

    landlock_abi: int
    seccomp: bool
    open_doors: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def missing(self) -> str:
        """What `standard` lacks here, in one line; empty when it holds."""
        absent = [name for name, there in (("Landlock", self.landlock_abi > 0), ("seccomp", self.seccomp)) if not there]
        if absent:
            return " and ".join(absent)
        return self.trouble or (f"a program could {', '.join(self.open_doors)}" if self.open_doors else "")


def probe() -> SandboxReport:
    """Start a template and one child at level `standard`, and let the child try what it must not be able to do."""
    thread = LoopThread("sandbox-probe")
    try:
        return thread.run(_probe())
    finally:
        thread.close()


def require(level: SandboxLevel) -> None:
    """Refuse to go on where a level cannot be had.

    Raises:
        ConfigError: One line that names what is missing and how to go on without it.
    """
    if level == "standard" and (missing := probe().missing):
        raise ConfigError(f"the sandbox does not hold here: {missing}; use --sandbox=weak only for programs that you trust")


async def _probe() -> SandboxReport:
    found = SandboxReport(landlock_abi=landlock_abi(), seccomp=has_seccomp())
    try:
        template = await TemplateClient.start((), locked=True)
    except InfrastructureError as error:
        return SandboxReport(landlock_abi=found.landlock_abi, seccomp=found.seccomp, trouble=str(error))
    try:
        with tempfile.TemporaryDirectory() as directory:
            return await _try_attacks(template, _tempting_files(Path(directory)), found)
    finally:
        await template.aclose()


def _tempting_files(directory: Path) -> Mapping[str, object]:
    """Inputs of the self-test: files open to all, so that nothing but the sandbox keeps the child away."""
    directory.chmod(0o777)
    secret = directory / "secret"
    secret.write_text("secret", encoding="utf-8")
    return {"secret": str(secret), "outside": str(directory / "outside"), "parent": os.getpid()}


async def _try_attacks(template: TemplateClient, inputs: Mapping[str, object], found: SandboxReport) -> SandboxReport:
    work = Work(candidate=-1, source=_ATTACKS, digest="", entry="solve", cases=(), limits=_LIMITS)
    child = template.spawn(memory_mb=_LIMITS.memory_mb, cpu_s=cpu_limit_s(_LIMITS))
    doors: tuple[str, ...] = ()
    try:
        outcome = await CaseRun(work, Case(example_id="", inputs=inputs), child=child, relay=_NoRelay()).outcome()
    except InfrastructureError as error:
        trouble = str(error)
    else:
        trouble = outcome.failure.message if outcome.failure is not None else ""
        doors = tuple(map(str, outcome.output)) if isinstance(outcome.output, list) else ()
    return SandboxReport(landlock_abi=found.landlock_abi, seccomp=found.seccomp, open_doors=doors, trouble=trouble)


class _NoRelay:
    async def call(self, call: ProgramCall) -> Relayed:
        raise InfrastructureError(f"the self-test makes no model call, {call.component} made one")
