"""Importing: what a template imports for its children, what they may read of it, and what is hidden from them. Standard library only."""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["OURS", "bare_readable_paths", "hide", "import_all", "package_folders", "readable_paths"]

OURS: Final = "graftwork"
"""The package that children see nothing of but what programs import."""
_DEVICES: Final = ("/dev/null", "/dev/urandom")
_PACKAGES_IN: Final = ("site-packages", "dist-packages")
_INSTALLERS: Final = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence", "README", "__pycache__")
# What programs import late: a child can no longer read the shared libraries that these need.
_PRELOADED: Final = (
    *("abc", "array", "ast", "base64", "bisect", "bz2", "calendar", "cmath", "collections.abc", "colorsys", "concurrent.futures"),
    *("contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools"),
    *("encodings.ascii", "encodings.idna", "encodings.latin_1", "graphlib", "hashlib", "heapq", "hmac", "html", "inspect", "io"),
    *("itertools", "json", "linecache", "locale", "lzma", "math", "numbers", "operator", "pprint", "queue", "random", "re", "secrets"),
    *("statistics", "string", "struct", "textwrap", "threading", "time", "traceback", "types", "typing", "unicodedata", "urllib.parse"),
    *("uuid", "warnings", "weakref", "xml.etree.ElementTree", "zlib", "zoneinfo"),
)
# What packages import of themselves, and of packages beside them that a child no longer finds, only when it is used.
_LATE_PARTS: Final = {
    "numpy": ("numpy.random",),
    # What its first client and first request import: 0.1 s of each child's. Of the transports one is there.
    "openai": ("openai.resources.chat.completions.completions", "httpcore", "httpcore2", "truststore"),
    "pydantic": ("pydantic.main", "pydantic.fields", "pydantic.types", "pydantic.type_adapter"),
}


def import_all(packages: Sequence[str]) -> str:
    """Import everything that children need; why that failed, or an empty string."""
    for name in (*_PRELOADED, *packages):
        try:
            importlib.import_module(name)
        except ImportError as error:
            if name in packages:
                return f"the package {name!r} cannot be imported: {error}"
    for package, parts in _LATE_PARTS.items():
        if package in packages or package in sys.modules:
            for part in parts:
                with suppress(ImportError):  # another version's
                    importlib.import_module(part)
    return ""


def hide(package: str) -> None:
    """Leave nothing of a package, nor of what is installed, to be imported by children; here, so that none of them has to."""
    sys.path[:] = [path for path in sys.path if not path.endswith(_PACKAGES_IN)]
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def readable_paths(packages: Sequence[str]) -> set[str]:
    """Files and directories that children may read: the standard library, and what importing the packages loaded, with its libraries."""
    paths = {*_DEVICES}
    for library in _libraries():
        paths |= _without_packages(library) if _has_packages(library) else {library}
    loaded = {name.partition(".")[0] for name in (*sys.modules, *packages)} - sys.stdlib_module_names - {OURS, "__main__"}
    for name in loaded:
        module = sys.modules.get(name)
        for place in (*getattr(module, "__path__", ()), getattr(module, "__file__", None)):
            if place and Path(place).name != "__init__.py":
                paths |= {place, f"{place}.libs"}
    return paths


def bare_readable_paths(path: str) -> set[str]:
    """Files and directories that children may read: the standard library without what is installed beneath it, and what `path` holds."""
    return {*_DEVICES, path, *(entry.path for entry in os.scandir(path))}.union(*map(_without_packages, _libraries()))


def _libraries() -> set[str]:
    return {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}


def _has_packages(library: str) -> bool:
    """Whether more than what installs packages is installed beneath a library: beneath that of an environment, everything is."""
    for folder in _PACKAGES_IN:
        with suppress(OSError), os.scandir(f"{library}/{folder}") as entries:
            if any(not entry.name.startswith(_INSTALLERS) for entry in entries):
                return True
    return False


def _without_packages(library: str) -> set[str]:
    """Each entry by itself, which costs a child half a millisecond."""
    return {entry.path for entry in os.scandir(library) if entry.name not in _PACKAGES_IN}


def package_folders() -> list[str]:
    """Folders of installed packages, as they stand in the path of imports."""
    return [path for path in sys.path if path.endswith(_PACKAGES_IN)]
