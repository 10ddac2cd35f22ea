"""Metrics: what a foreign evaluator returns, as one number. Standard library only: the sandboxed process imports it, too."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COMBINED", "combined_score", "numbers"]

COMBINED = "combined_score"
_ERROR = "error"


def combined_score(metrics: Mapping[str, object]) -> float | None:
    """`combined_score` where it is a number, else the mean of the numbers among the metrics; None where there is none.

    A bool is no number, and `error` no metric. Not finite where one of those numbers is not.
    """
    found = numbers(metrics)
    if COMBINED in found:
        return found[COMBINED]
    return sum(found.values()) / len(found) if found else None


def numbers(metrics: Mapping[str, object]) -> dict[str, float]:
    """The metrics that are numbers, as floats."""
    found = {}
    for name, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and name != _ERROR:
            try:
                found[name] = float(value)
            except OverflowError:
                found[name] = float("inf")
    return found
