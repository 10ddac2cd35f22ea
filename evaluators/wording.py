"""Wording: how scorers read what a program gave and show it in feedback. What they read is hostile."""

from __future__ import annotations

import json
import math

__all__ = ["as_number", "folded", "shown"]


def as_number(value: object) -> float:
    """A JSON number as a float; infinite where it is too large for one, not a number where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def folded(text: str) -> str:
    """Text without differences of case and white space."""
    return " ".join(text.casefold().split())


def shown(value: object) -> str:
    """A JSON value as text that every file and endpoint takes, at most about 200 characters of it."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, TypeError, ValueError):
        # Nested too deeply, no JSON, or an integer of more digits than are ever printed.
        return f"a {type(value).__name__} that cannot be shown"
    # A program may put half a surrogate pair into its text, and no file or endpoint takes that.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 200 else f"{text[:200]}…"
