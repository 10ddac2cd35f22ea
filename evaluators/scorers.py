"""Ready-made scorers: plain functions from output and example to a score of 0 or 1 with feedback in words."""

from __future__ import annotations

import math

from graftwork.programs.wire import to_json

from .task import Example, Score, Scorer
from .tolerance import Tolerance
from .wording import as_number, folded, shown

__all__ = ["choice", "contains", "exact", "numeric"]


def exact(output: object, example: Example, /) -> Score:
    """1 where the output equals the target: the same JSON, but 2 and 2.0 are one number; 0 elsewhere."""
    target = to_json(example.target)
    if _same(output, target):
        return Score(value=1.0, feedback="right")
    hint = ""
    if isinstance(output, str) and isinstance(target, str) and folded(output) == folded(target):
        hint = "; only case or white space differ"
    elif type(output) is not type(target):
        hint = f"; expected a {type(target).__name__}, got a {type(output).__name__}"
    return Score(value=0.0, feedback=f"expected {shown(target)}, got {shown(output)}{hint}")


def numeric(tolerance: float = 1e-6, *, relative: float = 0.0) -> Scorer:
    """A scorer that gives 1 where the output is a number close enough to the target, else 0.

    Close enough is what is off by at most `tolerance`, or by at most `relative` times the target, whichever is more. The target may be
    text such as `1,200`; the output must be a number, finite and no boolean.

    Args:
        tolerance: Absolute, in the target's unit, at least 0.
        relative: As a share of the target, from 0 to below 1.

    Raises:
        TaskError: If one of them is not such a number.
    """
    within = Tolerance(absolute=tolerance, relative=relative)

    def score(output: object, example: Example, /) -> Score:
        target = float(str(example.target).replace(",", ""))
        if not math.isfinite(target):
            raise ValueError(f"the target {example.target!r} is not finite")
        number = as_number(output)
        if not math.isfinite(number):
            return Score(value=None, invalid=f"expected a finite number, got {shown(output)}")
        if within.holds(number, target):
            return Score(value=1.0, feedback="right")
        return Score(value=0.0, feedback=f"expected {target:g}, got {number:g}, off by {number - target:+g}")

    return score


def contains(output: object, example: Example, /) -> Score:
    """1 where the output is text that holds the target's text, whatever the case and white space; 0 elsewhere."""
    if not isinstance(output, str):
        return Score(value=None, invalid=f"expected text, got {shown(output)}")
    target = str(example.target)
    if folded(target) in folded(output):
        return Score(value=1.0, feedback="right")
    return Score(value=0.0, feedback=f"expected text that holds {shown(target)}, got {shown(output)}")


def choice(*options: str) -> Scorer:
    """A scorer that gives 1 where the output is the target, one of `options`, whatever the case and white space around it.

    Args:
        options: What an answer may be; output that is none of them is invalid.
    """
    known = {folded(option) for option in options}

    def score(output: object, example: Example, /) -> Score:
        target = folded(str(example.target))
        if target not in known:
            raise ValueError(f"the target {example.target!r} is none of the options {', '.join(options)}")
        if not isinstance(output, str) or folded(output) not in known:
            return Score(value=None, invalid=f"expected one of {', '.join(options)}, got {shown(output)}")
        if folded(output) == target:
            return Score(value=1.0, feedback="right")
        return Score(value=0.0, feedback=f"expected {shown(example.target)}, got {shown(output)}")

    return score


def _same(left: object, right: object) -> bool:
    """Whether two JSON values are equal; unlike `==`, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return left == right
