"""A run of an earlier version opens, goes on, is repeated and reports. `run_of_schema_3` was written by one, with nine candidates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from graftwork.flows.engine import run_search
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.programs.parse import parse
from graftwork.search.record import open_run
from graftwork.search.sql import Queries
from tests.flows.scripted_task import made_task, scripted_models

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parent / "run_of_schema_3", tmp_path / "run"))


def test_it_opens_and_its_programs_are_whole(earlier: Path) -> None:
    record = open_run(earlier)
    rows = [row for row in record.candidates.to_pylist() if row["digest"] is not None]
    assert len(rows) > 5
    assert [parse(record.source(row)).digest for row in rows] == [row["digest"] for row in rows]
    assert record.champion is not None
    assert record.champion["number"] == 5
    with Queries(record) as queries:
        assert list(queries.ask("select count(*) from programs").rows) == [(len(rows),)]


def test_it_is_repeated_and_goes_on(earlier: Path) -> None:
    assert replay(earlier, task=made_task()).told == 10
    before = open_run(earlier).candidates.to_pylist()
    run_search(prepare_resume(earlier, task=made_task(), models=scripted_models(), changes={"candidates": 14}), lambda progress: None)
    record = open_run(earlier)
    assert record.candidates.to_pylist()[:10] == before
    assert record.candidates["number"].to_pylist() == list(range(15))
    assert {record.source(row) for row in before if row["digest"]} <= {record.source(row) for row in record.candidates.to_pylist()}
    assert replay(earlier, task=made_task()).told == 15
