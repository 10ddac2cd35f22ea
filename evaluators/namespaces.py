"""Namespaces: a world of its own for a process tree, where the kernel gives one to ordinary users. Standard library only.

With it a tree dies as a whole, sees no other process and no network, and has shared memory that nobody else sees; `multiprocessing`
keeps its semaphores there. Without it the other walls stand all the same.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from .lockdown import close_others, die_with_parent, drop_privileges

__all__ = ["SHARED_MEMORY", "isolate", "live_apart", "would_work"]

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - where the C library keeps semaphores
_NEW: Final = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000  # CLONE_NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC
_PROC: Final = "/proc"
_NOSUID_NODEV_NOEXEC: Final = 2 | 4 | 8
_PRIVATE_RECURSIVE: Final = (1 << 18) | (1 << 14)
_SHARED_MEMORY_OPTIONS: Final = b"size=64m,nr_inodes=1000,mode=700"


def isolate(*, shared_memory: bool = True) -> bool:
    """Give this process's children new namespaces, and this process all but the one of process ids; whether the kernel let it.

    To be called before privileges are dropped: root may map itself only while it has them. Leaves nothing half done that matters:
    a process that fails at the last step has fewer rights than before, not more.

    Args:
        shared_memory: Whether shared memory is a new one, too; what files lay there are not seen then.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(ctypes.c_int(_NEW)) != 0:
        return False
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            _write(f"/proc/self/{name}", text)
    except OSError:
        return False
    # What is mounted here must not appear elsewhere.
    if libc.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE_RECURSIVE), None) != 0:
        return False
    return not shared_memory or _mount("tmpfs", SHARED_MEMORY, _SHARED_MEMORY_OPTIONS)


def live_apart(directory: str) -> bool:
    """Go on as the first process of new namespaces, with a /proc that shows nothing else, where the kernel gives them; whether it did.

    The process that called stays outside, does nothing, and ends with the one that goes on; so does everything that that one started.

    Args:
        directory: One that must still be seen.
    """
    if not would_work():
        return False
    isolate(shared_memory=not Path(directory).is_relative_to(SHARED_MEMORY))
    first = os.fork()
    if first != 0:
        drop_privileges()
        close_others(())
        _, status = os.waitpid(first, 0)
        os._exit(max(0, os.waitstatus_to_exitcode(status)))
    die_with_parent(0)  # it is not seen from here
    _mount("proc", _PROC)
    return True


def would_work() -> bool:
    """Whether `live_apart` would, tried in another process: who fails half-way can neither go back nor fork any more."""
    trial = os.fork()
    if trial == 0:
        worked = isolate()
        first = os.fork() if worked else 0
        if first == 0:
            os._exit(0 if worked and _mount("proc", _PROC) else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))
    return os.waitpid(trial, 0)[1] == 0


def _mount(kind: str, place: str, options: bytes | None = None) -> bool:
    flags = ctypes.c_ulong(_NOSUID_NODEV_NOEXEC)
    return bool(ctypes.CDLL(None).mount(kind.encode(), place.encode(), kind.encode(), flags, options) == 0)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
