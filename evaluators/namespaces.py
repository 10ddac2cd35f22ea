"""Namespaces: a world of its own for a process tree, where the kernel gives one to ordinary users. Standard library only.

With it a tree dies as a whole, sees no other process and no network, and has shared memory that nobody else sees; `multiprocessing`
keeps its semaphores there. Without it the other walls stand all the same.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

__all__ = ["SHARED_MEMORY", "isolate"]

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - where the C library keeps semaphores
_NEW: Final = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000  # CLONE_NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC
_NOSUID_NODEV_NOEXEC: Final = 2 | 4 | 8
_PRIVATE_RECURSIVE: Final = (1 << 18) | (1 << 14)
_SHARED_MEMORY_OPTIONS: Final = b"size=64m,nr_inodes=1000,mode=700"


def isolate() -> bool:
    """Give this process's children new namespaces, and this process all but the one of process ids; whether the kernel let it.

    To be called before privileges are dropped: root may map itself only while it has them. Leaves nothing half done that matters:
    a process that fails at the last step has fewer rights than before, not more.
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
    flags = ctypes.c_ulong(_NOSUID_NODEV_NOEXEC)
    return bool(libc.mount(b"tmpfs", SHARED_MEMORY.encode(), b"tmpfs", flags, _SHARED_MEMORY_OPTIONS) == 0)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
