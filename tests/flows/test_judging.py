"""A search whose scores come from a judge: metered under its own role, within the budget, the same when it is run again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from graftwork.evaluators.load import make_task
from graftwork.evaluators.model_judge import model_judge
from graftwork.evaluators.task import Limits, Task
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare
from graftwork.flows.settings import RunSettings, make_settings
from graftwork.programs.errors import ConfigError, EndpointError
from graftwork.programs.model import Model, Role
from graftwork.programs.scripted import ScriptedModel
from graftwork.search.record import open_run

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")

PROGRAM = '''"""Greets people."""


def solve(name: str) -> str:
    """A greeting."""
    return "hello, " + name * 1
'''


def made_task() -> Task:
    examples = [({"name": name}, None) for name in "abcdefghijkl"]
    return make_task(PROGRAM, examples, model_judge("Long is good."), name="greeting", limits=Limits(calls=0))


def longer_is_better(body: Mapping[str, Any], draw: str) -> str:
    """A judge that counts letters."""
    assert "/judge#" in draw
    found = re.search(r"<answer-\w+>\n(.*?)\n</answer-", body["messages"][1]["content"], re.DOTALL)
    assert found is not None
    return json.dumps({"reason": f"{len(found[1])} letters", "grade": min(5, max(1, len(found[1]) - 6))})


def test_a_search_is_scored_by_its_judge_and_pays_for_it_in_the_judges_role(tmp_path: Path) -> None:
    models: dict[Role, Model] = {"judge": ScriptedModel(alias="scripted-judge", script=longer_is_better)}
    run = prepare(made_task(), RunSettings(candidates=6, window=2), run_dir=tmp_path / "run", models=models)
    assert "judge" not in run.model_words
    report = run_search(run, lambda _: None)
    assert report.spent["judge"].calls > 0
    assert report.spent["task"].calls == report.spent["proposer"].calls == 0
    rows = open_run(report.run_dir).case_rows(0, "val")
    assert {row["feedback"] for row in rows} == {"graded 2 of 1 to 5: 8 letters"}
    assert {row["value"] for row in rows} == {0.25}


def test_a_ceiling_of_calls_counts_the_judge(tmp_path: Path) -> None:
    models: dict[Role, Model] = {"judge": ScriptedModel(alias="scripted-judge", script=longer_is_better)}
    settings = RunSettings(candidates=6, window=2, budget_calls=8)
    run = prepare(made_task(), settings, run_dir=tmp_path / "run", models=models)
    with pytest.raises(ConfigError, match="the budget holds no candidate"):
        run_search(run, lambda _: None)


def test_a_task_that_asks_a_judge_needs_one_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="name one with --judge NAME"):
        prepare(made_task(), RunSettings(), run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_judge_has_its_own_price_or_that_of_the_model_that_it_is() -> None:
    alone = make_settings(base_url="http://127.0.0.1:1/v1", values={"judge": "strict=1/2"}, environ={})
    assert alone.judge is not None
    assert (alone.judge.alias, alone.judge.price.output_usd_per_mtok) == ("strict@http://127.0.0.1:1/v1", 2.0)
    assert (alone.proposer, alone.named_models) == (None, {})
    same = make_settings(model="small", price="3/4", values={"judge": "small", "budget_usd": 1.0}, environ={}).judge
    assert same is not None
    assert same.price.input_usd_per_mtok == 3.0
    with pytest.raises(ConfigError, match="write --judge strict=IN/OUT"):
        make_settings(values={"judge": "strict", "budget_usd": 1.0}, environ={})
    with pytest.raises(ConfigError, match="--judge must be NAME or NAME=IN/OUT"):
        make_settings(values={"judge": "=1/2"}, environ={})
