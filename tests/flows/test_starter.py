"""Tests of the starter task."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftwork.evaluators.load import load_task
from graftwork.flows.starter import write_starter
from graftwork.programs.errors import RunError


def test_the_starter_is_a_task_that_loads(tmp_path: Path) -> None:
    write_starter(tmp_path / "new")
    task = load_task(tmp_path / "new")
    assert task.name == "parcels"
    assert all(task.splits[split] for split in ("train", "val", "confirm", "test"))


def test_the_starter_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["task.py"]
