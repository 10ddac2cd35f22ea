"""Ready-made scorers: plain functions from output and example to a score of 0 or 1 with feedback in words."""

from __future__ import annotations

import json
import math

from graftwork.programs.wire import to_json

from .task import Example, Score, Scorer

__all__ = ["choice", "contains", "exact", "numeric"]


def exact(output: object, example: Example, /) -> Score:
    """1 where the output equals the target: the same JSON, but 2 and 2.0 are one number; 0 elsewhere."""
    target = to_json(example.target)
    if _same(output, target):
        return Score(value=1.0, feedback="right")
    hint = ""
    if isinstance(output, str) and isinstance(target, str) and _folded(output) == _folded(target):
        hint = "; only case or white space differ"
    elif type(output) is not type(target):
        hint = f"; expected a {type(target).__name__}, got a {type(output).__name__}"
    return Score(value=0.0, feedback=f"expected {_shown(target)}, got {_shown(output)}{hint}")


def numeric(tolerance: float = 1e-6) -> Scorer:
    """A scorer that gives 1 where the output is a number at most `tolerance` away from the target.

    Args:
        tolerance: Absolute, in the target's unit, at least 0.
    """

    def score(output: object, example: Example, /) -> Score:
        target = float(str(example.target).replace(",", ""))
        number = _number(output)
        if not math.isfinite(number):
            return Score(value=None, invalid=f"expected a finite number, got {_shown(output)}")
        if abs(number - target) <= tolerance:
            return Score(value=1.0, feedback="right")
        return Score(value=0.0, feedback=f"expected {target:g}, got {number:g}, off by {number - target:+g}")

    return score


def contains(output: object, example: Example, /) -> Score:
    """1 where the output is text that holds the target's text, whatever the case and white space; 0 elsewhere."""
    if not isinstance(output, str):
        return Score(value=None, invalid=f"expected text, got {_shown(output)}")
    target = str(example.target)
    if _folded(target) in _folded(output):
        return Score(value=1.0, feedback="right")
    return Score(value=0.0, feedback=f"expected text that holds {_shown(target)}, got {_shown(output)}")


def choice(*options: str) -> Scorer:
    """A scorer that gives 1 where the output is the target, one of `options`, whatever the case and white space around it.

    Args:
        options: What an answer may be; output that is none of them is invalid.
    """
    known = {_folded(option) for option in options}

    def score(output: object, example: Example, /) -> Score:
        target = _folded(str(example.target))
        if target not in known:
            raise ValueError(f"the target {example.target!r} is none of the options {', '.join(options)}")
        if not isinstance(output, str) or _folded(output) not in known:
            return Score(value=None, invalid=f"expected one of {', '.join(options)}, got {_shown(output)}")
        if _folded(output) == target:
            return Score(value=1.0, feedback="right")
        return Score(value=0.0, feedback=f"expected {_shown(example.target)}, got {_shown(output)}")

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


def _number(value: object) -> float:
    """A JSON number as a float; infinite where it is too large for one, not a number where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):
        # Nested too deeply, or an integer of more digits than are ever printed.
        return f"a {type(value).__name__} that cannot be shown"
    # A program may put half a surrogate pair into its text, and no file or endpoint takes that.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 200 else f"{text[:200]}…"
