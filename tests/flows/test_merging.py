"""Two champions of one seed become one program, from their runs or from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from graftwork.flows.merging import load_source, merge_sources
from graftwork.programs.errors import ConfigError, ProgramError, RunError
from graftwork.programs.export import ExportHeader, export
from graftwork.programs.parse import parse
from graftwork.search.lineage import Lineage
from tests.search.test_ancestry import SEED, told

ONE, OTHER = SEED.replace("x + 1", "x + 2"), SEED.replace("return x\n", "return abs(x)\n")


def write_run(path: Path, best: str, *, seed: str = SEED, champion: bool = True) -> Path:
    with Lineage(path) as lineage:
        first = told(lineage, 0, seed, 0.25)
        told(lineage, 1, best, 0.5, first)
        if champion:
            lineage.decision("champion", number=1, detail={})
    return path


def test_two_runs_of_one_seed_merge_against_it(tmp_path: Path) -> None:
    merged = merge_sources(write_run(tmp_path / "one", ONE), write_run(tmp_path / "other", OTHER, champion=False), None)
    assert merged.base == "the seed of both runs"
    assert [source.said for source in merged.sources] == ["candidate 1, the champion", "candidate 1, the best so far"]
    assert dict(merged.outcome.sides) == {"far": "a", "near": "b", "solve": "base"}
    assert merged.outcome.program.digest == parse(ONE.replace("return x\n", "return abs(x)\n")).digest


def test_files_and_exports_merge_against_the_base_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(export(parse(ONE), header=ExportHeader()))
    (tmp_path / "other.py").write_text(OTHER)
    (tmp_path / "base.py").write_text(SEED)
    assert load_source(tmp_path / "one.py").program.digest == parse(ONE).digest
    merged = merge_sources(tmp_path / "one.py", tmp_path / "other.py", tmp_path / "base.py")
    assert dict(merged.outcome.sides) == {"far": "a", "near": "b", "solve": "base"}


def test_without_a_common_seed_a_base_is_asked_for(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", ONE)
    other = write_run(tmp_path / "other", OTHER, seed=SEED.replace("x + 1", "x + 9"))
    with pytest.raises(ConfigError, match="name the program that both came from with --base FILE"):
        merge_sources(one, other, None)


def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def")
    with pytest.raises(RunError, match="cannot read"):
        load_source(tmp_path / "nothing.py")
    with pytest.raises(RunError, match="no run in"):
        load_source(tmp_path)
    with pytest.raises(ProgramError, match=r"bad\.py: line 1: not Python"):
        load_source(tmp_path / "bad.py")
