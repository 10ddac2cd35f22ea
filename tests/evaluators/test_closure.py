"""A requirement's closure: everything that it needs, and nothing else that happens to be installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from graftwork.evaluators.closure import dependency_closure, distributions_of, link_packages
from graftwork.programs.errors import ConfigError


def test_the_closure_holds_what_is_needed_here_and_no_extra() -> None:
    names = {one.name.lower().replace("_", "-") for one in dependency_closure(["openai"])}
    assert {"openai", "anyio", "pydantic", "pydantic-core", "typing-extensions"} <= names
    assert not names & {"numpy", "pandas", "graftwork", "ray", "pytest"}


def test_a_package_leads_to_the_distribution_that_brings_it() -> None:
    assert distributions_of(["numpy", "yaml", "nobody_brings_this"]) == ("numpy", "pyyaml")


def test_what_is_not_installed_is_one_line() -> None:
    with pytest.raises(ConfigError, match="no-such-distribution is not installed"):
        dependency_closure(["no-such-distribution"])


def test_linked_packages_are_all_that_an_interpreter_without_site_packages_finds(tmp_path: Path) -> None:
    link_packages(tmp_path, dependency_closure(["openai"]))
    code = f"""import sys; sys.path.append({str(tmp_path)!r})
import openai, importlib.util
from importlib.metadata import version
print(openai.__version__ == version("openai"), [name for name in ("numpy", "graftwork", "rich") if importlib.util.find_spec(name)])"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "True []"


def installed(site: Path, name: str, file: str) -> PathDistribution:
    """A distribution of one file."""
    (site / file).parent.mkdir(parents=True, exist_ok=True)
    (site / file).write_text(name)
    info = site / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
    (info / "RECORD").write_text(f"{file},,\n{info.name}/METADATA,,\n")
    return PathDistribution(info)


def test_a_folder_that_two_distributions_share_is_linked_once_and_never_written_through(tmp_path: Path) -> None:
    one = installed(tmp_path / "site", "one", "shared/__init__.py")
    beside = installed(tmp_path / "site", "beside", "shared/extra.py")
    other = installed(tmp_path / "elsewhere", "other", "shared/more.py")
    (tmp_path / "links").mkdir()
    link_packages(tmp_path / "links", [one, beside, other])
    assert sorted(path.name for path in (tmp_path / "links" / "shared").iterdir()) == ["__init__.py", "extra.py"]
    with pytest.raises(ConfigError, match="cannot link the installed packages into"):
        link_packages(tmp_path / "links", [one])


def test_a_module_that_no_distribution_brings_is_linked_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own_module_of_this_test.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    (tmp_path / "links").mkdir()
    link_packages(tmp_path / "links", (), packages=["own_module_of_this_test"])
    assert [(link.name, link.read_text()) for link in (tmp_path / "links").iterdir()] == [("own_module_of_this_test.py", "X = 1\n")]
