"""A search whose operators or proposers are chosen is recorded, goes on and is repeated like any other."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare, task_facts, write_configuration
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Run
from graftwork.flows.settings import make_settings
from graftwork.search.costs import Costs
from graftwork.search.novelty import Novelty
from graftwork.search.past import Past
from graftwork.search.record import canonical, open_run
from graftwork.search.snapshot import Snapshot
from graftwork.search.state import State
from graftwork.search.strategy import Strategy
from tests.flows.scripted_task import made_run, made_task, proposer, scripted_models, task_model
from tests.programs.endpoint import Answer, completion, serving

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


def choosing(run_dir: Path, *, candidates: int, latency_seed: int | None = None) -> Run:
    """A run that draws its operators by evidence, forgets quickly, and compares programs before they are evaluated."""
    run = made_run(run_dir, candidates=candidates, latency_seed=latency_seed)
    strategy = replace(run.strategy, bandit=True, bandit_floor=0.1, bandit_memory=10.0, novelty=True, too_near=0.9)
    run = replace(run, strategy=strategy)
    write_configuration(run, run_dir, task=task_facts(run.task, "in memory"))
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of its kind."""
    return run_search(choosing(tmp_path_factory.mktemp("whole") / "run", candidates=20, latency_seed=1), lambda progress: None).run_dir


def test_its_draws_and_rewards_are_recorded_and_it_goes_on_as_if_it_had_not_stopped(whole: Path, tmp_path: Path) -> None:
    part = run_search(choosing(tmp_path / "part", candidates=12, latency_seed=2), lambda progress: None).run_dir
    run_search(prepare_resume(part, task=made_task(), models=scripted_models(), changes={"candidates": 20}), lambda progress: None)
    said = [[row for row in open_run(one).decisions.to_pylist() if row["kind"] in {"ask", "bandit"}] for one in (whole, part)]
    first, second = ([(row["kind"], row["number"], row["operator"], row["detail"]) for row in rows] for rows in said)
    assert sorted(first, key=str) == sorted(second, key=str)
    learned = {row["number"]: json.loads(row["detail"]) for row in said[0] if row["kind"] == "bandit"}
    assert max(one["reward"] for one in learned.values()) > 0
    assert learned.keys() <= set(range(1, 21))
    assert sum("worth" in str(row["detail"]) for row in said[0] if row["kind"] == "ask") > 10
    assert replay(whole, task=made_task()).told == 21
    assert b'"kind":"bandit"' in canonical(whole)


def test_what_is_known_of_programs_and_operators_is_the_same_after_a_snapshot(whole: Path) -> None:
    record, states = open_run(whole), list[State]()
    replay(record.path, task=made_task(), on_told=states.append)
    told = states[-1]
    restored = Past(record, made_task(), Snapshot.of(told, ())).restored(Strategy(**record.config["strategy"]))
    assert restored is not None
    assert restored[0] == told
    assert told.novelty is not None
    assert told.novelty != Novelty()
    rows = [row for row in record.candidates.to_pylist() if row["status"] == "evaluated"]
    assert all(row["normal"] and len(row["sketch"]) == 256 for row in rows)
    assert len({row["normal"] for row in rows}) == len(rows)


def answered(body: dict[str, Any]) -> Answer:
    """What either model answers to the scripted task; `large` writes other programs than `small`."""
    draw = str(body["model"])
    text = proposer(body, draw) if "Reply" in str(body["messages"]) else task_model(body, draw)
    said: Any = completion(text).body
    return Answer(body={**said, "model": body["model"]})


def test_several_proposers_write_each_under_its_own_name_and_price(tmp_path: Path) -> None:
    listed = Answer(body={"object": "list", "data": [{"id": name, "object": "model"} for name in ("small", "large", "task")]})
    with serving(answered) as endpoint:
        endpoint.models = listed
        settings = make_settings(
            model="task",
            proposer=["small=1/2", "large=10/20"],
            base_url=endpoint.url,
            price="0.1/0.1",
            values={"candidates": 24, "window": 4, "seed": 1, "budget_usd": 100.0},
            environ={},
        )
        run_dir = run_search(prepare(made_task(), settings, run_dir=tmp_path / "run"), lambda progress: None).run_dir
    record = open_run(run_dir)
    aliases = {f"{name}@{endpoint.url}" for name in ("small", "large")}
    asked = {
        row["number"]: (row["operator"], json.loads(row["detail"] or "{}").get("proposer"))
        for row in record.decisions.to_pylist()
        if row["kind"] == "ask"
    }
    told = {row["number"]: row for row in record.candidates.to_pylist()}
    assert {row["model"] for row in told.values() if row["model"]} == aliases
    calls = [row for row in record.calls.to_pylist() if row["role"] == "proposer" and row["event"] == "settled"]
    for call in calls:
        name, row = json.loads(call["reply"])["model"], told[call["candidate"]]
        operator, proposer = asked[call["candidate"]]
        # A brief that was passed on had no proposer; of one that wrote in vain then, the calls alone tell.
        assert (proposer is None) == (row["operator"] != operator)
        assert f"{name}@{endpoint.url}" == (proposer or row["model"] or f"{name}@{endpoint.url}")
        assert call["usd"] == pytest.approx(7e-6 + 3 * 2e-6 if name == "small" else 70e-6 + 3 * 20e-6)
    costs = {cost.keys["model"]: cost.calls for cost in Costs(record).by("model", "role") if cost.keys["role"] == "proposer"}
    assert costs == Counter(json.loads(call["reply"])["model"] for call in calls)
    assert replay(run_dir, task=made_task()).told == 25
    assert all(alias in (run_dir / "champion.py").read_text() for alias in aliases)
