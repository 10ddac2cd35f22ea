"""Trials: each wall of the sandbox tried by itself, in a process of its own. Standard library only: it runs as the children's user.

A trial says what holds, or raises `OSError` with why it does not. What only asks the kernel whether it has something proves little:
a container's own filter may refuse what the kernel offers.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .lockdown import SystemCalls, address_space_mb, drop_privileges, file_ruleset, landlock_abi, restrict_files, set_limits
from .namespaces import would_work

__all__ = ["WALLS", "main"]

_MIB: Final = 1024 * 1024
_SINCE: Final = (
    (1, "files"),
    (2, "moves between folders"),
    (3, "truncation"),
    (4, "TCP"),
    (5, "devices"),
    (6, "signals, abstract sockets"),
)


def main() -> None:
    """Print, as JSON, by the name of each wall: whether it holds, and what is to be said of it."""
    with tempfile.TemporaryDirectory() as own:
        print(json.dumps({name: _tried(trial, own) for name, trial in WALLS.items()}))  # noqa: T201 - its caller reads it


def _tried(trial: Callable[[str], str], own: str) -> tuple[bool, str]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            said = (True, trial(own))
        except OSError as error:
            said = (False, str(error))
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.wait()
    holds, detail = json.loads(text or '[false, "the process that tried it was killed"]')
    return holds, detail


def _landlock(own: str) -> str:
    restrict_files(file_ruleset(readable=(), writable=own))
    Path(own, "file").write_text("x", encoding="utf-8")
    if _succeeds(lambda: list(Path("/").iterdir())):
        raise OSError("a process behind it could still list /")
    abi = landlock_abi()
    return f"ABI {abi}: {', '.join(what for since, what in _SINCE if abi >= since)}"


def _seccomp(_own: str) -> str:
    SystemCalls().restrict()
    if _succeeds(socket.socket) or _succeeds(os.fork):
        raise OSError("a process behind it could still open a socket or fork")
    return "no sockets, no processes, no signals to others"


def _limits(_own: str) -> str:
    set_limits(memory_mb=address_space_mb() + 64, cpu_s=10)
    if _succeeds(lambda: bytearray(256 * _MIB)) or _succeeds(lambda: [os.dup(0) for _ in range(64)]):
        raise OSError("a process with limits could still take more memory, or open more files")
    return "memory, CPU seconds, files and their size, timers"


def _privileges(_own: str) -> str:
    drop_privileges()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    if int(status["CapEff"], 16) or int(status["CapPrm"], 16) or int(status["NoNewPrivs"]) != 1:
        raise OSError("a process that gave up its privileges still had some, or could gain new ones")
    return "no capabilities, and none to be gained"


def _namespaces(_own: str) -> str:
    if not would_work():
        raise OSError("this kernel, or the container, gives none to an ordinary user")
    return "network, processes, shared memory and users of their own"


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, MemoryError):
        return False
    return True


WALLS: Final = {
    "Landlock": _landlock,
    "seccomp": _seccomp,
    "limits": _limits,
    "privileges": _privileges,
    "namespaces": _namespaces,
}
"""Trials by the name of the wall, each given a directory of its own. All but namespaces, which are one more, are needed for `standard`."""
