"""The folders in the OpenEvolve layout are evolved for a few candidates, end to end, and none of their files is changed."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from graftwork.cli_structure import show_candidate
from graftwork.evaluators.load import load_task
from graftwork.evaluators.sandbox import probe
from graftwork.flows.engine import run_search
from graftwork.flows.exporting import export_champion
from graftwork.flows.merging import load_source
from graftwork.flows.packaging import export_package
from graftwork.flows.prepare import prepare
from graftwork.flows.progress import Progress
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings
from graftwork.flows.summary import headline, recorded_crown, report_markdown
from graftwork.programs.blocks import outside
from graftwork.programs.errors import ConfigError
from graftwork.programs.model import Model, Role
from graftwork.programs.scripted import ScriptedModel
from graftwork.search.candidate import Candidate, Result
from graftwork.search.lineage import Lineage
from graftwork.search.record import open_run
from tests.examples.running import EXAMPLES
from tests.search.factory import evaluation

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
    said = report_markdown(report)
    assert "forgeable: the scores are the folder's own evaluator's" in said
    assert " forgeable score (n = 1)\n" in said
    assert "[" not in said  # an interval: one evaluation has none
    assert "forgeable score" in seen[-1].line
    record = open_run(report.run_dir)
    assert record.config["task"]["forgeable"] is True
    assert any("forgeable" in remark for remark in recorded_crown(record)[1])
    told = [row["detail"] for row in record.decisions.to_pylist() if row["kind"] in {"tell", "evaluation"}]
    assert sum('"forgeable":true' in detail for detail in told) >= 11


def test_nothing_is_asked_of_examples_where_there_are_none(tmp_path: Path) -> None:
    assert prepare(LAYOUT / "curve", RunSettings(), run_dir=tmp_path / "run").cannot_show == ()
    with pytest.raises(ConfigError, match=r"has no examples: leave it out$"):
        prepare(LAYOUT / "curve", RunSettings(effect=0.1), run_dir=tmp_path / "other")


def test_the_champion_can_stand_in_place_of_the_initial_program(tmp_path: Path) -> None:
    report, _ = evolved("knapsack", tmp_path / "run", candidates=6)
    export_champion(report.run_dir, tmp_path / "champion.py")
    text = (tmp_path / "champion.py").read_text(encoding="utf-8")
    assert text.startswith("# Evolved by Graftwork")
    assert "# verified: run once more by the folder's own evaluator" in text.partition("import os")[0]
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


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that evaluated its seed, which holds a statement that no other program may, and goes on."""
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "initial_program.py").write_text("A = [0]\nfor n in range(3):\n    A.append(n)\n\n\ndef f(x):\n    return x + 1\n")
    (folder / "evaluator.py").write_text("def evaluate(path):\n    return {'combined_score': 1.0}\n")
    run = prepare(folder, RunSettings(), run_dir=tmp_path / "run")
    seed = Candidate(number=0, program=run.task.seed)
    with Lineage(tmp_path / "run", clock=time.time) as lineage:
        lineage.result(
            Result(
                number=0,
                operator="seed",
                island=0,
                parents=(),
                status="evaluated",
                candidate=seed,
                val=evaluation([1.0]),
                train=evaluation(()),
            )
        )
    return tmp_path / "run"


def test_what_needs_an_entry_is_refused_in_one_line(begun: Path, tmp_path: Path) -> None:
    console = Console(file=io.StringIO())
    for use, said in (
        (lambda: export_package(begun, tmp_path / "package"), "export it without --package"),
        (lambda: load_source(begun), "nothing is merged"),
        (lambda: show_candidate(begun, console, mermaid=tmp_path / "m.mmd"), "calls could be drawn"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "package").exists()


def test_a_candidate_is_shown_and_its_components_are_traced_without_an_entry(begun: Path) -> None:
    told = io.StringIO()
    show_candidate(begun, Console(file=told), number=0)
    assert told.getvalue() == "candidate 0 by seed, val 1: \n"
    assert [step.candidate for step in open_run(begun).blame(0, "f")] == [0]


@pytest.mark.parametrize(
    ("verified", "said"),
    [
        (True, "NOT verified: not run again yet, and the scores of the folder's own evaluator are forgeable"),
        (False, "NOT verified: --unverified was asked for"),
    ],
)
def test_what_was_not_run_again_does_not_say_that_it_was(begun: Path, tmp_path: Path, *, verified: bool, said: str) -> None:
    assert export_champion(begun, tmp_path / "best.py", verified=verified).endswith(said)
    assert f"# verified: {said}\n" in (tmp_path / "best.py").read_text()
