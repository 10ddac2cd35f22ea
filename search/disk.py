"""Files that are there whole or not at all, and one writer per directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graftwork.programs.errors import RunError

__all__ = ["WriterLock", "publish_file", "sync_directory", "write_all", "writing_to"]


class WriterLock:
    """The right to write a directory, until it is released or this process ends, however it ends.

    Args:
        path: The lock file; it is made where it is missing, and stays.

    Raises:
        RunError: If another process holds it, naming that process.
    """

    def __init__(self, path: Path) -> None:
        # Not inherited by exec'ed children, so that no sandbox or cluster keeps the lock of a dead run.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise RunError(
                f"{path.parent} is being written by process {holder}: wait for it, or stop it, or use another run directory"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another writer in. Calling it twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Tell an error of the disk as one line.

    Raises:
        RunError: For every `OSError` inside: disk full, read-only, no permission, a broken device.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RunError(f"cannot write {error.filename or path}: {reason}; what was written before is intact") from None


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte.

    Raises:
        OSError: If the disk takes no more.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish_file(path: Path, data: bytes | memoryview) -> None:
    """Put a file in place, durable and whole; a reader sees the old one or the new one.

    Raises:
        OSError: If the disk takes no more; the old file is intact then, and nothing stands beside it.
    """
    draft = path.with_name(f".{path.name}.tmp")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_directory(path.parent)
