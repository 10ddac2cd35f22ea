"""Tests of the command line, as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graftwork.search.record import open_run

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
    run = graftwork("run", "new", "--candidates", "25", "--seed", "3", cwd=tmp_path)
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
    assert float(alone.stdout) == pytest.approx(float(alone.stdout))
    assert open_run(tmp_path / "runs" / "parcels-1").candidates.num_rows == 26


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
        ("def solve(x):\n    return x\n", STARTED, ("--base-url", "http://127.0.0.1:9/v1"), "--model"),
        ("def solve(x):\n    return x\n", STARTED, ("--model", "m"), "no key"),
        ("def solve(x):\n    return x\n", STARTED, ("--model", "m", "--base-url", "http://127.0.0.1:9/v1"), "nobody answers"),
        ("def solve(x):\n    return x\n", STARTED, ("--model", "m", "--budget-usd", "1"), "--price"),
        ("def solve(x):\n    return x\n", STARTED, ("--run", "/proc/nowhere"), "cannot make a run"),
        ("def solve(x):\n    return x\n", STARTED, ("--run", "."), "not an empty folder"),
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
    result = graftwork("run", "t", *options, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["show", "export"])
def test_a_run_that_is_not_there_is_one_line_and_exit_code_2(command: str, tmp_path: Path) -> None:
    result = graftwork(command, "nowhere", cwd=tmp_path)
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
    result = graftwork("show", "p.py", *options, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_mistake_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("def solve(x):\n    return x\n")
    (tmp_path / "task.py").write_text(STARTED)
    assert graftwork("run", ".", "--model", "m", cwd=tmp_path).returncode == 2
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
