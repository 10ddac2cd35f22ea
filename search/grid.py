"""Grid: the best member of each cell of a space of dimensions (MAP-Elites, Mouret and Clune 2015, arXiv 1504.04909).

Cells lie between fixed edges, see `dimensions`. As in the paper, an elite gives way to a better one only, and parents are drawn evenly
among elites; unlike there the number of cells that are held is bounded: beyond it, the worst elite of all gives up its cell.
"""

from __future__ import annotations

import random

from .archive import AddStatus, MemberOrder, RankedArchive, sure_rank
from .candidate import Member
from .dimensions import Cell, cell_of

__all__ = ["Grid"]


class Grid(RankedArchive):
    """The elites of at most so many cells.

    Args:
        size: Cells that are held, at least 1.
        dimensions: Names of the dimensions, of `DIMENSIONS`.
        entry: The task's entry, from which structure is counted; empty counts all of a program.
        order: What is best.
    """

    def __init__(self, size: int, dimensions: tuple[str, ...], *, entry: str = "", order: MemberOrder = sure_rank) -> None:
        super().__init__(order, size, dimensions, entry)
        self._size, self._dimensions, self._entry = size, dimensions, entry
        self._elites: dict[Cell, Member] = {}
        self._cells: dict[int, Cell] = {}

    def add(self, member: Member) -> AddStatus:
        """Offer a member: `BEST` if it leads the whole grid now, `KEPT` if it is its cell's elite, else `REFUSED`."""
        cell = cell_of(member, self._dimensions, self._entry)
        elite = self._elites.get(cell)
        if elite is not None:
            if self._members.order(elite) <= self._members.order(member):
                return AddStatus.REFUSED
            self._take_out(elite)
        self._elites[cell], self._cells[member.candidate.number] = member, cell
        self._members.insert(member)
        if len(self._members) > self._size:
            self._take_out(self._members[self._size])
        return self._members.status(member)

    def draw(self, rng: random.Random) -> Member:
        """Any of the elites."""
        return self._members[rng.randrange(len(self._members))]

    def _take_out(self, member: Member) -> None:
        self._members.remove(member)
        del self._elites[self._cells.pop(member.candidate.number)]
