"""Processes: who is whose child, and how much a tree of them takes. Standard library only: processes beside the sandbox import it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "children_of", "resident_of", "tasks_of_user", "threads_of", "tree_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process as /proc tells of it.

    Attributes:
        pid: Its id.
        parent: Its parent's.
        resident_kb: Memory that it has in use, in KiB.
    """

    pid: int
    parent: int
    resident_kb: int


def tree_of(root: int) -> tuple[Process, ...]:
    """The descendants of a process, itself left out, parents before children."""
    by_parent: dict[int, list[Process]] = {}
    for process in _all():
        by_parent.setdefault(process.parent, []).append(process)
    found = list(by_parent.get(root, ()))
    for process in found:  # it grows while it is read
        found += by_parent.get(process.pid, ())
    return tuple(found)


def children_of(parent: int) -> set[int]:
    """Ids of the children of a process. Where one of them ends meanwhile, another may be missing."""
    found = set[int]()
    try:
        for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208 - asked after every child of a template without walls
            with open(f"/proc/{parent}/task/{task}/children", "rb") as file:  # noqa: PTH123 - likewise
                found.update(map(int, file.read().split()))
    except OSError:  # a kernel that does not tell, or a thread that is gone
        return {process.pid for process in _all() if process.parent == parent}
    return found


def threads_of(pid: int) -> int:
    """Threads of a process; 0 if it is gone."""
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2  # noqa: PTH116 - asked for every child, four times a second
    except OSError:
        return 0


def resident_of(pid: int) -> int:
    """Memory that a process has in use, in KiB; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * resource.getpagesize() // 1024
    except OSError:
        return 0


def tasks_of_user() -> int | None:
    """Threads of all processes of this user; None for root, whom no limit of them holds."""
    if os.getuid() == 0:
        return None
    tasks = 0
    for process in _folders():
        try:
            tasks += len(list((process / "task").iterdir())) if process.stat().st_uid == os.getuid() else 0
        except OSError:
            continue
    return tasks


def _all() -> Iterator[Process]:
    kb = os.sysconf("SC_PAGE_SIZE") // 1024
    for folder in _folders():
        try:
            # The name before it, in parentheses, may hold anything.
            state = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        yield Process(pid=int(folder.name), parent=int(state[1]), resident_kb=int(state[21]) * kb)


def _folders() -> Iterable[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
