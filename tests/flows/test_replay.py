"""A recorded search is repeated without any network; a snapshot is what the whole record comes to; what differs is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graftwork.evaluators.task import Example, Score
from graftwork.flows.engine import run_search
from graftwork.flows.replay import replay
from graftwork.flows.run import Report
from graftwork.programs.errors import RunError
from graftwork.search.archives import ARCHIVES
from graftwork.search.past import Past
from graftwork.search.record import open_run
from graftwork.search.snapshot import read_snapshot
from graftwork.search.state import State
from graftwork.search.strategy import Strategy
from tests.flows.scripted_task import made_run, made_task, score

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")


@pytest.fixture
def recorded(roomy: Report) -> Path:
    return roomy.run_dir


def test_parents_are_run_in_their_childrens_races_and_the_record_says_on_what(recorded: Path) -> None:
    record = open_run(recorded)
    scores, tells = record.scores.to_pylist(), [row for row in record.decisions.to_pylist() if row["kind"] == "tell"]
    races = {row["number"]: json.loads(row["detail"])["race"] for row in tells if row["number"] and '"race"' in row["detail"]}
    extended = {row["candidate"] for row in scores if row["split"] == "parent"}
    assert extended
    for number in extended:
        race = races[number]
        own = {row["example_id"] for row in scores if (row["candidate"], row["split"]) == (number, "val")}
        parents = {row["example_id"] for row in scores if (row["candidate"], row["split"]) == (number, "parent")}
        assert len(own) == race["n"]
        assert parents < own
        assert race["against"] in next(row["parents"] for row in tells if row["number"] == number)
        counted = record.counted([race["against"]], "val")[race["against"]]
        assert parents < counted.keys()


def test_every_decision_of_a_search_and_of_its_crowning_is_repeated(recorded: Path) -> None:
    replayed = replay(recorded, task=made_task(n_kinds=4))
    assert (replayed.told, replayed.crowned, replayed.differences, replayed.n_runs) == (25, True, (), 0)
    assert replay(recorded, task=made_task(n_kinds=4), until=10).told == 11


def test_programs_run_again_with_the_recorded_answers_come_out_alike(recorded: Path) -> None:
    replayed = replay(recorded, task=made_task(n_kinds=4), run_programs=True, until=6)
    assert replayed.differences == ()
    assert replayed.n_runs > 20


def test_another_scorer_makes_differences_that_are_named(recorded: Path) -> None:
    def half(output: object, example: Example, /) -> Score:
        return replace(score(output, example), value=(score(output, example).value or 0.0) / 2)

    replayed = replay(recorded, task=replace(made_task(n_kinds=4), scorer=half), run_programs=True, until=2)
    assert {(difference.recorded, difference.now) for difference in replayed.differences} == {("1", "0.5")}


def test_the_first_decision_that_differs_is_named(recorded: Path) -> None:
    toml = recorded / "run.toml"
    text = toml.read_text()
    toml.write_text(text.replace("tournament = 3", "tournament = 1"))
    try:
        with pytest.raises(RunError, match=r"the search differs from its record, first at ask 1: seed \d+, recorded \d+"):
            replay(recorded, task=made_task(n_kinds=4))
    finally:
        toml.write_text(text)


def test_a_restored_state_is_what_the_whole_record_comes_to(recorded: Path) -> None:
    record = open_run(recorded)
    strategy = Strategy(**record.config["strategy"])
    snapshot = read_snapshot(recorded / "lineage", strategy=strategy, seed=1, told=25)
    assert snapshot is not None
    assert (snapshot.told, len(snapshot.asked)) == (14, 3)
    restored = Past(record, made_task(n_kinds=4), snapshot).restored(strategy)
    assert restored is not None
    states: list[State] = []

    def compare(state: State) -> None:
        if state.told == 14:
            states.append(state)
            assert state == restored[0]

    replay(recorded, task=made_task(n_kinds=4), on_told=compare)
    assert states
    asks = [row for row in record.decisions.to_pylist() if row["kind"] == "ask" and row["number"] in range(14, 17)]
    assert [(brief.number, brief.told, brief.seed) for brief in restored[1]] == [(row["number"], row["told"], row["seed"]) for row in asks]
    assert [[member.candidate.number for member in brief.parents] for brief in restored[1]] == [row["parents"] for row in asks]


@pytest.mark.parametrize("archive", sorted(ARCHIVES))
def test_a_search_with_any_archive_is_repeated_decision_by_decision(archive: str, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", archive=archive, candidates=14)
    run_search(run, lambda progress: None)
    assert open_run(tmp_path / "run").config["strategy"]["archive"] == archive
    assert replay(tmp_path / "run", task=made_task()).told == 15


def test_a_snapshot_of_another_search_or_damaged_is_no_snapshot(recorded: Path) -> None:
    strategy = Strategy(**open_run(recorded).config["strategy"])
    directory = recorded / "lineage"
    assert read_snapshot(directory, strategy=replace(strategy, islands=3), seed=1, told=25) is None
    assert read_snapshot(directory, strategy=strategy, seed=2, told=25) is None
    assert read_snapshot(directory, strategy=strategy, seed=1, told=13) is None
    content = (directory / "state.json").read_bytes()
    try:
        (directory / "state.json").write_bytes(content.replace(b"seed", b"sead"))
        assert read_snapshot(directory, strategy=strategy, seed=1, told=25) is None
    finally:
        (directory / "state.json").write_bytes(content)
