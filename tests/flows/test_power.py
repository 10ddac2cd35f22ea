"""What the splits cannot show is said, or refused, before anything is made or paid for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graftwork.cli import app
from graftwork.flows.engine import run_search
from graftwork.programs.errors import ConfigError
from graftwork.search.record import open_run
from tests.flows.scripted_task import made_run, made_task

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")

FEW = "your test split of 6 examples can only show a difference of"


def test_a_run_says_what_its_splits_cannot_show_and_keeps_it(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", candidates=2)
    assert [line.split(" examples")[0] for line in run.cannot_show] == ["your confirm split of 4", "your test split of 6"]
    assert run.cannot_show[1].startswith(FEW)
    run_search(run, lambda progress: None)
    events = open_run(run.run_dir).events.to_pylist()
    assert tuple(row["message"] for row in events if row["kind"] == "power") == run.cannot_show


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        (0.1, f"{FEW} .*; 0.1 score takes 155 to 391 examples; give it more, or leave out --effect$"),
        (0.0, "--effect must be above 0 and within the width of the task's score range, 0 to 1, not 0$"),
        (1.5, "--effect must be above 0"),
        (math.nan, "--effect must be above 0"),
    ],
)
def test_an_effect_that_test_cannot_show_is_refused(tmp_path: Path, effect: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made_run(tmp_path / "run", effect=effect)
    assert not (tmp_path / "run").exists()


def test_an_effect_that_test_can_show_is_not_refused_and_confirm_is_spoken_of(tmp_path: Path) -> None:
    assert made_run(tmp_path / "run", effect=1.0).cannot_show == ()
    task = made_task()
    fewer = replace(task, splits={**task.splits, "confirm": task.splits["confirm"][:3]})
    (line,) = made_run(tmp_path / "other", task=fewer, effect=1.0).cannot_show
    assert line.startswith("your confirm split of 3 examples can show nothing")


def test_an_effect_needs_a_test_split(tmp_path: Path) -> None:
    task = made_task()
    with pytest.raises(ConfigError, match="the task has none: give it one, or leave out --effect"):
        made_run(tmp_path / "run", task=replace(task, splits={**task.splits, "test": ()}), effect=0.5)


def test_the_command_says_it_first_and_refuses(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "examples" / "bin_packing"
    options = ["run", str(folder), "--strategy", "no-model", "--candidates", "1", "--run", str(tmp_path / "run")]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    assert "your test split of 5 examples can only show" in done.output
    refused = CliRunner().invoke(app, [*options[:-1], str(tmp_path / "other"), "--effect", "5"])
    assert isinstance(refused.exception, ConfigError)
    assert not (tmp_path / "other").exists()
