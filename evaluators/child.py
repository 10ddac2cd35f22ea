"""The child: a fork of the template that locks itself down, runs one program on one case, and sends one result.

First one byte: `CONFINED`, or `UNCONFINED` and why, after which nothing is run. Then frames of `programs/wire.py`:
a case in, calls and steps out and their answers in, spans and at last a result out. Standard library only.
"""

from __future__ import annotations

import functools
import io
import linecache
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from graftwork.programs.wire import encode_frame

from .bounded_text import BoundedText
from .channel import Channel
from .door import use_door
from .lockdown import (
    FILES_OF_DRIVERS,
    OPEN_FILES,
    Rule,
    SystemCalls,
    close_others,
    die_with_parent,
    file_ruleset,
    prefer_for_oom,
    restrict_files,
    set_limits,
    use_memory_reserve,
)
from .places import ReadyPlace
from .running import FILE, MODULE, encodable, failure_of, run_alone, run_in_session
from .seccomp import Profile

__all__ = ["CONFINED", "UNCONFINED", "Confinement", "profile_of", "rehearse", "serve"]

CONFINED: Final = b"\x01"
UNCONFINED: Final = b"\x00"
_REHEARSALS: Final = 12  # Python adapts code that ran 8 times
_REHEARSED: Final = '''"""Add one."""


def solve(x: int) -> int:
    """Give x and one more."""
    return x + 1
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What every child of a template is confined to.

    Attributes:
        calls: Which system calls are left; None where neither seccomp nor Landlock is used, and only limits hold.
        readable: What may be read.
        processes: Processes and threads that the user had before; None sets no limit on them.
        base_mb: Address space that is taken before a program is there, in MiB; with imports behind the walls, after them.
        bare: Whether it runs a file that needs nothing of ours, without a session.
        devices: Whether GPUs can be used; then nothing bounds memory.
        imports: What imports packages behind the walls, where the template did not.
        imports_cpu_s: CPU seconds that they take.
    """

    calls: SystemCalls | None
    readable: tuple[Rule, ...]
    processes: int | None
    base_mb: float
    bare: bool = False
    devices: bool = False
    imports: Callable[[], None] | None = None
    imports_cpu_s: int = 0


def profile_of(*, asking: bool, devices: bool) -> Profile:
    """What a child's system calls are restricted to.

    Args:
        asking: Whether it runs a file that asks models, at a door.
        devices: Whether it can use GPUs.
    """
    return "driver" if devices else "client" if asking else "program"


def serve(socket: int, *doors: int, confinement: Confinement, place: ReadyPlace, limits: Mapping[str, int], template: int) -> NoReturn:
    """Be the child: lock down, run one case, and end the process.

    Args:
        socket: Descriptor of the stream socket to the worker.
        doors: None, or the descriptor of one, where a file asks for connections.
        confinement: What to lock down to.
        place: Its directory, the only one that can be written; it becomes the current one and HOME.
        limits: `memory_mb`, above what the template has, and `cpu_s`.
        template: The parent's process id.
    """
    try:
        _settle(template)
        scratch = _move_in(place)
        if confinement.calls is not None:
            restrict_files(place.ruleset or _own_ruleset(confinement, scratch))
        close_others({0, 1, 2, socket, *doors})
        _limit(confinement, limits)
        if confinement.imports is not None:
            confinement.imports()
    except Exception as error:
        os.write(socket, UNCONFINED + str(error).encode(errors="replace"))
        os._exit(1)
    os.write(socket, CONFINED)
    channel = Channel(socket)
    case = channel.receive()
    for door in doors:
        use_door(door)
    if confinement.bare:
        channel.send(_result(case, lambda: run_alone(case)))
    else:
        channel.send(_result(case, lambda: run_in_session(case, channel)))
    os._exit(0)


def rehearse() -> None:
    """Run a small case in this process, some times over, and leave nothing of it.

    What Python makes and adapts at first use is then there for every child, which would have to pay for the pages that it changes.
    """
    streams, limits = (sys.stdout, sys.stderr), {"output_bytes": 1_000, "stdout_bytes": 1_000}
    case = {"source": _REHEARSED, "entry": "solve", "inputs": {"x": 1}, "seed": 0, "limits": limits}
    for _ in range(_REHEARSALS):
        ours, theirs = os.pipe()
        channel = Channel(theirs)
        channel.send(encode_frame({"kind": "case", "id": 0, **case}))
        case_read = Channel(ours).receive()
        channel.send(_result(case_read, functools.partial(run_in_session, case_read, channel)))
        os.close(ours)
        os.close(theirs)
    sys.stdout, sys.stderr = streams
    del sys.modules[MODULE], linecache.cache[FILE]


def _settle(template: int) -> None:
    """Leave the template behind: its session, signals and streams."""
    os.setsid()
    die_with_parent(template)
    signal.set_wakeup_fd(-1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    prefer_for_oom()


def _move_in(place: ReadyPlace) -> str:
    scratch = place.take()
    os.chdir(scratch)
    os.environ["HOME"] = os.environ["TMPDIR"] = scratch
    return scratch


def _own_ruleset(confinement: Confinement, scratch: str) -> int:
    return file_ruleset(readable=confinement.readable, writable=scratch, devices=_gpus() if confinement.devices else ())


def _gpus() -> list[str]:
    """GPUs, and where their driver names its threads."""
    return ["/proc/self/task", *(f"/dev/{name}" for name in os.listdir("/dev") if name.startswith("nvidia"))]  # noqa: PTH208 - no path objects in the child


def _limit(confinement: Confinement, limits: Mapping[str, int]) -> None:
    """Set limits, and no system calls after that but those of the profile."""
    set_limits(
        memory_mb=None if confinement.devices else confinement.base_mb + limits["memory_mb"],
        cpu_s=limits["cpu_s"] + confinement.imports_cpu_s,
        processes=confinement.processes,
        open_files=FILES_OF_DRIVERS if confinement.devices else OPEN_FILES,
    )
    if confinement.calls is not None:
        confinement.calls.restrict()


def _result(case: Mapping[str, Any], running: Callable[[], object]) -> bytes:
    """What a run of the program on the case gives, encoded."""
    printed = BoundedText(case["limits"]["stdout_bytes"])
    sys.stdout = sys.stderr = io.TextIOWrapper(io.BufferedWriter(printed), encoding="utf-8", errors="backslashreplace")
    try:
        outcome = encodable(running(), case["limits"]["output_bytes"])
    except BaseException as error:
        outcome = {"failure": failure_of(error)}
    use_memory_reserve()
    sys.stdout.flush()
    return encode_frame({"kind": "result", "id": 0, "stdout": printed.text, **outcome})
