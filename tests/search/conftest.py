"""What holds for tests of the search: their folders are in memory."""

from __future__ import annotations

from tests.in_memory import tmp_path

__all__ = ["tmp_path"]
