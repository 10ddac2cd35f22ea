"""How a program is shown: a file, an exported file, a candidate of a run."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from graftwork.cli_structure import show_candidate, show_program
from graftwork.programs.errors import ConfigError, RunError, UserError
from graftwork.programs.export import ExportHeader, export
from graftwork.programs.parse import parse
from graftwork.search.candidate import Result
from graftwork.search.lineage import Lineage
from tests.search.lineage_values import result

SOURCE = """import math
from graftwork.programs import prompt

@prompt
def ask(x: float) -> float:
    \"\"\"Ask.\"\"\"

def more(x):
    return math.sqrt(ask(x))

def spare(x, y):
    return x

def solve(x):
    return more(x)
"""
CONFIG = """[task]
entry = "solve"
packages = []

[task.limits]
calls = 1
"""


class Page:
    """What was printed, as lines."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self.console = Console(file=self._text, width=40)

    @property
    def lines(self) -> list[str]:
        return self._text.getvalue().splitlines()


def test_a_file_is_shown_with_its_structure_its_size_and_its_defects(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(SOURCE)
    page = Page()
    show_program(tmp_path / "p.py", page.console)
    assert page.lines == [
        "function solve(x)",
        "└─ function more(x)",
        "   └─ prompt ask(x: float) -> float",
        "never reached: spare",
        "1 prompt, 2 functions, 2 calls, depth 2, at most 2 model calls, 7 lines, imports math",
        "- warning: line 11, spare: 'spare' is never reached from 'solve'; use or remove it",
        "- warning: line 11, spare: parameter 'y' is never used",
    ]


def test_an_exported_file_is_shown_as_the_program_in_it(tmp_path: Path) -> None:
    (tmp_path / "champion.py").write_text(export(parse(SOURCE), header=ExportHeader()))
    page = Page()
    show_program(tmp_path / "champion.py", page.console, entry="more", mermaid=tmp_path / "more.mmd")
    assert page.lines[:3] == ["function more(x)", "└─ prompt ask(x: float) -> float", "never reached: spare, solve"]
    assert page.lines[4] == f"wrote {tmp_path / 'more.mmd'}"
    assert (tmp_path / "more.mmd").read_text().startswith("flowchart TD\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "p.py is not a program: line 1: not Python"),
        ("print(1)\n", "p.py is not a program: line 1: a top-level Expr statement"),
        ("def f(x):\n    return x\n", "p.py defines no 'solve'; name its entry with --entry, one of f"),
    ],
)
def test_a_file_that_is_no_program_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        show_program(tmp_path / "p.py", Page().console)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_or_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot read"):
        show_program(tmp_path / "p.py", Page().console)
    (tmp_path / "p.py").write_text(SOURCE)
    with pytest.raises(ConfigError, match=r"cannot write .* name another file with --mermaid"):
        show_program(tmp_path / "p.py", Page().console, mermaid=tmp_path / "no" / "folder.mmd")


def test_the_champion_and_any_candidate_of_a_run_are_shown(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG)
    with Lineage(tmp_path) as lineage:
        lineage.result(result(0))
        lineage.result(Result(number=1, operator="diff_edit", island=0, parents=(0,), status="unwritten", reason="no code"))
    one, best = Page(), Page()
    show_candidate(tmp_path, one.console, number=0)
    show_candidate(tmp_path, best.console, mermaid=tmp_path / "best.mmd")
    assert one.lines[:2] == ["candidate 0 by perturb, val 0: more", "function solve(x: int) -> int"]
    assert best.lines[0] == "function solve(x: int) -> int"
    assert (tmp_path / "best.mmd").read_text().startswith("flowchart TD\n")
    with pytest.raises(RunError, match=r"no candidate 7 in .*: they go from 0 to 1"):
        show_candidate(tmp_path, one.console, number=7)
    with pytest.raises(RunError, match="candidate 1 was never written"):
        show_candidate(tmp_path, one.console, number=1)


def test_a_candidate_is_measured_by_its_own_tasks_limit(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG)
    told = result(0)
    assert told.candidate is not None
    asking = replace(told, candidate=replace(told.candidate, program=parse(SOURCE)))
    with Lineage(tmp_path) as lineage:
        lineage.result(asking)
    page = Page()
    show_candidate(tmp_path, page.console)
    assert "- warning: line 14, solve: it can make 2 model calls, at most 1 are allowed; bound its loops" in page.lines


def test_a_run_without_an_evaluation_has_no_structure_yet(tmp_path: Path) -> None:
    Lineage(tmp_path).close()
    page = Page()
    show_candidate(tmp_path, page.console)
    assert page.lines == []
    with pytest.raises(RunError, match="nothing has been evaluated"):
        show_candidate(tmp_path, page.console, mermaid=tmp_path / "m.mmd")
