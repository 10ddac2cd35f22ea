"""Stops: why a search asks for no more briefs. One method each, put together with `AnyOf`.

Some follow from the state alone (`Target`, `Patience`): a replay works them out again and must find the same. The others (the clock,
a file, a signal) are facts of the day, which a replay obeys because the record has no brief after them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from .state import State

__all__ = ["AnyOf", "Candidates", "Due", "FileAppears", "Patience", "Seconds", "Signalled", "StopRule", "Target", "same_rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """That a search is to end.

    Attributes:
        reason: Why, in one word: `candidates`, `target`, `patience`, `seconds`, `file` or `interrupted`.
        level: What was asked of the state, where the reason follows from it alone; else None.
    """

    reason: str
    level: float | None = None


class StopRule(Protocol):
    """A reason to ask for no more briefs. Work in flight is told first."""

    def due(self, state: State, number: int) -> Due | None:
        """Whether the search is to end before the brief of that number is asked.

        Args:
            state: Where the search stands.
            number: Of the brief that would be asked next.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """The first of some rules, in their order, that is due."""

    rules: tuple[StopRule, ...]

    def due(self, state: State, number: int) -> Due | None:
        """What the first rule says that says anything."""
        return next((due for rule in self.rules if (due := rule.due(state, number)) is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """So many briefs were asked, the seed not counted."""

    most: int

    def due(self, state: State, number: int) -> Due | None:
        """`candidates`, before brief `most + 1`."""
        del state
        return Due(reason="candidates") if number > self.most else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The best score so far, in the task's unit, is good enough."""

    score: float

    def due(self, state: State, number: int) -> Due | None:
        """`target`, once a leading candidate's estimate on val reaches the score."""
        del number
        return Due(reason="target", level=self.score) if state.best is not None and state.best >= self.score else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """So many candidates were told since the best score last rose."""

    candidates: float

    def due(self, state: State, number: int) -> Due | None:
        """`patience`, once nothing got better for so long."""
        del number
        return Due(reason="patience", level=self.candidates) if state.told - state.improved >= self.candidates else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """The clock has reached a time."""

    ends_at: float
    clock: Callable[[], float]

    def due(self, state: State, number: int) -> Due | None:
        """`seconds`, from that time on."""
        del state, number
        return Due(reason="seconds") if self.clock() >= self.ends_at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAppears:
    """There is a file, whatever is in it."""

    path: Path

    def due(self, state: State, number: int) -> Due | None:
        """`file`, while it is there."""
        del state, number
        return Due(reason="file") if self.path.exists() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalled:
    """Somebody asked for the end: Ctrl-C, SIGTERM, a scheduler."""

    event: threading.Event

    def due(self, state: State, number: int) -> Due | None:
        """`interrupted`, once the event is set."""
        del state, number
        return Due(reason="interrupted") if self.event.is_set() else None


_OF_THE_STATE: Final[Mapping[str, Callable[[float], StopRule]]] = {
    "target": lambda level: Target(score=level),
    "patience": lambda level: Patience(candidates=level),
}


def same_rule(due: Due) -> StopRule | None:
    """The rule that said so, to be asked again of another state; None where it does not follow from the state alone."""
    make = _OF_THE_STATE.get(due.reason)
    return None if make is None or due.level is None else make(due.level)
