"""The public names: every module says what it offers, once."""

from __future__ import annotations

import importlib
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
FOLDERS: Final = ("evaluators", "flows", "programs", "search")
# Its text becomes part of an exported file, where `prompt` and `tool` must be called what the program calls them.
STAND_INS: Final = frozenset(("graftwork.programs.standalone",))
ENTRY_POINT: Final = "main"


def _module_names() -> list[str]:
    """Every module of the package; `__init__` files count as their package, `__main__` offers nothing."""
    names = {"graftwork": ROOT / "graftwork"} | {f"graftwork.{name}": ROOT / name for name in FOLDERS}
    modules = [f"{package}.{file.stem}" for package, folder in names.items() for file in folder.glob("*.py") if file.stem[:2] != "__"]
    return sorted([*names, *modules])


def _order(name: str) -> tuple[int, str]:
    """The linter's order: constants, then classes, then functions, each by name."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _exported(name: str) -> tuple[ModuleType, list[str]]:
    module = importlib.import_module(name)
    own = [key for key in vars(module) if not key.startswith("__") and not isinstance(vars(module)[key], ModuleType)]
    names = getattr(module, "__all__", None if own else ())  # a package that is a docstring offers nothing
    assert names is not None, f"{name} has no __all__"
    return module, list(names)


@pytest.mark.parametrize("name", _module_names())
def test_a_module_lists_its_public_names_sorted_and_once_and_each_exists(name: str) -> None:
    module, names = _exported(name)
    assert len(set(names)) == len(names), f"{name}.__all__ names something twice"
    assert names == sorted(names, key=_order), f"{name}.__all__ is not sorted"
    assert [missing for missing in names if not hasattr(module, missing)] == []


def test_no_public_name_means_two_things() -> None:
    meanings: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for name in set(_module_names()) - STAND_INS:
        module, names = _exported(name)
        for public in set(names) - {ENTRY_POINT}:
            meanings[public].setdefault(id(getattr(module, public)), name)
    assert {public: sorted(places.values()) for public, places in meanings.items() if len(places) > 1} == {}
