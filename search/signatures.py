"""Signatures: members that score alike on every example stand together, and parents are drawn by cluster first.

As FunSearch does (Romera-Paredes et al. 2024, Nature 625, and its `programs_database.py`): a cluster is drawn by a softmax over scores, and
of its programs shorter ones are drawn more often. Unlike there clusters and their members are bounded, scores are taken as shares of the
spread among clusters so that the temperature has no unit, and the temperature is drawn anew for each parent, evenly from what the
cooling of one period goes through: the archive needs no count of what it was offered, and a short run sees all of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from .archive import AddStatus, MemberOrder, RankedArchive, Ranking, sure_rank
from .candidate import Member

__all__ = ["Signatures"]

_Signature = tuple[float | None, ...]


class Signatures(RankedArchive):
    """Clusters of members with the same rounded values on every example.

    Args:
        size: Clusters, at least 1; beyond it, the one whose best is the last in order goes.
        depth: Members of a cluster, at least 1; beyond it, the longest goes, of equals the last in order.
        order: What is best.
        temperature: The highest of the softmax over clusters, in shares of the spread of their scores.
    """

    def __init__(self, size: int, depth: int, order: MemberOrder = sure_rank, *, temperature: float = 0.1) -> None:
        super().__init__(order, size, depth, temperature)
        self._size, self._depth, self._temperature = size, depth, temperature
        self._leaders = Ranking(order)
        self._clusters: dict[_Signature, Ranking] = {}
        self._signatures: dict[int, _Signature] = {}

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads now, `KEPT` if its cluster holds it, else `REFUSED`."""
        if self._members.find(member.candidate.number) is not None:
            return AddStatus.REFUSED
        cluster = self._insert(member)
        if len(cluster) > self._depth:
            self._take_out(max(tuple(cluster)[1:], key=lambda one: (_length(one), self._members.order(one))))
        if len(self._clusters) > self._size:
            for one in self._cluster(self._leaders[self._size]):
                self._take_out(one)
        return self._members.status(member)

    def draw(self, rng: random.Random) -> Member:
        """A member of a cluster that is drawn by its score; shorter ones more often."""
        leaders = tuple(self._leaders)
        hot = self._temperature * (1 - rng.random())
        leader = rng.choices(leaders, weights=_softmax(_shares([_score(one) for one in leaders]), hot))[0]
        members = tuple(self._cluster(leader))
        return rng.choices(members, weights=_softmax([-share for share in _shares([_length(one) for one in members])], 1.0))[0]

    def _cluster(self, member: Member) -> Ranking:
        return self._clusters[self._signatures[member.candidate.number]]

    def _insert(self, member: Member) -> Ranking:
        """Put a member into its cluster, which comes back."""
        signature = self._signatures[member.candidate.number] = _signature(member)
        cluster = self._clusters.setdefault(signature, Ranking(self._members.order))
        led = cluster[0] if len(cluster) else None
        self._members.insert(member)
        if cluster.insert(member) == 0:
            if led is not None:
                self._leaders.remove(led)
            self._leaders.insert(member)
        return cluster

    def _take_out(self, member: Member) -> None:
        cluster = self._cluster(member)
        led = cluster[0]
        self._members.remove(member)
        cluster.remove(member)
        signature = self._signatures.pop(member.candidate.number)
        if led is member:
            self._leaders.remove(member)
            if len(cluster):
                self._leaders.insert(cluster[0])
            else:
                del self._clusters[signature]


def _signature(member: Member) -> _Signature:
    """Its values to three digits: what differs by less scores alike."""
    return tuple(None if value is None else float(f"{value:.3g}") for value in member.val.values)


def _score(member: Member) -> float:
    return member.estimate.cautious


def _length(member: Member) -> float:
    return len(member.candidate.program.source)


def _shares(values: Sequence[float]) -> list[float]:
    """Where each stands between the lowest, 0, and the highest, 1; all 0 where they are equal."""
    lowest, span = min(values), max(values) - min(values)
    return [(value - lowest) / span if span > 0 else 0.0 for value in values]


def _softmax(values: Sequence[float], temperature: float) -> list[float]:
    highest = max(values)
    return [math.exp((value - highest) / temperature) for value in values]
