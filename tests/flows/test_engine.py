"""Tests of the engine: whole searches with a scripted model in real sandboxes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.worker import Worker
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare
from graftwork.flows.progress import Progress
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import CallFailed, ConfigError, UserError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Model, Reply, Role
from graftwork.programs.parse import parse
from graftwork.programs.scripted import ScriptedModel
from graftwork.search.candidate import Brief
from graftwork.search.past import Past
from graftwork.search.record import Record, canonical, open_run
from graftwork.search.state import State
from tests.flows.scripted_task import made_run, made_task, scripted_models, task_model
from tests.flows.threads import CHILDREN

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


def test_a_search_finds_a_better_program_and_crowns_it(finished: tuple[Report, list[Progress]]) -> None:
    report, _ = finished
    val = report.crown.measured["val"]
    assert val.champion is not None
    assert val.seed is not None
    assert val.champion > val.seed
    assert "test" in report.crown.measured
    assert report.stop.reason == "candidates"


def test_the_same_seed_and_replies_give_the_same_lineage_byte_for_byte_however_the_times_fall_and_wherever_programs_run(
    finished: tuple[Report, list[Progress]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_template", CHILDREN)
        again = run_search(made_run(tmp_path / "again", latency_seed=2), lambda progress: None)
    other = run_search(made_run(tmp_path / "other", seed=2), lambda progress: None)
    first = canonical(finished[0].run_dir)
    assert len(first) > 10_000
    assert canonical(again.run_dir) == first
    assert canonical(other.run_dir) != first


class Outage:
    """A model whose endpoint serves some calls, then none for some seconds, then all again."""

    def __init__(self, model: Model, *, after: int, seconds: float) -> None:
        self._model, self._after, self._seconds = model, after, seconds
        self._began: float | None = None
        self.n_failed = 0

    @property
    def alias(self) -> str:
        return self._model.alias

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        self._after -= 1
        if self._after < 0:
            now = time.monotonic()
            self._began = self._began or now
            if now - self._began < self._seconds:
                self.n_failed += 1
                raise CallFailed(Failure(kind="model", message="503: overloaded"), in_doubt=False)
        return await self._model.complete(body, draw=draw)

    async def aclose(self) -> None:
        await self._model.aclose()


def test_an_outage_pauses_the_run_and_changes_no_score(finished: tuple[Report, list[Progress]], tmp_path: Path) -> None:
    run = made_run(tmp_path / "outage")
    outage = Outage(run.models["task"], after=40, seconds=2.5)
    told: list[Progress] = []
    report = run_search(replace(run, models={**run.models, "task": outage}), told.append)
    assert outage.n_failed >= 5  # so many show that the endpoint is down; from then on it is only tried
    assert any("is down (503: overloaded)" in progress.trouble for progress in told)
    disturbed, record = open_run(report.run_dir), open_run(finished[0].run_dir)
    assert {"endpoint"} < {row["kind"] for row in disturbed.events.to_pylist()}

    def told_rows(record: Record) -> list[dict[str, object]]:
        return [{name: row[name] for name in ("number", "status", "digest", "reason")} for row in record.candidates.to_pylist()]

    assert told_rows(disturbed) == told_rows(record)
    assert [(row["candidate"], row["example_id"], row["value"], row["failure_kind"]) for row in disturbed.scores.to_pylist()] == [
        (row["candidate"], row["example_id"], row["value"], row["failure_kind"]) for row in record.scores.to_pylist()
    ]


def test_every_brief_is_told_once_and_every_failure_has_a_reason(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    mute = ScriptedModel(alias="mute", script=lambda body, draw: "I would rather not.")
    record = open_run(run_search(replace(run, models={**run.models, "proposer": mute}), lambda progress: None).run_dir)
    candidates = record.candidates.to_pylist()
    assert [row["number"] for row in candidates] == list(range(25))
    assert all(row["reason"] for row in candidates if row["status"] != "evaluated")
    assert {"evaluated", "unwritten"} <= {row["status"] for row in candidates}
    assert all(row["failure_message"] for row in record.scores.to_pylist() if row["failure_kind"])


def test_a_brief_is_passed_on_where_its_operator_finds_nothing_to_change(tmp_path: Path) -> None:
    """With the entry frozen no move of structure applies; the same search, resumed half way, passes the same briefs on."""
    task = replace(made_task(), frozen=frozenset({"solve"}))
    whole, halves = (
        run_search(made_run(tmp_path / name, task=task, candidates=n), lambda _: None) for name, n in (("whole", 16), ("halves", 7))
    )
    record = open_run(whole.run_dir)
    asked = {row["number"]: row["operator"] for row in record.decisions.to_pylist() if row["kind"] == "ask"}
    asked_of_two = {row["number"] for row in record.decisions.to_pylist() if row["kind"] == "ask" and len(row["parents"]) == 2}
    passed = [row for row in record.candidates.to_pylist() if row["number"] and row["operator"] != asked[row["number"]]]
    assert passed
    assert all(len(row["parents"]) == (2 if row["operator"] in {"merge", "transplant", "blend"} else 1) for row in passed)
    assert not any("found nothing to change" in row["reason"] for row in record.candidates.to_pylist())
    states = list[State]()
    assert replay(whole.run_dir, task=task, on_told=states.append).crowned
    run_search(prepare_resume(halves.run_dir, task=task, models=scripted_models(), changes={"candidates": 16}), lambda _: None)
    columns = ["number", "operator", "parents", "status", "digest", "score"]
    assert open_run(halves.run_dir).candidates.select(columns).equals(record.candidates.select(columns))
    # What was asked of two parents and written by an operator of one descends from that one alone, also as it is read back.
    number = next(
        row["number"] for row in passed if row["status"] == "evaluated" and row["operator"] != "blend" and row["number"] in asked_of_two
    )
    by_age = sorted((member for archive in states[-1].islands for member in archive), key=lambda member: member.candidate.number)
    brief = Brief(number=number, told=0, operator="swap_component", parents=(by_age[0], by_age[-1]), island=0, seed=0)
    read = Past(record, task).result(brief)
    assert read is not None
    assert read.candidate is not None
    assert by_age[-1].candidate.number not in {ancestor.number for ancestor in read.candidate.ancestors}


def test_spend_is_metered_by_role_and_agrees_with_the_record(finished: tuple[Report, list[Progress]]) -> None:
    report, _ = finished
    settled = [row for row in open_run(report.run_dir).calls.to_pylist() if row["event"] == "settled"]
    for role in ("proposer", "task"):
        own = [row for row in settled if row["role"] == role]
        assert report.spent[role].calls == len(own) > 10
        assert report.spent[role].tokens == sum(row["input_tokens"] + row["output_tokens"] for row in own)


def test_operators_never_see_val_confirm_or_test(finished: tuple[Report, list[Progress]]) -> None:
    from tests.flows.scripted_task import made_task

    task = made_task()
    hidden = {example.inputs["words"] for split in ("val", "confirm", "test") for example in task.splits[split]}
    assert len(hidden) > 10
    record = open_run(finished[0].run_dir)
    proposals = {row["draw"] for row in record.calls.to_pylist() if row["role"] == "proposer"}
    assert proposals
    evidence = {row["example_id"] for row in record.scores.to_pylist() if row["split"] == "train"}
    assert evidence <= {example.id for example in task.splits["train"]}


def test_progress_rises_to_the_end(finished: tuple[Report, list[Progress]]) -> None:
    _, slices = finished
    assert [one.told for one in slices] == sorted(one.told for one in slices)
    assert slices[-1].stage == "done"
    assert slices[-1].told == 24
    assert slices[-1].spent["task"].calls > 0


def test_a_stop_from_outside_still_crowns_a_champion(tmp_path: Path) -> None:
    stopping = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.told >= 3:
            stopping.set()

    report = run_search(made_run(tmp_path / "run", candidates=500), watch, stopping=stopping)
    assert report.stop.reason == "interrupted"
    assert 3 <= report.stop.told - 1 < 20
    assert (report.run_dir / "champion.py").is_file()


def test_a_token_ceiling_is_never_passed_and_leaves_enough_for_the_crowning(tmp_path: Path) -> None:
    report = run_search(made_run(tmp_path / "run", candidates=500, budget_tokens=110_000), lambda progress: None)
    assert report.stop.reason == "budget"
    assert sum(usage.tokens for usage in report.spent.values()) <= 110_000
    assert "test" in report.crown.measured


def test_a_budget_that_holds_no_candidate_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="budget"):
        run_search(made_run(tmp_path / "run", budget_tokens=500), lambda progress: None)


def test_a_seed_that_names_an_unknown_model_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    made = made_task()
    seed = parse(made.seed.source.replace("@prompt(max_tokens=8)", '@prompt(max_tokens=8, model="huge")', 1))
    models: dict[Role, Model] = {"task": ScriptedModel(script=task_model)}
    with pytest.raises(ConfigError, match=r"the run has no model 'huge': it has task; .* --also-model NAME"):
        prepare(replace(made, seed=seed), RunSettings(), run_dir=tmp_path / "run", models=models)
    assert not (tmp_path / "run").exists()
