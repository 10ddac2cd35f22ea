"""Each example is evolved for a few candidates, end to end: real sandbox, real lineage, export."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from graftwork.evaluators.load import load_task
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings
from graftwork.programs.model import Model, Role
from graftwork.programs.scripted import ScriptedModel
from graftwork.search.record import open_run
from tests.examples.running import EXAMPLES, load_module


def evolved(name: str, run_dir: Path, *, models: Mapping[Role, Model] | None = None, **settings: object) -> Report:
    """The report of a short search on an example."""
    chosen = RunSettings.model_validate({"seed": 0, "window": 4, "best_of": 4, **settings})
    return run_search(prepare(load_task(EXAMPLES / name), chosen, run_dir=run_dir, models=models), lambda _: None)


def test_bin_packing_evolves_without_a_model_and_its_champion_runs_alone(tmp_path: Path) -> None:
    report = evolved("bin_packing", tmp_path / "run", candidates=12)
    confirm = report.crown.measured["confirm"]
    assert confirm.difference is not None
    assert confirm.difference.mean >= 0
    assert set(report.crown.measured) == {"val", "confirm", "test", "or3_like"}
    alone = subprocess.run(
        [sys.executable, "-I", "champion.py"], cwd=tmp_path / "run", capture_output=True, text=True, check=True, input="", timeout=60
    )
    assert alone.stdout.startswith("[0, ")
    assert "it gives what the run recorded on 6 of 6 val examples" in (report.run_dir / "champion.py").read_text()


def test_circle_packing_evolves_without_a_model(tmp_path: Path) -> None:
    report = evolved("circle_packing", tmp_path / "run", candidates=8)
    assert open_run(report.run_dir).candidates.num_rows == 9
    confirm = report.crown.measured["confirm"]  # the seed takes part there, so nothing worse can win
    assert confirm.difference is not None
    assert confirm.difference.mean >= 0


def test_guess_number_evolves_without_a_model_and_its_champion_says_that_it_was_not_played_alone(tmp_path: Path) -> None:
    report = evolved("guess_number", tmp_path / "run", candidates=3)
    confirm = report.crown.measured["confirm"]
    assert confirm.difference is not None
    assert confirm.difference.mean >= 0
    champion = report.run_dir / "champion.py"
    assert "NOT verified: what it does hangs on the task's environment or evaluator" in champion.read_text()
    alone = subprocess.run([sys.executable, "-I", champion], capture_output=True, text=True, check=True, input="", timeout=60)
    assert 1 <= int(alone.stdout) <= 200


def test_word_problems_evolves_with_a_scripted_model_in_both_roles(tmp_path: Path) -> None:
    reply = load_module(EXAMPLES / "word_problems" / "scripted.py").reply
    models: dict[Role, Model] = {
        "proposer": ScriptedModel(alias="scripted-proposer", script=reply),
        "task": ScriptedModel(alias="scripted-task", script=reply),
    }
    report = evolved("word_problems", tmp_path / "run", models=models, candidates=12, strategy="model")
    confirm = report.crown.measured["confirm"]
    assert confirm.difference is not None
    assert confirm.difference.mean > 0
    assert "it gives what the run recorded on 12 of 12 val examples" in (report.run_dir / "champion.py").read_text()
    assert report.spent["proposer"].calls > 0
    assert report.spent["task"].calls > report.spent["proposer"].calls


@pytest.mark.parametrize("name", ["bin_packing", "circle_packing", "guess_number", "word_problems"])
def test_every_split_of_every_example_has_examples(name: str) -> None:
    splits = load_task(EXAMPLES / name).splits
    assert all(splits[split] for split in ("train", "val", "confirm", "test"))
