"""Tests of `graftwork doctor`, where the sandbox holds and where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from graftwork.evaluators.sandbox import SELF_TEST, probe
from graftwork.evaluators.trials import WALLS
from graftwork.flows.prepare import prepare
from graftwork.flows.settings import RunSettings
from graftwork.flows.starter import write_starter
from tests.evaluators.users import WITHOUT_LANDLOCK

needs_sandbox = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")


def graftwork(*words: str, cwd: Path, becoming: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """What a command printed, and its exit code; `becoming` is done by the process before it."""
    code = f"{becoming}\nimport os, sys\nos.execv(sys.executable, [sys.executable, '-m', 'graftwork', *sys.argv[1:]])"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environ},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@needs_sandbox
def test_where_the_sandbox_holds_every_wall_is_told_and_no_value_of_a_variable(tmp_path: Path) -> None:
    done = graftwork("doctor", cwd=tmp_path, OPENAI_API_KEY="sk-secret")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in WALLS:
        assert f"\n  {name} " in done.stdout
    assert f"{len(SELF_TEST)} of {len(SELF_TEST)} attacks stopped" in done.stdout
    assert "OPENAI_API_KEY is set, OPENAI_BASE_URL is not set" in done.stdout
    assert "can start here" in done.stdout
    assert "sk-secret" not in done.stdout


@needs_sandbox
def test_the_same_as_json(tmp_path: Path) -> None:
    found = json.loads(graftwork("doctor", "--json", cwd=tmp_path).stdout)
    assert found["standard_holds"]
    assert [wall["name"] for wall in found["walls"]] == [*WALLS, "user"]
    assert found["attacks"] == dict.fromkeys(SELF_TEST, True)
    assert found["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert found["machine"]["memory_bytes"] > 1 << 28


def test_where_a_container_refuses_landlock_it_says_what_to_do_and_a_run_is_refused(tmp_path: Path) -> None:
    done = graftwork("doctor", cwd=tmp_path, becoming=WITHOUT_LANDLOCK)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Landlock    MISSING" in done.stdout
    assert "security modules" in done.stdout
    assert "namespaces  not here" in done.stdout
    assert "cannot start here: Landlock" in done.stdout
    assert done.stderr == ""
    write_starter(tmp_path / "task")
    run = graftwork("run", "task", cwd=tmp_path, becoming=WITHOUT_LANDLOCK)
    assert run.returncode == 2
    assert "the sandbox does not hold here: Landlock; `graftwork doctor` says more" in run.stderr


@pytest.mark.parametrize("level", ["standard", "weak"])
def test_a_run_records_the_walls_that_held(level: str, tmp_path: Path) -> None:
    if level == "standard" and probe().missing:
        pytest.skip("the sandbox does not hold on this machine")
    write_starter(tmp_path / "task")
    run = prepare(tmp_path / "task", RunSettings.model_validate({"sandbox": level}), run_dir=tmp_path / "run", models={})
    recorded = tomllib.loads((run.run_dir / "run.toml").read_text())["sandbox"]
    assert recorded["level"] == level
    assert recorded["layers"][:3] == ["limits", "no privileges", "clean environment"]
    assert ("seccomp" in recorded["layers"]) == (level == "standard")
    assert ("namespaces" in recorded["layers"]) == probe().apart
