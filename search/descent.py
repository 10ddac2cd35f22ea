"""Descent: what a candidate keeps of those that it comes from. Bounded, so that the millionth costs what the first did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from graftwork.programs.provenance import Parent, provenance, self_made

from .candidate import Ancestor, Candidate

__all__ = ["MAX_ANCESTORS", "descended", "nearest_common"]

MAX_ANCESTORS: Final = 16
"""Ancestors that a candidate keeps beside the seed. Parents on one island of a dozen members mostly met fewer generations ago."""


def descended(candidate: Candidate, parents: Sequence[Candidate]) -> Candidate:
    """The candidate with its provenance and its ancestors, which follow from its program and its parents alone."""
    known = {ancestor.number: ancestor for parent in parents for ancestor in (*parent.ancestors, _as_ancestor(parent))}
    numbers = sorted(known)
    kept = dict.fromkeys([*(number for number in numbers[:1] if number == 0), *numbers[-MAX_ANCESTORS:]])
    return replace(
        candidate,
        provenance=provenance(candidate.program, candidate.number, [_as_parent(parent) for parent in parents]),
        ancestors=tuple(known[number] for number in kept),
    )


def nearest_common(one: Candidate, other: Candidate) -> Ancestor | None:
    """The latest that both descend from and that is neither of them; None where none is remembered."""
    known = {ancestor.number: ancestor for ancestor in one.ancestors}
    common = known.keys() & {ancestor.number for ancestor in other.ancestors} - {one.number, other.number}
    return known[max(common)] if common else None


def _as_ancestor(candidate: Candidate) -> Ancestor:
    return Ancestor(number=candidate.number, program=candidate.program)


def _as_parent(candidate: Candidate) -> Parent:
    origins = candidate.provenance.origins
    if not origins:
        return self_made(candidate.program, candidate.number)
    return Parent(program=candidate.program, origins=dict(zip(candidate.program.names, origins, strict=True)))
