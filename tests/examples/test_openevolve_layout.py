"""The folders in the OpenEvolve layout are evolved for a few candidates, end to end, and none of their files is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftwork.evaluators.load import load_task
from graftwork.evaluators.sandbox import probe
from graftwork.flows.engine import run_search
from graftwork.flows.exporting import export_champion
from graftwork.flows.prepare import prepare
from graftwork.flows.progress import Progress
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings
from graftwork.flows.summary import headline, recorded_crown, report_markdown
from graftwork.programs.blocks import outside
from graftwork.programs.model import Model, Role
from graftwork.programs.scripted import ScriptedModel
from graftwork.search.record import open_run
from tests.examples.running import EXAMPLES

pytestmark = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")
LAYOUT = EXAMPLES / "openevolve_layout"
NAMES = ("lowest_point", "curve", "knapsack")


def evolved(name: str, run_dir: Path, *, models: dict[Role, Model] | None = None, **settings: object) -> tuple[Report, list[Progress]]:
    """The report of a short search, and its progress."""
    chosen = RunSettings.model_validate({"seed": 0, "window": 4, **settings})
    seen: list[Progress] = []
    return run_search(prepare(LAYOUT / name, chosen, run_dir=run_dir, models=models), seen.append), seen


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_evolves_unchanged_and_its_scores_say_that_they_are_forgeable(tmp_path: Path, name: str) -> None:
    before = {file: file.read_bytes() for file in (LAYOUT / name).iterdir() if file.is_file()}
    report, seen = evolved(name, tmp_path / "run", candidates=10)
    assert {file: file.read_bytes() for file in (LAYOUT / name).iterdir() if file.is_file()} == before
    test = report.crown.measured["test"]
    assert test.champion is not None
    assert test.seed is not None
    assert test.champion >= test.seed
    assert "forgeable" in headline(report.crown.measured, report.unit)
    assert "forgeable: the scores are the folder's own evaluator's" in report_markdown(report)
    assert "forgeable score" in seen[-1].line
    record = open_run(report.run_dir)
    assert record.config["task"]["forgeable"] is True
    assert any("forgeable" in remark for remark in recorded_crown(record)[1])
    told = [row["detail"] for row in record.decisions.to_pylist() if row["kind"] in {"tell", "evaluation"}]
    assert sum('"forgeable":true' in detail for detail in told) >= 11


def test_the_champion_can_stand_in_place_of_the_initial_program(tmp_path: Path) -> None:
    report, _ = evolved("knapsack", tmp_path / "run", candidates=6)
    export_champion(report.run_dir, tmp_path / "champion.py")
    text = (tmp_path / "champion.py").read_text(encoding="utf-8")
    assert text.startswith("# Evolved by Graftwork")
    assert "forgeable" in text.partition("import os")[0]
    initial = (LAYOUT / "knapsack" / "initial_program.py").read_text(encoding="utf-8")
    assert outside(text)[-len(outside(initial)) :] == outside(initial)
    again = tmp_path / "again"
    again.mkdir()
    (again / "initial_program.py").write_text(text, encoding="utf-8")
    (again / "evaluator.py").write_text((LAYOUT / "knapsack" / "evaluator.py").read_text(encoding="utf-8"), encoding="utf-8")
    assert load_task(again).seed.digest == report.crown.champion.program.digest


def test_a_model_is_told_what_the_evaluator_said_and_its_rewrite_stays_in_the_block(tmp_path: Path) -> None:
    asked: list[str] = []

    def reply(body: object, draw: str) -> str:
        del draw
        asked.append(str(body))
        return "```python\ndef rating(value, weight, capacity):\n    return value / weight\n```"

    models: dict[Role, Model] = {"proposer": ScriptedModel(alias="scripted", script=reply)}
    report, _ = evolved("knapsack", tmp_path / "run", models=models, candidates=4, strategy="model", window=1)
    assert "best thing left" in asked[0]
    assert "Other code imports this file" in asked[0]
    test = report.crown.measured["test"]
    assert test.champion is not None
    assert test.champion > 0.95
    initial = (LAYOUT / "knapsack" / "initial_program.py").read_text(encoding="utf-8")
    assert outside(report.crown.champion.program.source) == outside(initial)
