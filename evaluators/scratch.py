"""Scratch: how much a program may keep in its directory. The kernel bounds single files; this bounds their sum."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

__all__ = ["MAX_BYTES", "MAX_FILES", "is_overfull"]

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_FILES: Final = 1_000


def is_overfull(directory: Path) -> bool:
    """Whether hostile code keeps more in its directory than it may; the look at it is bounded, too."""
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
            # Anything else was removed while we looked. A path too long for us hides what lies below it.
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False
