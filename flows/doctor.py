"""Doctor: what this machine can give a run, each thing tried: the sandbox's walls, what is installed, memory, where models are."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from graftwork.evaluators.sandbox import SELF_TEST, SandboxReport, probe
from graftwork.evaluators.template_client import ENVIRONMENT

__all__ = ["Diagnosis", "Machine", "Wall", "diagnose"]

_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - Ray's object store lies there
_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_VARIABLES: Final = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GRAFTWORK_MODEL", "PREFECT_API_URL", "RAY_ADDRESS")
_PACKAGES: Final = ("graftwork", "prefect", "ray", "pyarrow", "openai")
_TRIAL_S: Final = 30.0
_TRIALS: Final = """import sys
sys.path.append(sys.argv[1])
from graftwork.evaluators.trials import main
main()
"""
_OPTIONAL: Final = frozenset(("namespaces", "user"))
_REMEDIES: Final[Mapping[str, str]] = {
    "Landlock": (
        "needs Linux 5.13 or later with landlock among its security modules (boot with lsm=landlock,… in front of those that "
        "/sys/kernel/security/lsm names); in a container, a runtime whose profile allows the landlock calls"
    ),
    "seccomp": "needs Linux on x86_64 with CONFIG_SECCOMP_FILTER",
    "limits": "needs a kernel that obeys setrlimit, as some emulations of Linux do not",
    "privileges": "needs prctl and capset: in a container, a runtime whose profile allows them",
    "namespaces": "one wall more, not needed: `sysctl user.max_user_namespaces` above 0, and in a container a profile that allows unshare",
    "user": "one wall more, not needed: install Python where user 65534 can read it, or run as an ordinary user",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One of the sandbox's walls, as it was tried.

    Attributes:
        name: What it is.
        holds: Whether it does.
        needed: Whether `standard` needs it.
        detail: What it keeps in, or why it does not hold.
        remedy: What to do where it does not hold; empty where it does.
    """

    name: str
    holds: bool
    needed: bool
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is besides.

    Attributes:
        system: Kernel and processor.
        python: Its version.
        versions: Of what is installed, by name.
        cores: That this process may use.
        memory_bytes: That this process may use, by the machine and by its container.
        shared_memory_bytes: Size of /dev/shm, where Ray keeps its objects; 0 where there is none.
        variables: Whether each variable that is read is set, by name; never its value.
    """

    system: str
    python: str
    versions: Mapping[str, str]
    cores: int
    memory_bytes: int
    shared_memory_bytes: int
    variables: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All of it.

    Attributes:
        walls: Each tried by itself.
        attacks: Whether each attack of the self-test was stopped, by name, all walls together; empty where it did not run.
        trouble: What stands against `standard`, in one line; empty where nothing does.
        machine: What there is besides.
    """

    walls: tuple[Wall, ...]
    attacks: Mapping[str, bool]
    trouble: str
    machine: Machine

    @property
    def standard_holds(self) -> bool:
        """Whether a run with the sandbox `standard` can start."""
        return not self.trouble


def diagnose(environ: Mapping[str, str] = os.environ) -> Diagnosis:
    """Try everything; takes about a second.

    Args:
        environ: Where variables are looked for.
    """
    report = probe()
    walls = (*_walls(report), _user(report))
    attacks = {} if report.trouble else {name: name not in report.open_doors for name in SELF_TEST}
    return Diagnosis(walls=walls, attacks=attacks, trouble=report.missing, machine=_machine(environ))


def _walls(report: SandboxReport) -> tuple[Wall, ...]:
    """The walls, tried in a process of the user that programs run as."""
    dropped = os.geteuid() == 0 and report.user not in {None, 0}
    command = [sys.executable, "-s", "-P", "-c", _TRIALS, str(Path(__file__).absolute().parents[2])]
    try:
        done = subprocess.run(
            command,
            env=dict(ENVIRONMENT),
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            timeout=_TRIAL_S,
            user=report.user if dropped else None,
            group=report.user if dropped else None,
            extra_groups=() if dropped else None,
        )
        tried: dict[str, tuple[bool, str]] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        tried = {name: (False, f"it could not be tried: {error}") for name in _REMEDIES if name != "user"}
    return tuple(_wall(name, holds=holds, detail=detail) for name, (holds, detail) in tried.items())


def _user(report: SandboxReport) -> Wall:
    if report.user == 0:
        return _wall("user", holds=False, detail="programs run as root, without its privileges: user 65534 cannot read this Python")
    if report.user is None:
        return _wall("user", holds=False, detail="no program could be started")
    return _wall("user", holds=True, detail=f"programs run as user {report.user}")


def _wall(name: str, *, holds: bool, detail: str) -> Wall:
    return Wall(name=name, holds=holds, needed=name not in _OPTIONAL, detail=detail, remedy="" if holds else _REMEDIES[name])


def _machine(environ: Mapping[str, str]) -> Machine:
    return Machine(
        system=f"{platform.system()} {platform.release()} on {platform.machine()}",
        python=platform.python_version(),
        versions={name: version(name) for name in _PACKAGES},
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=_memory_bytes(),
        shared_memory_bytes=_size_bytes(_SHARED_MEMORY),
        variables={name: name in environ for name in _VARIABLES},
    )


def _memory_bytes() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(_CGROUP_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such file, or `max`
        return whole


def _size_bytes(place: str) -> int:
    try:
        found = os.statvfs(place)
    except OSError:
        return 0
    return found.f_frsize * found.f_blocks
