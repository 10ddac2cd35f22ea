"""Programs that were scored elsewhere are the first candidates of a search, whose scores are its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from graftwork.evaluators.load import load_task
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Example, Task
from graftwork.flows.elsewhere import Elsewhere, read_elsewhere, read_imported
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import check_run, prepare
from graftwork.flows.replay import replay
from graftwork.flows.resume import prepare_resume
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import ConfigError, RunError, TaskError
from graftwork.programs.export import ExportHeader, export
from graftwork.programs.parse import parse
from graftwork.search.record import canonical, open_run
from tests.search.test_ancestry import write_run

pytestmark = pytest.mark.usefixtures("unverified", "in_threads")

SEED = "LIMIT = 9\n\n\ndef solve(x: int) -> int:\n    return x + 1\n"
PROMPTING = f"from graftwork.programs import prompt\n\n\n@prompt\ndef ask() -> str:\n    '''Why?'''\n\n\n{SEED}"
ROOT = Path(__file__).resolve().parents[2]


def adding(number: int) -> str:
    return SEED.replace("x + 1", f"x + {number}")


def score(output: object, example: Example, /) -> float:
    """How near it is."""
    return -min(abs(float(str(output)) - float(str(example.target))), 50.0)


def made() -> Task:
    rows = [({"x": n}, n + 5) for n in range(12)]
    return make_task(SEED, rows, score, score_range=(-50.0, 0.0), frozen=["LIMIT"])


def write_checkpoint(folder: Path, *programs: tuple[str, str, float | None]) -> Path:
    """A checkpoint as OpenEvolve 0.4 writes it, with programs of these ids, texts and scores."""
    (folder / "programs").mkdir(parents=True)
    (folder / "metadata.json").write_text('{"last_iteration": 10}')
    for name, code, value in programs:
        metrics = {"error": 0.0} if value is None else {"combined_score": value, "runs": 7.0}
        row = {"id": name, "code": code, "language": "python", "parent_id": None, "generation": 1, "metrics": metrics, "metadata": {}}
        (folder / "programs" / f"{name}.json").write_text(json.dumps(row))
    return folder


def test_a_checkpoint_of_openevolve_is_read_and_of_several_the_latest(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "checkpoints" / "checkpoint_9", ("old", SEED, 1.0))
    latest = write_checkpoint(tmp_path / "checkpoints" / "checkpoint_10", ("a", adding(2), 0.5), ("b", adding(3), None))
    found = read_elsewhere(tmp_path)
    assert found == (Elsewhere(text=adding(2), claimed=0.5, place="a"), Elsewhere(text=adding(3), claimed=None, place="b"))
    assert read_elsewhere(tmp_path / "checkpoints") == read_elsewhere(latest) == found


def test_a_file_of_a_checkpoint_that_holds_no_python_program_is_told_with_its_trouble(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, ("a", SEED, float("nan"))) / "programs"
    for name, text in (("b", "{"), ("c", "[]"), ("d", '{"code": "fn", "language": "rust"}'), ("e", '{"metrics": {}}')):
        (folder / f"{name}.json").write_text(text)
    first, *others = read_elsewhere(tmp_path)
    assert (first.claimed, first.trouble) == (None, "")
    assert [one.trouble.partition(":")[0] for one in others] == [
        "no program of OpenEvolve",
        "no program of OpenEvolve",
        "it is rust, not Python",
        "no program of OpenEvolve",
    ]


def test_a_table_holds_texts_and_paths(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(adding(2))
    rows = [{"program": "p.py", "score": 0.25}, {"program": adding(3), "score": None}, {"program": "lost.py", "score": 1}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "rows.csv").write_text(f'score,program\n0.25,p.py\n,"{adding(3)}"\n1,lost.py\n')
    for name in ("rows.jsonl", "rows.csv"):
        first, second, third = read_elsewhere(tmp_path / name)
        assert [(one.text, one.claimed, one.trouble) for one in (first, second)] == [(adding(2), 0.25, ""), (adding(3), None, "")]
        assert (third.claimed, third.trouble) == (1.0, "cannot read lost.py: No such file or directory")
    assert first.place.endswith("rows.csv, line 2")


def test_a_run_is_read_with_its_scores(tmp_path: Path) -> None:
    write_run(tmp_path)
    found = read_elsewhere(tmp_path)
    assert [(one.place, one.claimed) for one in found[:2]] == [("candidate 4", 1.0), ("candidate 2", 0.75)]
    assert parse(found[0].text).names == ("afar", "near", "solve")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.txt", "x", "must be a checkpoint of OpenEvolve"),
        ("rows.csv", "a,b\n1,2\n", "has no column 'program'"),
        ("rows.csv", "program,score\np.py,high\n", "line 2, column 'score': converting 'high' raised"),
        ("folder", None, "must be a checkpoint of OpenEvolve, with a folder `programs`"),
        ("rows.jsonl", "", "there is no file"),
    ],
)
def test_what_is_none_of_these_is_one_clear_line(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is None:
        (tmp_path / name).mkdir()
    elif text:
        (tmp_path / name).write_text(text)
    with pytest.raises((ConfigError, TaskError)) as caught:
        read_elsewhere(tmp_path / name)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_best_that_fit_the_task_are_chosen_and_what_is_passed_over_is_told(tmp_path: Path) -> None:
    source = write_checkpoint(
        tmp_path,
        ("frozen", adding(7).replace("LIMIT = 9", "LIMIT = 8"), 0.9),
        ("broken", "def solve(:", 0.8),
        ("prompt", PROMPTING, 0.75),
        ("seed", SEED + "\n# the seed\n", 0.7),
        ("five", adding(5), 0.6),
        ("again", adding(5) + "# laid out otherwise\n", 0.55),
        ("exported", export(parse(adding(3)), header=ExportHeader()), 0.5),
        ("two", adding(2), None),
    )
    run = check_run(made(), RunSettings(start_from=str(source), start_from_best=2), run_dir=tmp_path / "run")
    assert [(one.place, one.claimed) for one in run.imported] == [("five", 0.6), ("exported", 0.5)]
    assert run.imported[1].program.digest == parse(adding(3)).digest
    assert f"starting from 2 of 8 programs of {source}; 3 passed over, the first: frozen: " in run.imported_said
    more = check_run(made(), RunSettings(start_from=str(source)), run_dir=tmp_path / "run")
    assert [one.place for one in more.imported] == ["five", "exported", "two"]


def test_where_no_program_fits_the_first_reason_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", ("other", "def other():\n    return 1\n", 1.0), ("broken", "def", 0.5))
    with pytest.raises(ConfigError, match="the first of 2 that do not fit: other: ") as caught:
        prepare(made(), RunSettings(start_from=str(source)), run_dir=tmp_path / "run")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()
    alone = write_checkpoint(tmp_path / "alone", ("seed", SEED, 1.0))
    with pytest.raises(ConfigError, match="it has none that is not the seed"):
        prepare(made(), RunSettings(start_from=str(alone)), run_dir=tmp_path / "run")


def test_programs_for_a_foreign_evaluator_may_change_what_stands_in_a_block(tmp_path: Path) -> None:
    folder = ROOT / "examples" / "openevolve_layout" / "lowest_point"
    text = (folder / "initial_program.py").read_text()
    inside, outside = text.replace("STRIDE = 6.0", "STRIDE = 3.0"), text.replace("4.0, -4.0", "0.0, 0.0")
    source = write_checkpoint(tmp_path, ("outside", outside, 1.0), ("inside", inside, 0.5))
    run = check_run(load_task(folder), RunSettings(start_from=str(source)), run_dir=tmp_path / "run")
    assert [one.place for one in run.imported] == ["inside"]
    assert "1 passed over, the first: outside: " in run.imported_said


def test_imported_programs_are_the_first_candidates_and_are_scored_here(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", ("wrong", adding(40), 0.9), ("right", adding(5), 0.5))
    settings = RunSettings(start_from=str(source), candidates=5, window=2, slots=2)
    for name in ("one", "two"):
        run_search(prepare(made(), settings, run_dir=tmp_path / name), lambda _: None)
    record = open_run(tmp_path / "one")
    rows = record.candidates.to_pylist()
    assert [(row["number"], row["operator"], row["parents"], row["island"], row["score"]) for row in rows[:3]] == [
        (0, "seed", [], 0, -4.0),
        (1, "import", [], 0, -35.0),
        (2, "import", [], 1, 0.0),
    ]
    assert rows[1]["note"] == "from wrong, claims 0.9 there"
    assert len(rows) == 6
    asked = [(row["number"], row["operator"]) for row in record.decisions.to_pylist() if row["kind"] == "ask"]
    assert asked[:2] == [(1, "import"), (2, "import")]
    assert [number for number, operator in asked if operator != "import"] == [3, 4, 5]
    assert record.champion is not None
    assert record.champion["score"] == 0.0
    assert "starting from 2 of 2 programs" in next(row["message"] for row in record.events.to_pylist() if row["kind"] == "import")
    assert canonical(tmp_path / "one") == canonical(tmp_path / "two")
    assert (replay(tmp_path / "one", task=made()).told, replay(tmp_path / "one", task=made()).crowned) == (6, True)
    assert [(one.place, one.claimed, one.program.source) for one in read_imported(record)] == [
        ("wrong", 0.9, adding(40)),
        ("right", 0.5, adding(5)),
    ]


def test_a_run_goes_on_with_what_it_began_with_whatever_became_of_the_source(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", ("wrong", adding(40), 0.9), ("right", adding(5), 0.5))
    settings = RunSettings(start_from=str(source), candidates=5, window=2, slots=2)
    run_search(prepare(made(), settings, run_dir=tmp_path / "whole"), lambda _: None)
    run_search(prepare(made(), settings.model_copy(update={"candidates": 1}), run_dir=tmp_path / "run"), lambda _: None)
    shutil.rmtree(source)
    run_search(prepare_resume(tmp_path / "run", task=made(), changes={"candidates": 5}), lambda _: None)
    whole, resumed = (
        [{name: row[name] for name in ("number", "operator", "digest", "note", "score", "status")} for row in record.candidates.to_pylist()]
        for record in (open_run(tmp_path / "whole"), open_run(tmp_path / "run"))
    )
    assert resumed == whole
    (tmp_path / "run" / "imported.jsonl").unlink()
    with pytest.raises(RunError, match=r"cannot read .*imported.jsonl, which holds the programs that this run began with"):
        prepare_resume(tmp_path / "run", task=made())


def test_a_run_that_begins_with_its_seed_alone_imported_nothing(tmp_path: Path) -> None:
    run = prepare(made(), RunSettings(candidates=1), run_dir=tmp_path / "run")
    (run.run_dir / "lineage").mkdir()
    assert read_imported(open_run(run.run_dir)) == ()
