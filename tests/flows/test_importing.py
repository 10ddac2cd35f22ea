"""An exported file, or any program, seeds the next search; what does not fit is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Example, Task
from graftwork.flows.engine import run_search
from graftwork.flows.optimize import optimize
from graftwork.flows.prepare import prepare
from graftwork.flows.settings import RunSettings
from graftwork.programs.errors import TaskError
from graftwork.programs.export import ExportHeader, export
from graftwork.programs.parse import parse
from graftwork.search.record import open_run

SEED = "LIMIT = 9\n\ndef solve(x: int) -> int:\n    return x + 1\n"
BETTER = "LIMIT = 9\n\ndef solve(x: int) -> int:\n    return x + x\n"


def score(output: object, example: Example, /) -> float:
    """How near it is."""
    return -min(abs(float(str(output)) - float(str(example.target))), 50.0)


def made() -> Task:
    rows = [({"x": n}, 2 * n) for n in range(12)]
    return make_task(SEED, rows, score, score_range=(-50.0, 0.0), frozen=["LIMIT"])


@pytest.mark.parametrize("text", [BETTER, export(parse(BETTER), header=ExportHeader(provenance={"run": "earlier"}))])
def test_an_exported_champion_or_a_plain_program_seeds_the_next_search(text: str, tmp_path: Path) -> None:
    file = tmp_path / "champion.py"
    file.write_text(text)
    run = prepare(made(), RunSettings(imported=str(file), candidates=2), run_dir=tmp_path / "run")
    report = run_search(run, lambda _: None)
    record = open_run(report.run_dir)
    assert record.candidates.to_pylist()[0]["digest"] == parse(BETTER).digest
    assert record.candidates.to_pylist()[0]["score"] == 0.0
    assert record.config["settings"]["imported"] == str(file)
    assert record.config["task"]["seed_digest"] == parse(BETTER).digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def other(x):\n    return x\n", "must define the entry 'solve', and has other"),
        ("LIMIT = 9\n\ndef solve(y):\n    return y\n", r"inputs must fit the entry solve\(y\)"),
        ("LIMIT = 8\n\ndef solve(x):\n    return x\n", "the task freezes 'LIMIT', and champion has another"),
        ("def solve(x):\n    return x\n", "frozen must name components of the program"),
        ("LIMIT = 9\n\ndef solve(x):\n    return z\n", "'z' is not defined"),
        ("def solve(x)\n", "the program 'champion' cannot be read"),
    ],
)
def test_what_does_not_fit_the_task_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "champion.py"
    file.write_text(text)
    with pytest.raises(TaskError, match=said) as raised:
        prepare(made(), RunSettings(imported=str(file)), run_dir=tmp_path / "run")
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_optimize_takes_an_exported_file_as_its_program(tmp_path: Path) -> None:
    file = tmp_path / "champion.py"
    file.write_text(export(parse(BETTER), header=ExportHeader(provenance={"run": "earlier"})))
    rows = [({"x": n}, 2 * n) for n in range(12)]
    found = optimize(file, rows, score, score_range=(-50.0, 0.0), candidates=2, run_dir=tmp_path / "run")
    assert "graftwork: begin" not in found.best
    assert open_run(found.run_dir).candidates.to_pylist()[0]["digest"] == parse(BETTER).digest
