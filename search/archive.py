"""Archive: keeps members by some rule. This one keeps the k best, one for each score signature."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from enum import IntEnum
from typing import Protocol

from graftwork.evaluators.evaluation import Evaluation

from .candidate import Member

__all__ = ["AddStatus", "Archive", "TopK", "rank"]


class AddStatus(IntEnum):
    """What became of a member that was offered to an archive, in rising order."""

    REFUSED = 0
    KEPT = 1
    BEST = 2


class Archive(Protocol):
    """A bounded set of members."""

    def add(self, member: Member) -> AddStatus:
        """Offer a member. Time and memory do not depend on how many were offered before."""
        ...

    def renew(self, number: int, extension: Evaluation, brief: int) -> None:
        """Take in what the result of a brief tells of a member on further examples; nothing where there is no such member."""
        ...

    def __iter__(self) -> Iterator[Member]:
        """Members, best first."""
        ...

    def __len__(self) -> int:
        """How many members it holds."""
        ...


def rank(member: Member) -> tuple[float, int, int]:
    """Order of members: higher score, then shorter text, then earlier number."""
    return (-member.score, len(member.candidate.program.source), member.candidate.number)


class TopK:
    """The k best members, best first; of members with equal values on every example only the first in order stays.

    Programs that score alike on every example mostly behave alike; keeping the shortest of them leaves room for others and holds
    growth back (the clusters of FunSearch, Romera-Paredes et al. 2024, with one program for each).

    Args:
        size: k, at least 1.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._members: list[Member] = []

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads now, `KEPT` if it is among the k, else `REFUSED`."""
        for place, twin in enumerate(self._members):
            if twin.val.values == member.val.values:
                if rank(twin) <= rank(member):
                    return AddStatus.REFUSED
                del self._members[place]
                break
        place = bisect.bisect(self._members, rank(member), key=rank)
        if place >= self._size:
            return AddStatus.REFUSED
        self._members.insert(place, member)
        del self._members[self._size :]
        return AddStatus.BEST if place == 0 else AddStatus.KEPT

    def renew(self, number: int, extension: Evaluation, brief: int) -> None:
        """Put the member where it belongs now."""
        for place, member in enumerate(self._members):
            if member.candidate.number == number:
                del self._members[place]
                bisect.insort(self._members, member.with_more(extension, brief), key=rank)
                return

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopK) and (self._size, self._members) == (other._size, other._members)

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a list
