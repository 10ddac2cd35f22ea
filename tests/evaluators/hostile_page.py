"""The page of hostile programs, made of what the tests run. `python -m tests.evaluators.hostile_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .attack import ENOSYS, EPERM, Attack
from .attacks import AREAS
from .users import BECOMING

__all__ = ["PAGE", "page"]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "hostile-programs.md"
_INTRODUCTION: Final = """\
# Hostile programs

Programs are code that nobody has read. {n} hostile ones are part of the tests (`tests/evaluators/attacks_on_*.py`): each is a program that
tries one thing, against a driver with a key in its environment, a secret file that all may read, and sockets that listen. None succeeds.
They run as whoever runs the tests (for root, the children are an ordinary user's where that user can read Python, else root's without any
capability), and again as {users}
(`tests/evaluators/test_hostile_users.py`). This page is written by `python -m tests.evaluators.hostile_page`, and a test holds it to what
is run.

A second table of attacks, by evaluators in the OpenEvolve layout, which may start processes, is `tests/evaluators/test_foreign_hostile.py`.

## What is not stopped

- Landlock restricts what is opened, not what is looked at: a program can learn whether a path exists, its size, owner and times, and how
  full a disk is.
- What all programs read (the standard library, packages) is in one page cache, and its times of access are kept by some file systems: two
  programs that wish to could pass a few bits to each other, as they could by how busy the machine is.
- Between two looks (0.25 s and 0.5 s) a program can make more threads, files or bytes than it may, and with a GPU take more memory; then it
  is killed, and they are removed.
- The kernel is the wall: a hole in it is a hole here. Where that is not enough, run the pool's workers in virtual machines.
- A program of a task with GPUs may ask their driver what it likes, and name a local socket, though nothing comes through one; what it
  takes of a GPU's own memory is not bounded. `tests/evaluators/test_gpu.py` tries the walls beside the driver; it passed on one H100
  (driver 580.159).

"""


def page() -> str:
    """The page's text."""
    users = " and as ".join(BECOMING)
    lines = [_INTRODUCTION.format(n=sum(map(len, AREAS.values())), users=users)]
    for area, attacks in AREAS.items():
        lines.append(f"## {area.capitalize()}\n\n| it tries | stopped by | how it ends |\n|---|---|---|\n")
        lines += _rows(attacks)
        lines.append("\n")
    return "".join(lines).rstrip() + "\n"


def _rows(attacks: Mapping[str, Attack]) -> Iterator[str]:
    for name, attack in attacks.items():
        yield f"| {name} | {attack.stopped_by} | {_end(attack)} |\n"


def _end(attack: Attack) -> str:
    if attack.scorer_says:
        return f"invalid when it is scored: {attack.scorer_says}"
    if attack.kind == "success":
        return f"gets `{_shown(attack.output)}`"
    return f"{attack.kind}: {attack.message}" if attack.message else attack.kind


def _shown(output: object) -> str:
    return repr(output).replace(repr(EPERM), "EPERM").replace(repr(ENOSYS), "ENOSYS")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
