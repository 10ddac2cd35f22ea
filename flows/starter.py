"""Starter: the small task that `graftwork init` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graftwork.programs.errors import RunError

__all__ = ["write_starter"]

_PROGRAM: Final = '''"""Guess the price of a parcel from its weight and the distance it travels."""


def surcharge(weight: float, distance: float) -> float:
    """What comes on top of the base price."""
    return weight


def solve(weight: float, distance: float) -> float:
    """The price of a parcel."""
    return 4.0 + surcharge(weight, distance)
'''
_TASK: Final = '''"""A task: a program to begin with, examples, and a score. Change all three.

    graftwork run .
"""

import random

import graftwork as gw

rng = random.Random(0)
parcels = [(round(rng.uniform(0.1, 30), 2), round(rng.uniform(1, 800), 1)) for _ in range(80)]
examples = [({"weight": w, "distance": d}, 3.5 + 0.8 * w + 0.004 * w * d) for w, d in parcels]


def score(output: object, example: gw.Example) -> gw.Score:
    """Minus the absolute error, at most 100 per parcel."""
    if not isinstance(output, int | float):
        return gw.Score(value=None, invalid=f"expected a number, got {type(output).__name__}")
    error = min(abs(output - example.target), 100.0)
    return gw.Score(value=-error, feedback=f"expected {example.target:.2f}, got {output:.2f}")


task = gw.task(
    name="parcels",
    program="program.py",
    examples=examples,
    score=score,
    score_range=(-100.0, 0.0),
    unit="minus error",
    description="Guess the price of a parcel from its weight and the distance it travels.",
)
'''


def write_starter(folder: Path) -> tuple[Path, ...]:
    """Write `program.py` and `task.py` into a new or empty folder.

    Raises:
        RunError: If the folder holds something or cannot be written; nothing was written then.
    """
    files = {folder / "program.py": _PROGRAM, folder / "task.py": _TASK}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RunError(f"{folder} is not empty: `init` writes into a new folder only; choose another")
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}; choose another folder") from None
    return tuple(files)
