"""The layout: four top-level folders that install as `graftwork.<folder>`, and nothing generic ever installed."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent
FOLDERS: Final = ("evaluators", "flows", "programs", "search")
HEAVY: Final = ("openai", "prefect", "pyarrow", "ray")


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _python(code: str, *, cwd: Path, path: Path | None = None) -> str:
    """What a clean interpreter prints; `path` is put before everything else on `sys.path`."""
    prelude = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    done = subprocess.run([sys.executable, "-I", "-c", prelude + code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _house_files() -> Iterator[Path]:
    for folder in ("graftwork", *FOLDERS, "tests", "examples", "benchmarks", "deploy"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def _imported(file: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level package of every absolute import."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]


def _copy_of_the_house(target: Path) -> Path:
    """The files that make the package, without caches, as a clone would have them."""
    target.mkdir()
    for name in ("graftwork", *FOLDERS):
        shutil.copytree(ROOT / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    house = _copy_of_the_house(tmp_path_factory.mktemp("build") / "house")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return house / "dist"


def test_the_package_dir_map_names_each_folder_and_nothing_else() -> None:
    setuptools = _pyproject()["tool"]["setuptools"]
    assert setuptools["package-dir"] == {"graftwork": "graftwork"} | {f"graftwork.{name}": name for name in FOLDERS}
    assert sorted(setuptools["packages"]) == ["graftwork", *(f"graftwork.{name}" for name in FOLDERS)]


def test_folders_are_flat_so_that_the_map_is_complete() -> None:
    nested = [str(file.relative_to(ROOT)) for name in FOLDERS for file in (ROOT / name).glob("*/**/*.py")]
    assert nested == []


@pytest.mark.parametrize("name", FOLDERS)
def test_each_link_is_relative_and_leads_to_its_folder(name: str) -> None:
    link = ROOT / "graftwork" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert link.resolve() == ROOT / name


def test_the_front_door_holds_no_other_folder() -> None:
    folders = {entry.name for entry in (ROOT / "graftwork").iterdir() if entry.is_dir()} - {"__pycache__"}
    assert folders == set(FOLDERS)


def test_the_tested_set_pins_every_dependency_within_its_range_and_names_no_host() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    project = _pyproject()["project"]
    wanted = [Requirement(text) for texts in (project["dependencies"], *project["optional-dependencies"].values()) for text in texts]
    assert [str(one) for one in wanted if not one.specifier.contains(pins[canonicalize_name(one.name)])] == []


def test_nothing_imports_a_folder_by_its_bare_name() -> None:
    bare = [
        f"{file.relative_to(ROOT)}:{line}: import {package}"
        for file in _house_files()
        for line, package in _imported(file)
        if package in FOLDERS
    ]
    assert bare == []


def test_importing_graftwork_in_a_clean_interpreter_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = _python(f"import sys, graftwork; print([m for m in {HEAVY} if m in sys.modules])", cwd=tmp_path)
    assert loaded == "[]"


def test_what_a_sandboxed_child_imports_is_standard_library_only(tmp_path: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import graftwork.programs.runtime\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'graftwork'}))"
    )
    assert _python(code, cwd=tmp_path) == "[]"


def test_import_linter_follows_the_links_and_catches_an_import_against_the_stream(tmp_path: Path) -> None:
    house = _copy_of_the_house(tmp_path / "house")
    (house / "programs" / "wrong.py").write_text("import prefect\nfrom graftwork.search.candidate import Brief\n")
    code = f"""
import sys; sys.path.insert(0, {str(house)!r})
from importlinter.cli import lint_imports
raise SystemExit(lint_imports(no_cache=True))
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=house, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "graftwork.programs.wrong -> graftwork.search.candidate" in done.stdout
    assert "graftwork.programs.wrong -> prefect" in done.stdout


@pytest.mark.slow
def test_the_wheel_holds_graftwork_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"graftwork", f"graftwork-{_pyproject()['project']['version']}.dist-info"}
    sources = {f"graftwork/{file.relative_to(ROOT / 'graftwork')}" for file in (ROOT / "graftwork").glob("*.py")}
    sources |= {f"graftwork/{name}/{file.name}" for name in FOLDERS for file in (ROOT / name).glob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert "graftwork/py.typed" in names


@pytest.mark.slow
def test_the_source_archive_carries_what_the_wheel_is_built_from(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "pyproject.toml", *(f"{name}/__init__.py" for name in FOLDERS)} <= names


@pytest.mark.slow
def test_the_wheel_imports_from_anywhere_without_the_checkout(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place), str(wheel)]
    subprocess.run(command, check=True, cwd=tmp_path)
    code = "\n".join(f"import graftwork.{name}; print(graftwork.{name}.__file__)" for name in FOLDERS)
    files = _python(code, cwd=tmp_path, path=place).splitlines()
    assert files == [str(place / "graftwork" / name / "__init__.py") for name in FOLDERS]
