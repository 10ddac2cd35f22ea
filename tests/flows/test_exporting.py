"""Tests of exporting: what is verified is said, and nothing is lost when it is not so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from graftwork.evaluators.evaluation import Evaluation, Outcome, Work
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Example, Score
from graftwork.flows.exporting import copy_champion, write_champion
from graftwork.flows.prepare import prepare
from graftwork.flows.run import Report, Run
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import RunError
from graftwork.search.candidate import Candidate, Member, Result
from graftwork.search.crowning import Crown, Measured
from graftwork.search.lineage import Lineage
from graftwork.search.loop import Stop
from tests.search.factory import evaluation

PROGRAM = "def solve(x: int) -> int:\n    return 2 * x\n"


def score(output: object, example: Example, /) -> Score:
    """1 for the right number."""
    return Score(value=float(output == example.target))


@dataclass
class Repeating:
    """A pool whose programs give one output, whatever they are."""

    output: object
    slots: int = 1

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        return tuple(Outcome(example_id=case.example_id, output=self.output) for case in work.cases)

    async def aclose(self) -> None:
        """Nothing to release."""


def made(folder: Path) -> tuple[Run, Report, Member]:
    """A finished run whose champion gave 7 on its val example."""
    run = prepare(make_task(PROGRAM, [({"x": n}, 2 * n) for n in range(8)], score), RunSettings(), run_dir=folder)
    first = run.task.splits["val"][0]
    val = evaluation([1.0])
    outcome = Outcome(example_id=first.id, output=7)
    judged = Evaluation(digest="", judgements=(type(val.judgements[0])(outcome=outcome, score=Score(value=1.0)),), lo=0.0)
    champion = Member(candidate=Candidate(number=3, program=run.task.seed), val=judged, train=evaluation(()))
    measured = {"val": Measured(champion=1.0, seed=0.5, difference=None, n=1)}
    crown = Crown(champion=champion.candidate, chosen_on="val", n_finalists=1, measured=measured)
    stop = Stop(reason="candidates", told=4)
    report = Report(run_dir=folder, unit="score", crown=crown, stop=stop, statuses={}, failures={}, spent={}, seconds=1.0)
    return run, report, champion


@pytest.mark.parametrize(("output", "said"), [(7, "same outputs as in the run on 1 val examples"), (8, "NOT verified")])
def test_the_file_says_whether_it_behaves_as_the_champion_did(output: int, said: str, tmp_path: Path) -> None:
    run, report, champion = made(tmp_path / "run")
    verified = asyncio.run(write_champion(report, run, champion=champion, pool=Repeating(output)))
    assert verified.startswith(said)
    assert said in (report.run_dir / "champion.py").read_text()


def test_a_champion_copied_onto_itself_stays(tmp_path: Path) -> None:
    run, report, champion = made(tmp_path / "run")
    with Lineage(report.run_dir, clock=time.time):
        asyncio.run(write_champion(report, run, champion=champion, pool=Repeating(7)))
    file = report.run_dir / "champion.py"
    before = file.read_text()
    assert copy_champion(report.run_dir, file) == "the champion"
    assert file.read_text() == before


def test_the_best_of_an_unfinished_run_is_exported_as_what_it_is(tmp_path: Path) -> None:
    run, report, champion = made(tmp_path / "run")
    with Lineage(report.run_dir, clock=time.time) as lineage:
        with pytest.raises(RunError, match="no evaluated candidate yet"):
            copy_champion(run.run_dir, tmp_path / "none.py")
        lineage.result(
            Result(
                number=0,
                operator="seed",
                island=0,
                parents=(),
                status="evaluated",
                candidate=champion.candidate,
                val=champion.val,
                train=champion.train,
            )
        )
        said = copy_champion(run.run_dir, tmp_path / "best.py")
    assert "not confirmed" in said
    assert "the run is not finished" in (tmp_path / "best.py").read_text()
    assert not (tmp_path / "none.py").exists()
