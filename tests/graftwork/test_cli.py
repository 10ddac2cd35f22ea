"""Tests of the command line, as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graftwork.search.record import open_run
from tests.flows.test_merging import ONE, OTHER, write_run

from .typed import typed

STARTED = """
import graftwork as gw

task = gw.task(program="p.py", examples=[(n, n) for n in range(12)], score=lambda output, example: 1.0)
"""


def graftwork(*words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """What a command printed, and its exit code."""
    command = [sys.executable, "-m", "graftwork", *words]
    return subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "TERM": "dumb", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        stdin=subprocess.DEVNULL,
    )


def test_a_newcomer_makes_runs_shows_and_exports_a_task(tmp_path: Path) -> None:
    assert graftwork("init", "new", cwd=tmp_path).returncode == 0
    run = graftwork("run", "new", "--candidates", "12", "--seed", "3", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "test" in run.stdout
    shown = graftwork("show", "runs/parcels-1", cwd=tmp_path)
    assert shown.returncode == 0
    assert "champion: candidate" in shown.stdout
    assert "model calls: none" in shown.stdout
    assert "function solve(weight: float, distance: float) -> float" in shown.stdout
    assert graftwork("export", "runs/parcels-1", "-o", "best.py", cwd=tmp_path).returncode == 0
    alone = subprocess.run(
        [sys.executable, "-I", "best.py"],
        cwd=tmp_path,
        input='{"weight": 2.0, "distance": 10.0}\n',
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert float(alone.stdout) > 0  # a price
    assert open_run(tmp_path / "runs" / "parcels-1").candidates.num_rows == 13


@pytest.mark.parametrize(
    ("program", "task", "options", "said"),
    [
        (None, None, (), "task.py"),
        (None, STARTED, (), "p.py"),
        ("def solve(x)\n    return x\n", STARTED, (), "cannot be read"),
        ("def solve(x):\n    return y\n", STARTED, (), "'y' is not defined"),
        ("def solve(x):\n    return x\n", "raise ValueError('no data')\n", (), "no data"),
        ("def solve(x):\n    return x\n", "x = 1\n", (), "must define `task`"),
        ("def solve(x):\n    return x\n", STARTED, ("--candidates", "0"), "candidates"),
        ("def solve(x):\n    return x\n", STARTED, ("--strategy", "magic"), "no strategy 'magic'"),
        ("def solve(x):\n    return x\n", STARTED, ("--archive", "heap"), "no archive 'heap'; there are examples, grid, objectives"),
        ("def solve(x):\n    return x\n", STARTED, ("--strategy", "random", "--archive", "grid"), "from no archive"),
        ("def solve(x):\n    return x\n", STARTED, ("--base-url", "http://127.0.0.1:9/v1"), "--model"),
        ("def solve(x):\n    return x\n", STARTED, ("--model", "m"), "no key"),
        ("def solve(x):\n    return x\n", STARTED, ("--model", "m", "--base-url", "http://127.0.0.1:9/v1"), "nobody answers"),
        ("def solve(x):\n    return x\n", STARTED, ("--model", "m", "--budget-usd", "1"), "--price"),
        ("def solve(x):\n    return x\n", STARTED, ("--run", "/proc/nowhere"), "cannot make a run"),
        ("def solve(x):\n    return x\n", STARTED, ("--run", "."), "not an empty folder"),
        ("def solve(x):\n    return x\n", STARTED, ("--import", "nowhere.py"), "there is no program file"),
        ("def solve(x):\n    return 1 / 0\n", STARTED, (), "fails on every val example"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    program: str | None, task: str | None, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    if program is not None:
        (folder / "p.py").write_text(program)
    if task is not None:
        (folder / "task.py").write_text(task)
    result = typed("run", "t", *options, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_export_is_refused_with_exit_code_2_unless_it_does_what_the_run_recorded_and_can_seed_the_next_run(tmp_path: Path) -> None:
    assert typed("init", "new", cwd=tmp_path).returncode == 0
    assert graftwork("run", "new", "--candidates", "5", cwd=tmp_path).returncode == 0
    run = tmp_path / "runs" / "parcels-1"
    assert "run alone, it gives what the run recorded" in graftwork("export", "runs/parcels-1", cwd=tmp_path).stdout
    packed = typed("export", "runs/parcels-1", "--package", "packed", cwd=tmp_path)
    assert packed.stdout.startswith("wrote packed: the champion; run alone"), packed.stderr
    inputs = (run / "inputs.jsonl").read_text()
    (run / "inputs.jsonl").write_text(inputs.replace('"weight": ', '"weight": 9'))
    refused = typed("export", "runs/parcels-1", "-o", "other.py", cwd=tmp_path)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "on val example" in refused.stderr
    assert "--unverified" in refused.stderr
    assert not (tmp_path / "other.py").exists()
    assert typed("export", "runs/parcels-1", "-o", "other.py", "--unverified", cwd=tmp_path).returncode == 0
    again = graftwork("run", "new", "--candidates", "1", "--import", "other.py", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert open_run(tmp_path / "runs" / "parcels-2").config["settings"]["imported"] == "other.py"


def test_two_runs_of_one_seed_are_merged_and_their_components_traced(tmp_path: Path) -> None:
    write_run(tmp_path / "one", ONE)
    write_run(tmp_path / "other", OTHER)
    merged = graftwork("merge", "one", "other", "-o", "both.py", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout.splitlines() == [
        "a: one (candidate 1, the champion)",
        "b: other (candidate 1, the champion)",
        "base: the seed of both runs",
        "  far    from a",
        "  near   from b",
        "  solve  as in the base",
        "wrote both.py: it passes check",
    ]
    assert "x + 2" in (tmp_path / "both.py").read_text()
    listed = graftwork("blame", "one", "1", cwd=tmp_path)
    assert listed.stdout.splitlines()[0] == "far    function      1  grow                step 1"
    history = typed("blame", "one", "1", "far", cwd=tmp_path)
    assert history.stdout.splitlines()[:4] == [
        "far in candidate 1 by grow, val +0.25: step 1",
        "   def far(x: float) -> float:",
        "  -    return x + 1",
        "  +    return x + 2",
    ]
    unknown = typed("merge", "one", "both.py", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "--base FILE" in unknown.stderr


def test_a_persons_file_is_replaced_only_where_it_is_named_and_never_while_it_is_merged(tmp_path: Path) -> None:
    write_run(tmp_path / "one", ONE)
    for name, text in (("two.py", OTHER), ("merged.py", "mine"), ("champion.py", "mine")):
        (tmp_path / name).write_text(text)
    (tmp_path / "kept.py").hardlink_to(tmp_path / "merged.py")
    merge = ("merge", "one", "two.py", "--base", "two.py")
    for words, said in (
        (merge, "merged.py is there already: to replace it"),
        (("export", "one"), "champion.py is there already: to replace it"),
        ((*merge, "-o", "./two.py"), "two.py is part of what is merged"),
    ):
        refused = typed(*words, cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"graftwork: {said}")
    assert ((tmp_path / "two.py").read_text(), (tmp_path / "champion.py").read_text()) == (OTHER, "mine")
    assert typed(*merge, "-o", "merged.py", cwd=tmp_path).returncode == 0
    assert "def solve" in (tmp_path / "merged.py").read_text()
    assert (tmp_path / "kept.py").read_text() == "mine"


@pytest.mark.parametrize("command", ["show", "export"])
def test_a_run_that_is_not_there_is_one_line_and_exit_code_2(command: str, tmp_path: Path) -> None:
    result = typed(command, "nowhere", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--candidate", "1"), "--candidate belongs to a run's folder"),
        (("--entry", "main"), "p.py defines no 'main'; name its entry with --entry, one of solve"),
    ],
)
def test_a_program_that_cannot_be_shown_is_one_line_and_exit_code_2(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("def solve(x):\n    return x\n")
    result = typed("show", "p.py", *options, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_mistake_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("def solve(x):\n    return x\n")
    (tmp_path / "task.py").write_text(STARTED)
    assert typed("run", ".", "--model", "m", cwd=tmp_path).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["p.py", "task.py"]


def test_the_whole_search_is_one_call_from_python(tmp_path: Path) -> None:
    script = """
import graftwork as gw

result = gw.optimize(
    "def solve(x: int) -> int:\\n    return x + 1\\n",
    [({"x": n}, 2 * n) for n in range(24)],
    lambda output, example: -min(abs(output - example.target), 50),
    score_range=(-50, 0),
    candidates=30,
)
print(result.report.run_dir)
compile(result.best, "champion", "exec")
"""
    (tmp_path / "go.py").write_text(script)
    done = subprocess.run([sys.executable, "go.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip() / "champion.py").is_file()
