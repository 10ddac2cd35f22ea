"""A champion as an installable folder: it builds without a network, and its own test passes where there is nothing but pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from graftwork.evaluators.closure import dependency_closure, link_packages
from graftwork.flows.packaging import _module_name, _requirement, export_package
from graftwork.flows.run import Report
from graftwork.programs.errors import RunError

from .test_exporting import PROGRAM, pytestmark, recorded_run, rightly

__all__ = ["pytestmark"]  # where it can be had


def replayed(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What the folder's own test says of the wheel that it builds, in an interpreter that has pytest and nothing else."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path / "dist"), str(folder)]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    (tmp_path / "packages").mkdir()
    link_packages(tmp_path / "packages", dependency_closure(["pytest"]))
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "PYTHONPATH": f"{tmp_path / 'installed'}:{tmp_path / 'packages'}"}
    command = [sys.executable, "-s", "-S", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    return subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=100)


def test_a_package_with_prompts_builds_and_replays_the_recorded_replies_offline(short: Report, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    assert export_package(short.run_dir, folder).startswith("the champion; run alone")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "doubling"
    assert [need.partition(">=")[0] for need in project["dependencies"]] == ["openai"]
    assert (folder / "doubling.py").read_text() == (short.run_dir / "champion.py").read_text()
    done = replayed(folder, tmp_path)
    assert "8 passed" in done.stdout, done.stdout + done.stderr


def test_a_package_without_prompts_needs_nothing_and_replays_failures_too(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    export_package(recorded_run(tmp_path / "run", rightly), folder)
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"] == []
    done = replayed(folder, tmp_path)
    assert "8 passed" in done.stdout, done.stdout + done.stderr


def test_the_packages_test_fails_where_the_module_does_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    export_package(recorded_run(tmp_path / "run", rightly), folder)
    (module,) = folder.glob("*.py")
    module.write_text(module.read_text().replace("return 2 * x", "return 3 * x"))
    done = replayed(folder, tmp_path)
    assert "5 failed, 3 passed" in done.stdout, done.stdout + done.stderr  # 0, and the two that fail before


def test_a_package_that_was_not_verified_has_no_test_to_pass(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    run = recorded_run(tmp_path / "run", rightly)
    (run / "inputs.jsonl").unlink()
    with pytest.raises(RunError, match=r"keeps no inputs\.jsonl"):
        export_package(run, folder)
    assert "NOT verified" in export_package(run, folder, verified=False)
    assert not (folder / "tests").exists()


def test_what_a_docstring_says_is_a_description_that_packaging_tools_read(tmp_path: Path) -> None:
    doc = r'"""Half a \ud83d pair, \x7f \x00 and a whole \U0001f600 \"smile\"."""'
    run = recorded_run(tmp_path / "run", rightly, program=f"{doc}\n{PROGRAM}")
    export_package(run, tmp_path / "package")
    project = tomllib.loads((tmp_path / "package" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["description"] == 'Half a   pair,     and a whole \U0001f600 "smile".'


@pytest.mark.parametrize("task", ["openai", "pytest", "typing_extensions", "Pydantic", "json", "numpy"])
def test_a_module_hides_nothing_that_it_or_its_test_imports(task: str) -> None:
    assert _module_name(task, ["numpy", "openai"]) == f"champion_{task.lower()}"


def test_a_local_version_is_no_requirement() -> None:
    assert (_requirement("torch", "2.1.0+cpu"), _module_name("parcels", [])) == ("torch>=2.1.0", "parcels")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(RunError, match="not an empty folder"):
        export_package(tmp_path, tmp_path)
