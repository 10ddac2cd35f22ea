"""Archive: keeps members by some rule and draws parents among them; and the simplest of them, that of the k best.

What an archive holds follows from the members that stand in it: another that is offered these, best first, is equal to it.
"""

from __future__ import annotations

import bisect
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Protocol

from .candidate import Member

__all__ = ["AddStatus", "Archive", "MemberOrder", "RankedArchive", "Ranking", "TopK", "rank", "sure_rank"]

MemberOrder = Callable[[Member], tuple[float, ...]]
"""What members are sorted by; the first is the best, and no two candidates are equal in it."""


class AddStatus(IntEnum):
    """What became of a member that was offered to an archive, in rising order."""

    REFUSED = 0
    KEPT = 1
    BEST = 2


class Archive(Protocol):
    """A bounded set of members, each candidate once. The best that it was offered stands in it until it is taken out."""

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads now, `KEPT` if it stands there, else `REFUSED`.

        Time and memory do not depend on how many were offered before.
        """
        ...

    def discard(self, number: int) -> bool:
        """Take a candidate out, as before it is offered again with more evidence; whether it was there."""
        ...

    def draw(self, rng: random.Random) -> Member:
        """A parent; the archive is not changed.

        Args:
            rng: What every choice is drawn from.
        """
        ...

    def __iter__(self) -> Iterator[Member]:
        """Members, best first."""
        ...

    def __len__(self) -> int:
        """How many members it holds."""
        ...


def rank(member: Member) -> tuple[float, ...]:
    """Order of members by their mean: higher score, then shorter text, then earlier number."""
    return (-member.score, len(member.candidate.program.source), member.candidate.number)


def sure_rank(member: Member) -> tuple[float, ...]:
    """Order of members by `Estimate.cautious`, then by the mean, then shorter text, then earlier number."""
    found = member.estimate
    return (-found.cautious, -found.mean, len(member.candidate.program.source), member.candidate.number)


class Ranking:
    """Members in an order, best first, each candidate once: what archives keep theirs in.

    Args:
        order: The order.
    """

    def __init__(self, order: MemberOrder) -> None:
        self.order = order
        self._members: list[Member] = []
        self._by_number: dict[int, Member] = {}

    def insert(self, member: Member) -> int:
        """Put a candidate that is not there in its place, and say which place that is, from 0."""
        place = bisect.bisect(self._members, self.order(member), key=self.order)
        self._members.insert(place, member)
        self._by_number[member.candidate.number] = member
        return place

    def remove(self, member: Member) -> None:
        """Take out a member that is there."""
        del self._members[bisect.bisect_left(self._members, self.order(member), key=self.order)]
        del self._by_number[member.candidate.number]

    def find(self, number: int) -> Member | None:
        """The member of that candidate; None where it is not there."""
        return self._by_number.get(number)

    def status(self, member: Member) -> AddStatus:
        """Where a member stands after it was offered."""
        if self._by_number.get(member.candidate.number) is not member:
            return AddStatus.REFUSED
        return AddStatus.BEST if self._members[0] is member else AddStatus.KEPT

    def __getitem__(self, place: int) -> Member:
        return self._members[place]

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranking) and (self.order, self._members) == (other.order, other._members)

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a list


class RankedArchive(ABC):
    """What archives have in common whose members stand in an order: all but whom they keep and whom they draw.

    Args:
        order: What is best.
        settings: What else tells it from another that holds the same members.
    """

    def __init__(self, order: MemberOrder, *settings: object) -> None:
        self._members, self._settings = Ranking(order), settings

    @abstractmethod
    def add(self, member: Member) -> AddStatus:
        """Offer a member, as `Archive` has it."""

    @abstractmethod
    def draw(self, rng: random.Random) -> Member:
        """A parent, as `Archive` has it."""

    def discard(self, number: int) -> bool:
        """Take a candidate out; whether it was there."""
        member = self._members.find(number)
        if member is not None:
            self._take_out(member)
        return member is not None

    def _take_out(self, member: Member) -> None:
        self._members.remove(member)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __eq__(self, other: object) -> bool:
        mine = (type(self), self._settings, self._members)
        return isinstance(other, RankedArchive) and mine == (type(other), other._settings, other._members)

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a list


class TopK(RankedArchive):
    """The k best members, best first; of members with equal values on every example only the first in order stays.

    Programs that score alike on every example mostly behave alike; keeping the shortest of them leaves room for others and holds
    growth back (the clusters of FunSearch, Romera-Paredes et al. 2024, with one program for each).

    A parent wins a tournament, in that order too.

    Args:
        size: k, at least 1.
        order: What is best: `rank` or `sure_rank`.
        tournament: How many members a parent is the best of, each drawn from all.
    """

    def __init__(self, size: int, order: MemberOrder = rank, *, tournament: int = 1) -> None:
        super().__init__(order, size, tournament)
        self._size, self._tournament = size, tournament

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads now, `KEPT` if it is among the k, else `REFUSED`."""
        members = self._members
        for twin in members:
            if twin.val.values == member.val.values:
                if members.order(twin) <= members.order(member):
                    return AddStatus.REFUSED
                members.remove(twin)
                break
        members.insert(member)
        if len(members) > self._size:
            members.remove(members[self._size])
        return members.status(member)

    def draw(self, rng: random.Random) -> Member:
        """The winner of a tournament."""
        return self._members[min(rng.randrange(len(self._members)) for _ in range(self._tournament))]
