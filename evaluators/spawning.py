"""Spawning: children that are exec'ed, each by itself, where a fork would be wrong: packages that start threads when imported, and GPUs.

The template imports the packages once, to learn what they need, and executes itself anew without them. A child locks itself in before it
imports them: a thread that is there already stays outside the walls. Standard library only.
"""

from __future__ import annotations

import json
import math
import os
import resource
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn, TypedDict

from .child import Confinement, profile_of, serve
from .importing import OURS, hide, import_all, package_folders
from .lockdown import SystemCalls, address_space_mb, open_readable, prepare_listings, prepare_rules
from .places import ReadyPlace

__all__ = ["Needs", "Spawner", "execute_again", "has_threads", "main", "resident_kb"]

_DRIVERS_MB: Final = 512  # what a GPU's driver takes of the machine's own memory when a program first uses it
_SPARE_MB: Final = 64  # what threads and import itself take, one time more and one time less
# What libraries look at when they are loaded, and ask of the machine.
_OF_THE_SYSTEM: Final = ("/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
# Besides, for a GPU's driver; which calls it makes is not known for every version.
_OF_DRIVERS: Final = (
    *("/proc/devices", "/proc/driver/nvidia", "/proc/modules", "/proc/sys/vm/mmap_min_addr", "/sys/bus/pci", "/sys/devices"),
    *("/proc/self/maps", "/proc/self/status", "/sys/module/nvidia"),
    *("/lib/x86_64-linux-gnu", "/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/cuda", "/usr/local/nvidia"),
)
_BOOT: Final = """import sys
sys.path.append(sys.argv[1])
from graftwork.evaluators.spawning import main
sys.path.remove(sys.argv[1])
main(sys.argv[2])
"""


class Needs(TypedDict):
    """What importing the packages took: `readable` paths, `listed` folders, `address_space_mb`, `rss_kb` and `cpu_s`."""

    readable: list[str]
    listed: list[str]
    address_space_mb: float
    rss_kb: int
    cpu_s: int


def has_threads() -> bool:
    """Whether this process has more than one thread."""
    return len(os.listdir("/proc/self/task")) > 1  # noqa: PTH208 - plain names


def resident_kb() -> int:
    """The most memory that this process had in use, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def execute_again(control: socket.socket, settings: Mapping[str, Any], readable: Iterable[str]) -> NoReturn:
    """Put a template without the packages in the place of this one, which imported them.

    Args:
        control: Socket to the worker, which stays.
        settings: Of this template.
        readable: Paths that children may read.
    """
    libraries = (f"{folder}/nvidia" for folder in package_folders())  # those of CUDA, loaded when they are first used
    also = (*_OF_THE_SYSTEM, *((*_OF_DRIVERS, *libraries) if settings["devices"] else ()))
    needs: Needs = {
        "readable": sorted({*readable, *_mapped_files(), *also, *_metadata()}),
        "listed": package_folders(),
        "address_space_mb": address_space_mb() + _SPARE_MB,
        "rss_kb": resident_kb(),
        "cpu_s": math.ceil(2 * time.process_time()),
    }
    os.set_inheritable(control.fileno(), True)
    os.execv(sys.executable, [*sys.orig_argv[:-1], json.dumps({**settings, "needs": needs})])  # noqa: S606 - our own command, once more


class Spawner:
    """Executes children of a template.

    Args:
        settings: Of the template.
        confinement: What children are confined to, but for what they may read.
        needs: What importing took.
    """

    def __init__(self, settings: Mapping[str, Any], confinement: Confinement, needs: Needs) -> None:
        own = {"packages": settings["packages"], "path": settings.get("path"), "devices": settings["devices"]}
        walls = {"locked": settings["locked"], "processes": confinement.processes, "asking": settings.get("asking", False)}
        self._order = {**own, **walls, "needs": needs, "template": os.getpid()}
        before = sys.orig_argv[: sys.orig_argv.index("-c")]
        self._command = [sys.executable, *before[1:], "-c", _BOOT, sys.orig_argv[-3]]

    def most_resident_kb(self, limits: Mapping[str, int]) -> int | None:
        """What memory a child may have in use, in KiB, where the kernel does not bound it; else None.

        With a GPU nothing bounds address space: its driver reserves more than there is.
        """
        if not self._order["devices"]:
            return None
        needs: Needs = self._order["needs"]
        return needs["rss_kb"] + (limits["memory_mb"] + _DRIVERS_MB) * 1024

    def spawn(self, descriptors: Sequence[int], *, place: ReadyPlace, limits: Mapping[str, int]) -> int:
        """The process of a new child.

        Args:
            descriptors: Its socket, and maybe a door.
            place: As for `child.serve`.
            limits: Likewise.

        Raises:
            OSError: If there can be none.
        """
        order = {**self._order, "descriptors": list(descriptors), "place": asdict(place), "limits": limits}
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        return os.posix_spawn(sys.executable, [*self._command, json.dumps(order)], os.environ)


def main(text: str) -> NoReturn:
    """Be such a child.

    Args:
        text: The order, as JSON.
    """
    order: dict[str, Any] = json.loads(text)
    needs: Needs = order["needs"]
    bare = order["path"] is not None

    def imports() -> None:
        if bare:
            sys.path.append(order["path"])
        if failed := import_all(order["packages"]):
            raise ImportError(f"behind the walls {failed}")
        hide(OURS if bare else f"{OURS}.evaluators")

    rules = prepare_rules(open_readable(needs["readable"])) + prepare_listings(open_readable(needs["listed"]))
    confinement = Confinement(
        calls=SystemCalls(profile_of(asking=order["asking"], devices=order["devices"])) if order["locked"] else None,
        readable=rules,
        processes=order["processes"],
        base_mb=needs["address_space_mb"],
        bare=bare,
        devices=order["devices"],
        imports=imports,
        imports_cpu_s=needs["cpu_s"],
    )
    serve(
        *order["descriptors"],
        confinement=confinement,
        place=ReadyPlace(**order["place"]),
        limits=order["limits"],
        template=order["template"],
    )


def _mapped_files() -> set[str]:
    """Files that this process has mapped: shared libraries, most of all."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    return {path for line in lines if (path := line.partition("/")[1] + line.partition("/")[2]) and Path(path).is_file()}


def _metadata() -> set[str]:
    """What is told of installed packages, which some read to learn their own version; nothing is told of us."""
    found = (entry for folder in package_folders() for entry in Path(folder).glob("*.dist-info"))
    return {str(entry) for entry in found if not entry.name.startswith(OURS)}
