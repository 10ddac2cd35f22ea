"""Guessing a number where too high costs more than too low: a small world that a policy acts in, step by step."""

from __future__ import annotations

import random
from typing import Any, Final, cast

import graftwork as gw

__all__ = ["TOO_HIGH", "TOO_LOW", "GuessNumber", "task"]

LARGEST: Final = 200
TOO_LOW: Final = -1.0
TOO_HIGH: Final = -4.0


class GuessNumber:
    """A number that is to be guessed. It runs in Graftwork's process, and the policy in a sandbox: it sees what it is told, no more.

    Args:
        example: Its target is the number.
    """

    def __init__(self, example: gw.Example) -> None:
        self._number, self._largest = cast("int", example.target), cast("int", example.inputs["largest"])

    def reset(self) -> str:
        """Begin an episode: the first observation."""
        return "begin"

    def step(self, action: Any) -> tuple[str, float, bool]:
        """Take a guess: the next observation, the reward, and whether the episode is over."""
        if type(action) is not int or not 1 <= action <= self._largest:
            raise ValueError(f"a guess is a whole number from 1 to {self._largest}, not {action!r}")
        if action == self._number:
            return "right", 0.0, True
        return ("too low", TOO_LOW, False) if action < self._number else ("too high", TOO_HIGH, False)


numbers = random.Random(0).sample(range(1, LARGEST + 1), k=LARGEST)
rows = [{"inputs": {"largest": LARGEST}, "target": number} for number in numbers]

task = gw.task(
    name="guess_number",
    description=(
        "A number is guessed step by step. A guess that is too low costs 1 point, one that is too high 4, the right one nothing: "
        "few points are to be lost. `guess` is given the bounds that are known and gives the next guess."
    ),
    program="program.py",
    examples={"train": rows[:4], "val": rows[4:28], "confirm": rows[28:92], "test": rows[92:]},
    environment=GuessNumber,
    score_range=(-100.0, 0.0),
    unit="points",
    frozen=("solve",),
    limits=gw.Limits(timeout_s=2.0, steps=40, calls=0),
)
