"""Seed vote: the seed asked several times, whose most frequent answer counts. The control that any evolved program must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graftwork.programs.errors import ProgramError
from graftwork.programs.program import Program
from graftwork.programs.voting import voted
from graftwork.programs.worst_case import worst_case_calls

from .candidate import Brief
from .operator import Draft, Facts

__all__ = ["SeedVote", "vote_sizes"]

_MOST_VOTES: Final = 1025


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedVote:
    """Brief k is answered with a vote of 2^k + 1 calls of its parent's entry: 3, 5, 9, …, as far as the task's limit of calls allows."""

    name: str = "seed_vote"
    n_parents: int = 1

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """The parent in a vote; None where that many calls are too many, or no vote can be put round its entry."""
        del attempt
        program, sizes = brief.parents[0].candidate.program, vote_sizes(brief.parents[0].candidate.program, facts)
        if brief.number > len(sizes):
            return None
        n = sizes[brief.number - 1]
        return Draft(program=voted(program, facts.entry, n, frozen=facts.frozen), note=f"{self.name}: a vote of {n} calls of {facts.entry}")

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether there is a number of calls left for the brief."""
        return brief.number <= len(vote_sizes(brief.parents[0].candidate.program, facts))


def vote_sizes(program: Program, facts: Facts) -> tuple[int, ...]:
    """The numbers of calls of a program's entry that a vote may have; none where it asks no model, is frozen, or takes no vote."""
    if facts.entry not in program or facts.entry in facts.frozen:
        return ()
    each = worst_case_calls(program, facts.entry)
    if each == 0:
        return ()
    try:
        voted(program, facts.entry, 3)
    except ProgramError:
        return ()
    most = min(_MOST_VOTES, facts.calls // (each or 1))
    return tuple(n for n in (2**k + 1 for k in range(1, 11)) if n <= most)
