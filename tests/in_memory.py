"""Folders of tests where a sync costs nothing: on a disk, tests of the record wait for it a third of their time.

For processes of ours only: programs in namespaces of their own have another shared memory, and would not find what lies in ours.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

__all__ = ["tmp_path"]

_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 1 << 30  # bytes; a test leaves a few MiB, for as long as it runs


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory, or on disk where there is no room; it is gone after the test."""
    has_room = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    with tempfile.TemporaryDirectory(prefix="graftwork-test-", dir=_MEMORY if has_room else None) as folder:
        yield Path(folder)
