"""Closure: installed distributions with all that they need, as one directory of links: what a file's requirements bring, and no more."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from graftwork.programs.errors import ConfigError

__all__ = ["dependency_closure", "distributions_of", "link_packages"]


def dependency_closure(names: Iterable[str]) -> tuple[Distribution, ...]:
    """The installed distributions of some names and all that they require here, extras left out unless they are asked for.

    Raises:
        ConfigError: If one is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    wanted = [Requirement(name) for name in names]
    while wanted:
        one = wanted.pop()
        key = canonicalize_name(one.name), frozenset(one.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            found[key[0]] = distribution(one.name)
        except PackageNotFoundError:
            raise ConfigError(f"{one.name} is not installed here, and what was asked for needs it: install it") from None
        wanted += [need for need in map(Requirement, found[key[0]].requires or ()) if _applies(need, one.extras)]
    return tuple(found[name] for name in sorted(found))


def distributions_of(packages: Iterable[str]) -> tuple[str, ...]:
    """The distributions that bring some importable packages; one that no distribution brings is left out."""
    wanted = frozenset(packages)
    return tuple(sorted({canonicalize_name(one.name) for one in distributions() if any(_brings(one, wanted))}))


def link_packages(directory: Path, distributions: Iterable[Distribution], *, packages: Iterable[str] = ()) -> None:
    """Fill an empty directory with links to the top-level files and folders of some distributions.

    Args:
        directory: It becomes a place of imports.
        distributions: Which.
        packages: Importable packages to link too, for those that no distribution brings, such as modules on the path.

    Raises:
        ConfigError: If a link cannot be made.
    """
    links = {name: target for one in distributions for name, target in _top_level(one)}
    for package in packages:
        spec = importlib.util.find_spec(package)
        if package in links or spec is None or not spec.origin:
            continue
        target = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
        links.setdefault(target.name, target)
    try:
        for name, target in links.items():
            # What is in a folder that is linked whole is there with it, or hidden by it as on the path.
            if name.rpartition("/")[0] not in links:
                link = directory / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target)
    except OSError as error:
        raise ConfigError(f"cannot link the installed packages into {directory}: {error}") from None


def _brings(one: Distribution, packages: frozenset[str]) -> Iterator[bool]:
    """Whether it brings each of some importable packages: by what it declares, else by its files, whose long list is only searched."""
    declared = (one.read_text("top_level.txt") or "").split()
    text = "" if declared else one.read_text("RECORD") or "\n".join(map(str, one.files or ()))
    for package in packages:
        yield package in declared or re.search(rf'^"?{re.escape(package)}(/[^,\n]*)?\.(py|[^/,\n]*so)\b', text, re.MULTILINE) is not None


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _top_level(one: Distribution) -> Iterator[tuple[str, Path]]:
    """Names and targets; of a folder that several distributions may share, the entries in it."""
    files = [file for file in one.files or () if file.parts[0] not in {"..", "__pycache__"} and file.suffix != ".pth"]
    whole = {file.parts[0] for file in files if len(file.parts) == 1 or file.parts[1:] == ("__init__.py",)}
    names: dict[str, None] = {}
    for file in files:
        folder = file.parts[0]
        own = folder in whole or folder.endswith((".dist-info", ".libs")) or len(file.parts) == 1
        names["/".join(file.parts[: 1 if own else 2])] = None
    for name in names:
        yield name, Path(str(one.locate_file(name))).absolute()
