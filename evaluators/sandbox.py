"""The sandbox's levels, and the self-test that says which of them this machine can give.

`standard`: resource limits, a clean environment, Landlock and seccomp; the child can reach nothing but its own directory.
`weak`: limits, a clean environment and the death of the whole process tree only; for machines without the other two, and
programs that are trusted. At both, namespaces are one wall more where the kernel gives them.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from graftwork.programs.errors import ConfigError, InfrastructureError

from .case_run import CaseRun, cpu_limit_s
from .evaluation import Case, Work
from .lockdown import has_seccomp, landlock_abi
from .loop_thread import LoopThread
from .pool import ProgramCall, Relayed
from .task import Limits
from .template_client import TemplateClient

__all__ = ["SELF_TEST", "SandboxLevel", "SandboxReport", "probe", "require"]

SandboxLevel = Literal["standard", "weak"]

_LIMITS: Final = Limits(timeout_s=10.0, memory_mb=256)
SELF_TEST: Final[Mapping[str, str]] = MappingProxyType(
    {
        "open a socket": "socket.socket(socket.AF_UNIX)",
        "connect over the network": 'socket.socket(socket.AF_INET).connect(("127.0.0.1", 9))',
        "fork": "os.fork() or os._exit(0)",
        "execute a file": 'os.posix_spawn("/bin/true", ["true"], {})',
        "read a file of ours": "open(secret).read()",
        "read the parent's environment": 'open(f"/proc/{os.getppid()}/environ").read()',
        "write outside its directory": 'open(outside, "w").write("x")',
        "signal another process": "os.kill(parent, 0)",
        "take all memory": "bytearray(1 << 40)",
    }
)
"""What the self-test's child tries, by what it would be. Each is one that a program of no ill will may also make by mistake."""
_PROGRAM: Final = f"""
import os, socket


def solve(secret, outside, parent):
    attacks = {{
        {
    '''
        '''.join(f"{name!r}: lambda: {attack}," for name, attack in SELF_TEST.items())
}
    }}
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
        level: The level that was tried.
        landlock_abi: The kernel's Landlock ABI; 0 where there is none.
        seccomp: Whether the kernel filters system calls, on a machine whose calls we know.
        apart: Whether the template lives in namespaces of its own.
        user: The user that programs run as; None where no template started.
        open_doors: Attacks of the self-test that succeeded.
        trouble: Why the self-test's child did not run; empty when it did.
    """

    level: SandboxLevel = "standard"
    landlock_abi: int
    seccomp: bool
    apart: bool = False
    user: int | None = None
    open_doors: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def missing(self) -> str:
        """What `standard` lacks here, in one line; empty when it holds."""
        absent = [name for name, there in (("Landlock", self.landlock_abi > 0), ("seccomp", self.seccomp)) if not there]
        if absent:
            return " and ".join(absent)
        return self.trouble or (f"a program could {', '.join(self.open_doors)}" if self.open_doors else "")

    @property
    def layers(self) -> tuple[str, ...]:
        """The walls around programs here, in words; none where no child ran."""
        if self.trouble:
            return ()
        locked = (f"Landlock ABI {self.landlock_abi}", "seccomp") if self.level == "standard" else ()
        return ("limits", "no privileges", "clean environment", *locked, *(("namespaces",) if self.apart else ()))


@functools.cache
def probe(level: SandboxLevel = "standard") -> SandboxReport:
    """Start a template and one child, and let the child try what it must not be able to do.

    Once for each process, whose walls are its kernel's; a child that could not be confined runs nothing in any case.
    """
    thread = LoopThread("sandbox-probe")
    try:
        return thread.run(_probe(level))
    finally:
        thread.close()


def require(level: SandboxLevel) -> SandboxReport:
    """What holds here, unless the level cannot be had.

    Raises:
        ConfigError: One line that names what is missing and how to go on without it.
    """
    report = probe(level)
    if level == "standard" and (missing := report.missing):
        raise ConfigError(
            f"the sandbox does not hold here: {missing}; `graftwork doctor` says more; use --sandbox=weak only for programs that you trust"
        )
    return report


async def _probe(level: SandboxLevel) -> SandboxReport:
    found = SandboxReport(level=level, landlock_abi=landlock_abi(), seccomp=has_seccomp())
    try:
        template = await TemplateClient.start((), locked=level == "standard")
    except InfrastructureError as error:
        return replace(found, trouble=str(error))
    found = replace(found, apart=template.apart, user=template.user)
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
    work = Work(candidate=-1, source=_PROGRAM, digest="", entry="solve", cases=(), limits=_LIMITS)
    child = template.spawn(memory_mb=_LIMITS.memory_mb, cpu_s=cpu_limit_s(_LIMITS))
    doors: tuple[str, ...] = ()
    try:
        outcome = await CaseRun(work, Case(example_id="", inputs=inputs), child=child, relay=_NoRelay()).outcome()
    except InfrastructureError as error:
        trouble = str(error)
    else:
        trouble = outcome.failure.message if outcome.failure is not None else ""
        doors = tuple(map(str, outcome.output)) if isinstance(outcome.output, list) else ()
    return replace(found, open_doors=doors, trouble=trouble)


class _NoRelay:
    async def call(self, call: ProgramCall) -> Relayed:
        raise InfrastructureError(f"the self-test makes no model call, {call.component} made one")
