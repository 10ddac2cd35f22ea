"""Restructuring: the moves of `programs` as operators without a model."""

from __future__ import annotations

import random
from dataclasses import dataclass

from graftwork.programs.errors import ProgramError
from graftwork.programs.moves import Context, Move, Place, moved

from .candidate import Brief
from .operator import Draft, Facts

__all__ = ["Restructure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restructure:
    """A variation that changes the structure of its parent by one move.

    Attributes:
        move: What it does.
        n_parents: One.
    """

    move: Move
    n_parents: int = 1

    @property
    def name(self) -> str:
        """The move's name."""
        return self.move.name

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether the parent has a place for the move."""
        return bool(self._places(brief, facts))

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """The parent after the move, at one of its places; None where it has none."""
        program, places = brief.parents[0].candidate.program, self._places(brief, facts)
        if not places:
            return None
        place = random.Random(f"{brief.seed}/{attempt}").choice(places)
        try:
            outcome = moved(self.move, program, place, _context(facts))
        except ProgramError:  # a text so unusual that what was spliced into it is no program
            return None
        if outcome.program.digest == program.digest:
            return None
        return Draft(program=outcome.program, note=f"{self.name}: {outcome.note}")

    def _places(self, brief: Brief, facts: Facts) -> tuple[Place, ...]:
        return self.move.places(brief.parents[0].candidate.program, _context(facts))


def _context(facts: Facts) -> Context:
    return Context(entry=facts.entry, frozen=facts.frozen, models=facts.models)
