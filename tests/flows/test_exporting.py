"""Tests of exporting: a file is held to what its run recorded, failures included, and refused where it does something else."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.sandbox import probe
from graftwork.evaluators.task import Example, Score
from graftwork.flows.exporting import export_champion, write_champion
from graftwork.flows.prepare import prepare
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import RunError
from graftwork.programs.export import strip_export
from graftwork.programs.failure import Failure, FailureKind
from graftwork.programs.parse import parse
from graftwork.search.candidate import Candidate, Result
from graftwork.search.lineage import Lineage
from graftwork.search.record import open_run
from tests.search.factory import evaluation

pytestmark = pytest.mark.skipif(bool(probe().missing), reason="this machine has not the walls behind which a file is verified")

PROGRAM = '''class Odd(ValueError):
    """Not even."""


def solve(x: int) -> int:
    if x == 3:
        raise Odd("three")
    if x == 5:
        return [0][x]
    return 2 * x
'''
FAILURES = {3: Failure(kind="crash", message="program.Odd: three"), 5: Failure(kind="crash", message="IndexError: list index out of range")}


def score(output: object, example: Example, /) -> Score:
    """1 for the right number."""
    return Score(value=float(output == example.target))


def rightly(x: int) -> Outcome:
    return Outcome(example_id="", output=None if x in FAILURES else 2 * x, failure=FAILURES.get(x))


def recorded_run(folder: Path, outcome: Callable[[int], Outcome], *, program: str = PROGRAM) -> Path:
    """A run that evaluated its seed on eight val examples and goes on; what the seed did on each is a function of its input."""
    rows = {"train": [({"x": 90}, 180)], "val": [({"x": n}, 2 * n) for n in range(8)]}
    run = prepare(make_task(program, rows, score), RunSettings(), run_dir=folder)
    judged = []
    for example in run.task.splits["val"]:
        did = outcome(int(str(example.inputs["x"])))
        own = Outcome(example_id=example.id, output=did.output, failure=did.failure)
        judged.append(Judgement(outcome=own, score=Score(value=None if own.failure else 1.0)))
    val = Evaluation(digest=run.task.seed.digest, judgements=tuple(judged), lo=0.0)
    seed = Candidate(number=0, program=run.task.seed)
    with Lineage(folder, clock=time.time) as lineage:
        lineage.result(
            Result(number=0, operator="seed", island=0, parents=(), status="evaluated", candidate=seed, val=val, train=evaluation(()))
        )
    return folder


@pytest.fixture
def own(short: Report, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    return Path(shutil.copytree(short.run_dir, tmp_path / "run"))


def test_a_champion_with_prompts_is_run_alone_with_the_recorded_replies(short: Report) -> None:
    text = (short.run_dir / "champion.py").read_text()
    assert "# verified: run alone, with the recorded replies, it gives what the run recorded on 8 of 8 val examples: " in text
    assert "(paired, 95 % interval, n = 6)" in text
    assert "# models: proposer scripted-proposer, task scripted-task" in text
    exports = [event["message"] for event in open_run(short.run_dir).events.to_pylist() if event["kind"] == "export"]
    assert f"# verified: {exports[-1]}" in text


def test_exporting_again_gives_the_same_file_and_its_program_back(short: Report, tmp_path: Path) -> None:
    said = export_champion(short.run_dir, tmp_path / "again.py")
    assert said.startswith("the champion; run alone")
    again, first = ((folder / name).read_text().splitlines() for folder, name in ((tmp_path, "again.py"), (short.run_dir, "champion.py")))
    assert [line for line in again if not line.startswith("# made: ")] == [line for line in first if not line.startswith("# made: ")]
    champion = open_run(short.run_dir).champion
    assert champion is not None
    assert parse(strip_export("\n".join(again))).digest == champion["digest"]


def test_a_file_that_asks_what_the_run_did_not_record_is_refused_with_that_request(own: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (own / "inputs.jsonl").read_text().splitlines()]
    rows[0]["inputs"]["words"] = "a thousand plums"
    (own / "inputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        RunError, match=rf"not exported: NOT verified: the file asked what .* on example {rows[0]['id']}, .*plums"
    ) as raised:
        export_champion(own, tmp_path / "best.py")
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "best.py").exists()


def test_at_the_end_of_a_run_the_file_is_written_all_the_same_and_says_so(own: Path) -> None:
    (own / "inputs.jsonl").unlink()
    said = asyncio.run(write_champion(own))
    assert said.startswith("NOT verified: ")
    assert "keeps no inputs.jsonl" in said
    assert f"# verified: {said}" in (own / "champion.py").read_text()


def test_a_file_may_be_exported_unverified_and_says_so(own: Path, tmp_path: Path) -> None:
    (own / "inputs.jsonl").unlink()
    said = export_champion(own, tmp_path / "best.py", verified=False)
    assert said == "the champion; NOT verified: --unverified was asked for"
    assert "# verified: NOT verified: --unverified was asked for\n" in (tmp_path / "best.py").read_text()


def test_the_file_that_an_export_replaces_is_whole_to_the_end(own: Path, tmp_path: Path) -> None:
    (tmp_path / "best.py").write_text("old\n")
    (tmp_path / "kept.py").hardlink_to(tmp_path / "best.py")
    export_champion(own, tmp_path / "best.py", verified=False)
    assert (tmp_path / "kept.py").read_text() == "old\n"
    assert "def solve" in (tmp_path / "best.py").read_text()


def test_the_best_of_an_unfinished_run_is_held_to_its_record_failures_included(tmp_path: Path) -> None:
    said = export_champion(recorded_run(tmp_path / "run", rightly), tmp_path / "best.py")
    assert said.startswith("the best so far on val, not confirmed: the run is not finished; run alone, it gives")
    assert said.endswith("on 8 of 8 val examples: 6 outputs and 2 failures")
    assert "n = 8); val chose it, which flatters it" in (tmp_path / "best.py").read_text()


@pytest.mark.parametrize(
    ("wrong", "did", "said"),
    [
        (4, Outcome(example_id="", output=7), "the file gave 8, the run 7"),
        (
            4,
            Outcome(example_id="", failure=Failure(kind="crash", message="ValueError: x")),
            "the file gave 8, the run crash: ValueError: x",
        ),
        (3, Outcome(example_id="", output=6), "the file gave crash: program.Odd: three, the run 6"),
        (
            3,
            Outcome(example_id="", failure=Failure(kind="crash", message="program.Odd: four")),
            "the file gave crash: program.Odd: three, the run crash: program.Odd: four",
        ),
        (4, Outcome(example_id="", output=[1] * 9999), "the file gave 8, the run an output of digest "),
    ],
)
def test_a_file_that_does_something_else_is_refused_with_what_both_did(wrong: int, did: Outcome, said: str, tmp_path: Path) -> None:
    run = recorded_run(tmp_path / "run", lambda x: did if x == wrong else rightly(x))
    rows = [json.loads(line) for line in (run / "inputs.jsonl").read_text().splitlines()]
    example = next(row["id"] for row in rows if row["inputs"]["x"] == wrong)
    with pytest.raises(RunError, match="--unverified") as raised:
        export_champion(run, tmp_path / "best.py")
    assert f"on val example {example} {said}" in str(raised.value)


def test_what_depends_on_time_or_memory_or_the_runs_caps_is_left_out(tmp_path: Path) -> None:
    kinds: tuple[FailureKind, ...] = ("timeout", "memory", "budget", "model")
    passing = {n: Outcome(example_id="", failure=Failure(kind=kind, message="then")) for n, kind in enumerate(kinds)}
    said = export_champion(recorded_run(tmp_path / "run", lambda x: passing.get(x) or rightly(x)), tmp_path / "best.py")
    assert said.endswith("on 4 of 8 val examples: 3 outputs and 1 failures")


def test_a_run_without_anything_that_lasts_is_not_exported(tmp_path: Path) -> None:
    late = Outcome(example_id="", failure=Failure(kind="timeout", message="then"))
    with pytest.raises(RunError, match="none of 8 recorded val examples"):
        export_champion(recorded_run(tmp_path / "run", lambda x: late), tmp_path / "best.py")


def test_a_run_that_evaluated_nothing_has_nothing_to_export(tmp_path: Path) -> None:
    prepare(make_task(PROGRAM, [({"x": n}, n) for n in range(8)], score), RunSettings(), run_dir=tmp_path / "run")
    with Lineage(tmp_path / "run", clock=time.time), pytest.raises(RunError, match="no evaluated candidate yet"):
        export_champion(tmp_path / "run", tmp_path / "none.py")
