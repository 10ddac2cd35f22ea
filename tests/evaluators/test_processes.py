"""Whose child a process is, as the kernel's own lists and as a look at all processes tell it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graftwork.evaluators import processes
from graftwork.evaluators.processes import children_of

SLEEPS = ["sleep", "60"]


@pytest.fixture
def started() -> Iterator[set[int]]:
    """Ids of two processes that sleep, one of them started by another thread."""
    with ThreadPoolExecutor(1) as thread:
        both = [subprocess.Popen(SLEEPS), thread.submit(subprocess.Popen, SLEEPS).result()]
        yield {one.pid for one in both}
        for one in both:
            one.kill()
            one.wait()


def test_children_of_every_thread_are_found_and_those_that_ended_are_not(started: set[int]) -> None:
    assert started <= children_of(os.getpid())
    with subprocess.Popen(SLEEPS) as another:
        another.kill()
    assert another.pid not in children_of(os.getpid())


def test_a_kernel_that_keeps_no_lists_is_asked_for_all_processes(started: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_list(path: str, _mode: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(processes, "open", no_list, raising=False)
    assert started <= children_of(os.getpid())


def test_a_process_that_is_gone_has_none() -> None:
    with subprocess.Popen([*SLEEPS[:1], "0"]) as gone:
        gone.wait()
    assert not Path(f"/proc/{gone.pid}").exists()
    assert children_of(gone.pid) == set()
