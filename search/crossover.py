"""Crossover: operators without a model that cross the structures of two programs.

`merge` joins what two candidates changed since their nearest common ancestor. `transplant` puts a component of one, with all that it
needs, at a call of the other whose signature it fits. Beside them `swap_component` mixes namesakes: there a name means what it means
in the first parent, here a component keeps what it meant. Both are pure: every choice comes from the brief's seed and the attempt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

from graftwork.programs.errors import ProgramError
from graftwork.programs.merge import Merge, merge
from graftwork.programs.transplant import Graft, Transplant, grafts, transplant

from .candidate import Brief
from .descent import nearest_common
from .operator import Draft, Facts
from .showing import clipped

__all__ = ["MergeParents", "TransplantComponent"]

_DRAWS: Final = 12
_NOTE_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeParents:
    """A crossover: both parents' changes since their nearest common ancestor."""

    name: str = "merge"
    n_parents: int = 2

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether the parents have a common ancestor and a merge that is neither of them."""
        return self.write(brief, facts, attempt=0) is not None

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """The merge of two candidates, one of them preferred by turns; None where neither way gives anything new."""
        one, other = (member.candidate for member in brief.parents[:2])
        base = nearest_common(one, other)
        if base is None:
            return None
        for turn in range(2):
            prefer: Literal["a", "b"] = "a" if (brief.seed + attempt + turn) % 2 == 0 else "b"
            try:
                outcome = merge(one.program, other.program, base.program, entry=facts.entry, prefer=prefer)
            except ProgramError:
                continue
            if outcome.program.digest not in (one.program.digest, other.program.digest, base.program.digest):
                return Draft(program=outcome.program, note=_merge_note(outcome, one.number, other.number, base.number))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransplantComponent:
    """A crossover: a component of the second parent, with all that it needs, at a call of the first."""

    name: str = "transplant"
    n_parents: int = 2

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether there is a call that a component of the other parent fits, and something new comes of it."""
        return self.write(brief, facts, attempt=0) is not None

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """The first parent with a component of the second; None where none of a dozen draws gives anything new."""
        rng = random.Random(f"{brief.seed}/{attempt}")
        one, other = (member.candidate for member in brief.parents[:2])
        fitting = list(grafts(one.program, other.program, entry=facts.entry, frozen=facts.frozen))
        rng.shuffle(fitting)
        for graft in fitting[:_DRAWS]:
            try:
                outcome = transplant(one.program, other.program, graft, entry=facts.entry, frozen=facts.frozen)
            except ProgramError:
                continue
            if outcome.program.digest not in (one.program.digest, other.program.digest):
                return Draft(program=outcome.program, note=_transplant_note(outcome, graft, other.number))
        return None


def _merge_note(outcome: Merge, one: int, other: int, base: int) -> str:
    numbers = {"a": f"of {one}", "b": f"of {other}", "both": "of both"}
    parts = [f"{name} {numbers[side]}" for name, side in outcome.sides.items() if side in numbers]
    return clipped(f"merge of {one} and {other} on {base}: {', '.join(parts) or 'what both removed'}", _NOTE_CHARS)


def _transplant_note(outcome: Transplant, graft: Graft, donor: int) -> str:
    new_names = [
        f"{old} is {new}" + (" to the model too" if outcome.program[new].kind in ("prompt", "tool") else "")
        for old, new in outcome.names.items()
        if old != new
    ]
    said = f"transplant: {graft.donor} of {donor} for {graft.callee} in {graft.caller}"
    return clipped("; ".join([said, *new_names]), _NOTE_CHARS)
