"""Fronts: members that nobody betters in everything, over examples or over objectives.

Over examples it is GEPA's (Agrawal et al. 2025, arXiv 2507.19457): a member stands there for the examples on which nobody scores higher,
one that leads only where another leads as well is left out, and parents are drawn in proportion to how many examples they lead. Unlike
there the front is bounded, an example that a member has not been scored on is not led by it, and the best of all stands there always.

Over objectives it is bounded by crowding distance, and a parent is the less crowded of two (NSGA-II, Deb et al. 2002), all members being of
its first front.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Iterable
from typing import Final

from graftwork.evaluators.objectives import DIRECTIONS

from .archive import AddStatus, MemberOrder, RankedArchive, sure_rank
from .candidate import Member

__all__ = ["OBJECTIVES", "ExampleFront", "ObjectiveFront"]

OBJECTIVES: Final = frozenset(DIRECTIONS)
"""What a member may be better in: `score`, `usd` and `seconds` of a run, `n_chars` of its text."""


class ExampleFront(RankedArchive):
    """Those that lead on some example.

    Args:
        size: Members, at least 1; beyond it, the one that leads the fewest examples goes, of equals the last in order.
        order: What is best.
    """

    def __init__(self, size: int, order: MemberOrder = sure_rank) -> None:
        super().__init__(order, size)
        self._size = size
        self._led: dict[int, int] = {}
        """By candidate, the examples that it leads, as the bits of a number."""
        self._best: list[float] = []
        """By example, the highest value of a member."""

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads by its mean now, `KEPT` if it stands there for some example, else `REFUSED`."""
        if self._members.find(member.candidate.number) is not None:
            return AddStatus.REFUSED
        self._members.insert(member)
        self._lead(member)
        self._prune()
        if len(self._members) > self._size:
            self._remove(min(tuple(self._members)[:0:-1], key=lambda one: self._led[one.candidate.number].bit_count()))
            self._prune()
        return self._members.status(member)

    def _take_out(self, member: Member) -> None:
        self._remove(member)
        self._prune()

    def draw(self, rng: random.Random) -> Member:
        """A member, as often as it leads examples; the best as if it led one, where it leads none."""
        members = tuple(self._members)
        return rng.choices(members, weights=[max(1, self._led[member.candidate.number].bit_count()) for member in members])[0]

    def _lead(self, member: Member) -> None:
        """Take note of the examples that a new member leads, and of who leads them no more."""
        values, best = member.val.values, self._best
        best += [-math.inf] * (len(values) - len(best))
        led = taken = 0
        for place, value in enumerate(values):
            if value is not None and value >= best[place]:
                led |= 1 << place
                if value > best[place]:
                    taken |= 1 << place
                    best[place] = value
        for number in self._led:
            self._led[number] &= ~taken
        self._led[member.candidate.number] = led

    def _prune(self) -> None:
        """Take out all that are needless, the last in order first."""
        for member in reversed(tuple(self._members)):
            if self._is_needless(member):
                self._remove(member)

    def _is_needless(self, member: Member) -> bool:
        """Whether it is not the best, and another leads wherever it leads; of two that lead the same, the latter in order is."""
        if member is self._members[0]:
            return False
        led, number = self._led[member.candidate.number], member.candidate.number
        return any(not led & ~other for of, other in self._led.items() if of != number)

    def _remove(self, member: Member) -> None:
        """Take a member out, and find who leads the examples that it alone led."""
        self._members.remove(member)
        led = self._led.pop(member.candidate.number)
        for other in self._led.values():
            led &= ~other
        for place in _bits(led):
            self._find_leaders(place)

    def _find_leaders(self, place: int) -> None:
        scored = [(one.val.values[place], one.candidate.number) for one in self._members if place < len(one.val.values)]
        best = max((value for value, _ in scored if value is not None), default=-math.inf)
        self._best[place] = best
        for value, number in scored:
            if value == best:
                self._led[number] |= 1 << place


