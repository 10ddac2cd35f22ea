"""Tests of the background search: waiting, stopping, errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.task import Example, Score, Task
from graftwork.flows.background import BackgroundSearch
from graftwork.flows.progress import Progress
from graftwork.flows.run import Report, Run
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import TaskError
from graftwork.programs.parse import parse
from graftwork.search.strategy import strategies


def score(output: object, example: Example, /) -> Score:
    """Never called."""
    raise AssertionError(output, example)


def made_run(tmp_path: Path) -> Run:
    """A run that no engine of these tests looks into."""
    task = Task(name="t", seed=parse("def solve() -> int:\n    return 1\n"), splits={}, scorer=score)
    settings = RunSettings(candidates=300)
    return Run(task=task, settings=settings, strategy=strategies()["no-model"], run_dir=tmp_path, models={})


def test_waiting_for_a_slice_returns_when_so_many_are_told(tmp_path: Path) -> None:
    go_on = threading.Event()

    def engine(run: Run, publish: Callable[[Progress], None], *, stopping: threading.Event) -> Report:
        del stopping
        start = Progress(stage="searching", told=0, candidates=run.settings.candidates, unit="")
        for told in (50, 100, 150):
            publish(replace(start, told=told))
        go_on.wait(10)
        raise TaskError("enough")

    search = BackgroundSearch(made_run(tmp_path), search=engine)
    assert search.wait(told=100, timeout_s=10).told >= 100
    assert search.running
    go_on.set()
    with pytest.raises(TaskError, match="enough"):
        search.report()


def test_waiting_ends_when_the_engine_fails_before_the_slice_is_told(tmp_path: Path) -> None:
    def engine(run: Run, publish: Callable[[Progress], None], *, stopping: threading.Event) -> Report:
        del run, publish, stopping
        raise TaskError("a scorer is wrong")

    search = BackgroundSearch(made_run(tmp_path), search=engine)
    assert search.wait(told=100, timeout_s=10).told == 0
    with pytest.raises(TaskError, match="a scorer is wrong"):
        search.report()


def test_a_stop_reaches_the_engine(tmp_path: Path) -> None:
    def engine(run: Run, publish: Callable[[Progress], None], *, stopping: threading.Event) -> Report:
        del run, publish
        assert stopping.wait(10)
        raise TaskError("stopped")

    search = BackgroundSearch(made_run(tmp_path), search=engine)
    search.stop()
    with pytest.raises(TaskError, match="stopped"):
        search.report()
