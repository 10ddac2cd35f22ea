"""Objectives: what else a program is besides its score: dear, slow, long, and whatever its scorer measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["DIRECTIONS", "Direction", "Objectives"]

Direction = Literal["higher", "lower"]
DIRECTIONS: Final[Mapping[str, Direction]] = MappingProxyType({"score": "higher", "usd": "lower", "seconds": "lower", "n_chars": "lower"})
"""What is better of each objective. A scorer's metrics have no direction: their author knows what they mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """One evaluation by every objective.

    Attributes:
        score: Mean over the examples that count, in the task's unit; None where none does.
        usd: Mean price of a run at list price, hits in the cache included.
        seconds: Mean wall seconds of a run, waiting for models included. It depends on the machine and on what was cached: a search that
            chooses by it is not the same twice.
        n_chars: Length of the program's text.
        metrics: Means of the scorer's further metrics, each over the runs that have it.
    """

    score: float | None
    usd: float
    seconds: float
    n_chars: int
    metrics: Mapping[str, float] = field(default_factory=dict)
