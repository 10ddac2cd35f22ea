"""Files are whole or not at all, and one process writes."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from graftwork.programs.errors import RunError
from graftwork.search.disk import WriterLock, publish_file, writing_to


def test_a_second_writer_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    first = WriterLock(tmp_path / "lock")
    with pytest.raises(RunError, match=f"being written by process {os.getpid()}"):
        WriterLock(tmp_path / "lock")
    first.release()
    first.release()
    WriterLock(tmp_path / "lock").release()


def test_a_published_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    for data in (b"old", b"new and longer"):
        publish_file(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_of_the_disk_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "file"
    with pytest.raises(RunError, match=r"cannot write .*nowhere.*: No such file or directory; .* intact") as raised, writing_to(tmp_path):
        publish_file(missing, b"")
    assert "\n" not in str(raised.value)


def test_a_disk_that_takes_no_more_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    publish_file(tmp_path / "file", b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            publish_file(tmp_path / "file", b"new and longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]
