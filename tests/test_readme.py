"""The README's code runs: the commands of the hello world, the search from Python, and the program that it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from graftwork.programs.check import check
from graftwork.programs.parse import parse
from tests.search.test_ancestry import write_run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def run(*command: str, cwd: Path) -> str:
    """What a command printed; it must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_hello_world_runs_as_written(tmp_path: Path) -> None:
    first, then = (next(block for block in blocks("sh") if command in block) for command in ("graftwork init", "graftwork resume"))
    for line in (*first.splitlines(), *then.splitlines()):
        program, *words = shlex.split(line, comments=True)
        assert program == ".venv/bin/graftwork"
        run(sys.executable, "-m", "graftwork", *words, cwd=tmp_path)
    assert "Evolved by Graftwork" in (tmp_path / "champion.py").read_text()


def test_the_questions_to_a_run_are_answered_as_written(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "parcels-1")
    block = next(block for block in blocks("sh") if "graftwork sql" in block)
    for line in block.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == ".venv/bin/graftwork"
        assert run(sys.executable, "-m", "graftwork", *words, cwd=tmp_path)


def test_the_search_from_python_runs_as_written_and_takes_at_most_ten_lines(tmp_path: Path) -> None:
    block = next(block for block in blocks("python") if "gw.optimize" in block)
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    (tmp_path / "go.py").write_text(block)
    printed = run(sys.executable, "go.py", cwd=tmp_path)
    assert "def solve(x: float) -> float:" in printed


def test_the_program_that_is_shown_is_one(tmp_path: Path) -> None:
    block = next(block for block in blocks("python") if "def plan(" in block)
    program = parse(block)
    assert [component.kind for component in program.components] == ["tool", "prompt", "prompt", "function"]
    assert [d for d in check(program, entry="solve", parameters=("question",)) if d.severity == "error"] == []
    (tmp_path / "program.py").write_text(block)
    run(sys.executable, "program.py", cwd=tmp_path)


def test_the_structure_that_is_shown_is_drawn_so() -> None:
    shown = next(block for block in blocks("text") if block.startswith("function solve("))
    assert run(sys.executable, "-m", "graftwork", "show", "examples/word_problems/program.py", cwd=ROOT) == shown


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {a or b for a, b in re.findall(r"^make (\w+)|`make (\w+)`", README, flags=re.MULTILINE)}
    assert {"demo", "check"} <= named
    assert all(re.search(rf"^{name}:", makefile, flags=re.MULTILINE) for name in named)


def test_every_folder_of_the_map_exists() -> None:
    folders = re.findall(r"^\| `([\w/]+)/` \|", README, flags=re.MULTILINE)
    assert len(folders) >= 8
    assert all((ROOT / folder).is_dir() for folder in folders)