class ObjectiveFront(RankedArchive):
    """Those that no other is at least as good as in every objective, and the best by the score.

    The score counts as `Estimate.cautious` has it. A program with the lowest score of all, such as one that always fails, is
    bettered by any that scores, however dear or long: else the shortest failure would stand there for ever. `seconds` are facts of the
    day: they are recorded, so a run goes on and is repeated as it was, but two runs that choose by them are not the same.

    Args:
        size: Members, at least 1; beyond it, the most crowded goes, of equals the last in order.
        objectives: Which, of `OBJECTIVES`.
        order: What is best.
    """

    def __init__(self, size: int, objectives: tuple[str, ...], order: MemberOrder = sure_rank) -> None:
        super().__init__(order, size, objectives)
        self._size, self._objectives = size, objectives
        self._worth: dict[int, tuple[float, ...]] = {}
        """By candidate, what it is worth in each objective; higher is better."""
        self._room: dict[int, float] = {}
        """By candidate, how far its neighbours are."""

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads now, `KEPT` if it stands there, else `REFUSED`."""
        number = member.candidate.number
        if number in self._worth:
            return AddStatus.REFUSED
        place = self._members.insert(member)
        self._worth[number] = self._worth_of(member)
        if place and any(self._betters(other, member) for other in self._members if other is not member):
            self._remove(member)
            return AddStatus.REFUSED
        needless = [one for one in tuple(self._members)[1:] if one is not member and self._betters(member, one)]
        if not place and len(self._members) > 1:  # who led until now has to stand by itself
            led = self._members[1]
            needless += [led] if led not in needless and any(self._betters(one, led) for one in self._members if one is not led) else []
        for one in needless:
            self._remove(one)
        self._thin_out()
        return self._members.status(member)

    def _take_out(self, member: Member) -> None:
        self._remove(member)
        self._thin_out()

    def draw(self, rng: random.Random) -> Member:
        """The less crowded of two, each drawn from all; of equals the first in order."""
        one, other = (self._members[place] for place in sorted(rng.randrange(len(self._members)) for _ in range(2)))
        return other if self._room[other.candidate.number] > self._room[one.candidate.number] else one

    def _worth_of(self, member: Member) -> tuple[float, ...]:
        if member.score <= member.val.lo:
            return (-math.inf,) * len(self._objectives)
        measured = member.val.objectives
        found = {
            "score": member.estimate.cautious,
            "usd": -measured.usd,
            "seconds": -measured.seconds,
            "n_chars": -float(len(member.candidate.program.source)),
        }
        return tuple(found[name] for name in self._objectives)

    def _betters(self, one: Member, other: Member) -> bool:
        """Whether one is at least as good in everything, and better in something or before it in order."""
        mine, theirs = self._worth[one.candidate.number], self._worth[other.candidate.number]
        return all(map(operator.ge, mine, theirs)) and (mine != theirs or self._members.order(one) < self._members.order(other))

    def _remove(self, member: Member) -> None:
        self._members.remove(member)
        del self._worth[member.candidate.number]

    def _thin_out(self) -> None:
        """Let the most crowded go where there are too many."""
        self._room = self._rooms()
        if len(self._members) > self._size:
            self._remove(min(tuple(self._members)[:0:-1], key=lambda one: self._room[one.candidate.number]))
            self._room = self._rooms()

    def _rooms(self) -> dict[int, float]:
        """The crowding distance of each candidate: over objectives, the sum of how far its two neighbours are apart, in shares of all."""
        rooms = dict.fromkeys(self._worth, 0.0)
        for worths in zip(*self._worth.values(), strict=True):
            line = sorted(zip(worths, self._worth, strict=True))
            span = line[-1][0] - line[0][0]
            rooms[line[0][1]] = rooms[line[-1][1]] = math.inf
            if span > 0:
                for (below, _), (_, number), (above, _) in zip(line, line[1:], line[2:], strict=False):
                    rooms[number] += (above - below) / span
        return rooms


def _bits(number: int) -> Iterable[int]:
    """The places of the bits that are set."""
    while number:
        yield (number & -number).bit_length() - 1
        number &= number - 1
