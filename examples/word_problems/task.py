"""Word problems: short arithmetic problems in words, scored by the share of numbers that are right."""

from __future__ import annotations

import math
import sys
from itertools import islice
from typing import Final, cast

import graftwork as gw

__all__ = ["score", "task"]

# Every problem has a template of its own, so that no split shows another's templates.
SIZES: Final = {"train": 12, "val": 12, "confirm": 12, "test": 24}
TOLERANCE: Final = 1e-6


def score(output: object, example: gw.Example) -> gw.Score:
    """1 for the right number, within a millionth of it or of one, 0 for another; what is no finite number is invalid."""
    right = cast("float", example.target)
    # A boolean is an int to `isinstance`, and some integers are beyond every float.
    if type(output) not in (int, float) or not abs(cast("float", output)) <= sys.float_info.max:
        return gw.Score(value=None, invalid=f"expected a finite number, got {repr(output)[:80]}")
    number = cast("float", output)
    if math.isclose(number, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return gw.Score(value=1.0, feedback="right")
    return gw.Score(value=0.0, feedback=f"wrong: {number:g} instead of {right:g}{_slip(number, right)}")


def _slip(number: float, right: float) -> str:
    """What kind of slip would explain the number; empty where none does."""
    if math.isclose(number, -right, rel_tol=TOLERANCE):
        return "; the sign is wrong"
    for factor in (100, 12, 7, 2):
        if math.isclose(number, right * factor, rel_tol=TOLERANCE) or math.isclose(number * factor, right, rel_tol=TOLERANCE):
            return f"; a factor of {factor} is wrong"
    return ""


problems = iter(gw.read_examples("problems.jsonl", inputs="question", target="answer"))
task = gw.task(
    name="word_problems",
    description="Answer a short arithmetic word problem with a number. The prompts are done by a small model that calculates badly.",
    program="program.py",
    examples={split: list(islice(problems, size)) for split, size in SIZES.items()},
    score=score,
    score_range=(0.0, 1.0),
    unit="share right",
    entry="solve",
    limits=gw.Limits(timeout_s=5.0, memory_mb=256, calls=8, max_tokens=96),
)
