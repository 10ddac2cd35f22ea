"""Scratch: where programs may write: the directories of a template's children, how full one may be, and how they are removed.

The kernel bounds the size of a file and how many are open, `is_overfull` what has a name, `bytes_written` and `files_kept_by_maps` what
has none: a file that is mapped stays when it is removed and closed. Standard library only: the template imports it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = [
    "MAX_BYTES",
    "MAX_FILES",
    "MAX_UNNAMED",
    "MAX_WRITTEN",
    "REMOVE",
    "bytes_written",
    "disk_is_full",
    "files_kept_by_maps",
    "is_overfull",
    "make_root",
    "remove_tree",
    "sweep",
]

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_FILES: Final = 1_000
MAX_WRITTEN: Final = 512 * 1024 * 1024
MAX_UNNAMED: Final = 32
"""How many files a process may keep by mapping them: where scratch is memory, what is written through a map counts nowhere else."""
_KEPT: Final = b" (deleted)\n"
# `shutil.rmtree` stops at a depth of some hundred directories, and at one that is closed to its owner.
REMOVE: Final = ("/bin/sh", "-c", 'rm -rf -- "$0" || { chmod -R u+rwx -- "$0"; rm -rf -- "$0"; }')
# Removed or replaced by a file while we looked; or this process is short of something itself.
_NOT_HIDDEN: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EMFILE, errno.ENFILE, errno.ENOMEM))
_ROOM_BYTES: Final = 1024 * 1024
_ROOM_FILES: Final = 16
_PREFIX: Final = "graftwork-scratch-"
_NEW_S: Final = 60.0


def disk_is_full(directory: str | Path) -> bool:
    """Whether the file system of a directory has no room for what programs ordinarily write; False where that cannot be said."""
    try:
        there = os.statvfs(directory)
    except OSError:
        return False
    return there.f_bavail * there.f_frsize < _ROOM_BYTES or (there.f_files > 0 and there.f_favail < _ROOM_FILES)


def is_overfull(directory: Path) -> bool:
    """Whether hostile code keeps more in its directory than it may; the look at it is bounded, too.

    What cannot be looked at (a path too long for us, a directory that is closed to its owner) counts as more: it hides what lies below.
    """
    open_directories, files, size = [str(directory)], 0, 0
    while open_directories:
        try:
            with os.scandir(open_directories.pop()) as entries:
                for entry in entries:
                    files, size = files + 1, size + entry.stat(follow_symlinks=False).st_blocks * 512
                    if files > MAX_FILES or size > MAX_BYTES:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        open_directories.append(entry.path)
        except OSError as error:
            if error.errno not in _NOT_HIDDEN:
                return True
    return False


def bytes_written(pid: int) -> int:
    """Bytes that a process has written so far, or dirtied on a disk; 0 if it is gone or the kernel does not count."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    counts = dict(line.split(": ") for line in lines)
    return max(int(counts["wchar"]), int(counts["write_bytes"]))


def files_kept_by_maps(pid: int) -> int:
    """Maps of files that have no name any more; 0 if the process is gone."""
    try:
        return Path(f"/proc/{pid}/maps").read_bytes().count(_KEPT)
    except OSError:
        return 0


def make_root(directory: str) -> tuple[Path, int]:
    """A new directory for the directories of a template's children, and a descriptor that keeps `sweep` away while it is open."""
    root = tempfile.mkdtemp(prefix=_PREFIX, dir=directory)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):  # where files cannot be locked, nothing is swept either
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return Path(root), descriptor


def sweep(directory: str) -> None:
    """Remove what templates left behind that were killed: a lock ends with its process, also in another container."""
    for root in Path(directory).glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            # Gone, another user's, or none of ours.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            seen = os.fstat(descriptor)
            # A new one may not be locked yet.
            if seen.st_uid == os.geteuid() and time.time() - seen.st_mtime > _NEW_S:
                remove_tree(root)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def remove_tree(directory: Path) -> None:
    """Remove a directory that hostile code filled: of any depth, and with directories that nobody may enter."""
    subprocess.run((*REMOVE, str(directory)), check=False, capture_output=True)
