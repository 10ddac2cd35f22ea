"""What a run says of its champion: measured beside the seed at equal cost, recorded, said, repeated, and set aside in its budget."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.ledger import CandidateCaps
from graftwork.flows.caps import crowning_share, search_ceilings
from graftwork.flows.claims import claim_lines, openings, recorded_claim
from graftwork.flows.engine import run_search
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.run import Report
from graftwork.flows.summary import recorded_crown, report_markdown
from graftwork.programs.model import Usage
from graftwork.search.record import canonical, open_run
from tests.flows.scripted_task import made_run, made_task, scripted_models

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


def test_the_champion_is_compared_with_the_seed_at_equal_cost_and_that_is_said_everywhere(short: Report) -> None:
    claim, record = short.crown.claim, open_run(short.run_dir)
    assert claim is not None
    assert claim.control is not None
    assert 2 <= claim.control.n <= 16
    assert recorded_claim(record) == claim
    said = f"best of {claim.control.n} answers of the seed to each test example"
    assert said in report_markdown(short)
    assert any(said in line for line in recorded_crown(record)[1])
    assert said in (short.run_dir / "champion.py").read_text()
    calls = [row["draw"] for row in record.calls.to_pylist() if row["draw"].startswith("best-of-n/")]
    assert len(calls) >= claim.control.n * len(made_task().splits["test"])


def test_it_is_repeated_without_a_call_and_not_paid_for_again(short: Report, tmp_path: Path) -> None:
    assert replay(short.run_dir, task=made_task()).crowned
    run_dir = Path(shutil.copytree(short.run_dir, tmp_path / "run"))
    before, n_calls = canonical(run_dir), open_run(run_dir).calls.num_rows
    again = run_search(prepare_resume(run_dir, task=made_task(), models=scripted_models()), lambda progress: None)
    assert again.crown == short.crown
    assert canonical(run_dir) == before
    assert open_run(run_dir).calls.num_rows == n_calls


def test_a_run_that_goes_on_says_that_test_was_opened_before(short: Report, tmp_path: Path) -> None:
    first = run_search(made_run(tmp_path / "run", candidates=3, seed=3, best_of=0), lambda progress: None)
    changes = {"candidates": 24}
    more = run_search(prepare_resume(first.run_dir, task=made_task(), models=scripted_models(), changes=changes), lambda progress: None)
    opened = (first.crown.champion.number, more.crown.champion.number)
    assert opened[0] != opened[1]
    assert more.opened == openings(open_run(more.run_dir)) == opened
    assert "test was opened 2 times" in report_markdown(more)
    assert "it was not asked for" in report_markdown(more)
    assert "test was opened" not in report_markdown(short)


def test_a_claim_without_a_control_says_why(short: Report) -> None:
    claim = short.crown.claim
    assert claim is not None
    assert "best-of-n of the seed: left out, because" in claim_lines(replace(claim, control=None, without="because"), "points")[1]


def test_the_budget_sets_aside_as_much_for_the_seed_as_for_the_search_but_never_the_first_candidate(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", budget_calls=1000, best_of=16)
    used, n_runs = Usage(calls=20), 10
    share, n_test = crowning_share(run, n_runs=n_runs) * 20, len(run.task.splits["test"])
    caps = CandidateCaps(calls=50, tokens=0, usd=0.0)
    assert search_ceilings(run, used, caps, n_runs=n_runs).calls == 1000 - share - 16 * n_test * 2
    tight = replace(run, settings=run.settings.model_copy(update={"budget_calls": int(share) + 100}))
    assert search_ceilings(tight, used, caps, n_runs=n_runs).calls == pytest.approx(70, abs=1)
    none = replace(run, settings=run.settings.model_copy(update={"best_of": 0}))
    assert search_ceilings(none, used, caps, n_runs=n_runs).calls == 1000 - share
    assert search_ceilings(none, used, caps, n_runs=n_runs).usd is None
