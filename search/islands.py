"""Islands: archives that know nothing of each other, so that a search has several bests, and what is done now and then between them.

A member is on the island that its brief was made for and reaches another in three ways only: the best of each migrates to the next along
the ring; the worse half is emptied and begins again with the best of one that stays (the reset of FunSearch, Romera-Paredes et al. 2024);
and a new island, founded by the seed, is opened where nothing got better for long. Each costs as much at the millionth candidate as at
the first.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graftwork.evaluators.evaluation import Evaluation

from .archive import AddStatus, Archive
from .archives import make_archive, order_of
from .candidate import Member
from .strategy import Strategy

__all__ = ["Islands", "Moves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What was done between islands: numbers of candidates, by the island that they came to.

    Attributes:
        migrated: Leaders that moved on along the ring.
        reset: Those that an emptied island begins with again.
        founded: The founder of a new island.
    """

    migrated: Mapping[int, int] = field(default_factory=dict)
    reset: Mapping[int, int] = field(default_factory=dict)
    founded: Mapping[int, int] = field(default_factory=dict)


class Islands:
    """The archives of a search, in the order in which they were opened.

    Args:
        strategy: How many, of what kind, and when anything is done between them.
        entry: The task's entry.
    """

    def __init__(self, strategy: Strategy, entry: str = "") -> None:
        self._strategy, self._entry, self._order = strategy, entry, order_of(strategy)
        self._archives = [make_archive(strategy, entry) for _ in range(strategy.islands)]
        self.founder: Member | None = None
        """The seed, once it is told: every island began with it."""
        self.opened = [0] * strategy.islands
        """By island, how many results had been told when it was opened."""
        self.improved = 0
        """Told results when the best of all last changed to a better one, or an island was opened since."""

    @property
    def best(self) -> Member | None:
        """The first in order of all islands; None where all are empty."""
        return min(self.leaders, key=self._order, default=None)

    @property
    def leaders(self) -> tuple[Member, ...]:
        """The best of each island that is not empty."""
        return tuple(leader for archive in self._archives for leader in (next(iter(archive), None),) if leader is not None)

    def settle(self, founder: Member) -> AddStatus:
        """Give every island the seed."""
        self.founder = founder
        return max(archive.add(founder) for archive in self._archives)

    def add(self, member: Member, home: int, *, told: int) -> AddStatus:
        """Offer a member to its island.

        Args:
            member: The member.
            home: Number of the island; one beyond the last begins from the first again, for a run that began with results of another
                may have fewer.
            told: Results told by now.
        """
        before = self.best
        added = self._archives[home % len(self._archives)].add(member)
        if added is AddStatus.BEST and (before is None or self._order(member) < self._order(before)):
            self.improved = told
        return added

    def renew(self, number: int, extension: Evaluation, brief: int) -> None:
        """Take in what the result of a brief tells of a candidate on further examples, on each island where it stands.

        Args:
            number: The candidate's.
            extension: Its evaluation on examples that follow on those that were known when the brief was asked.
            brief: The brief's number.
        """
        for archive in self._archives:
            standing = next((member for member in archive if member.candidate.number == number), None)
            if standing is not None and (renewed := standing.with_more(extension, brief)) is not standing:
                archive.discard(number)
                archive.add(renewed)

    def turn(self, *, told: int, seed: int) -> Moves:
        """Do between islands what is due after so many told results.

        Args:
            told: Results told by now.
            seed: Of the search.
        """
        strategy = self._strategy
        reset = self._reset(random.Random(f"reset/{seed}/{told}"), told) if _due(strategy.reset_every, told) else {}
        migrated = self._migrate() if _due(strategy.migrate_every, told) else {}
        founded = {}
        if strategy.spawn_after and told - self.improved >= strategy.spawn_after and len(self._archives) < strategy.max_islands:
            founded = self._found(told)
        return Moves(migrated=migrated, reset=reset, founded=founded)

    def _migrate(self) -> dict[int, int]:
        """Copy the best of each island to the next one in the ring."""
        leaders = [next(iter(archive), None) for archive in self._archives]
        moved: dict[int, int] = {}
        for home, leader in enumerate(leaders):
            target = (home + 1) % len(self._archives)
            if leader is not None and self._archives[target].add(leader) is not AddStatus.REFUSED:
                moved[target] = leader.candidate.number
        return moved

    def _reset(self, rng: random.Random, told: int) -> dict[int, int]:
        """Empty the islands whose best is worst, half of them, and give each the best of one that stays.

        One that was opened since the last reset has had no time yet, and is left alone.
        """
        leaders = {home: next(iter(archive), None) for home, archive in enumerate(self._archives)}
        led = sorted((self._order(leader), home) for home, leader in leaders.items() if leader is not None)
        n_staying = len(led) - len(led) // 2
        begun: dict[int, int] = {}
        for _, home in led[n_staying:]:
            founder = leaders[led[rng.randrange(n_staying)][1]]
            is_new = self.opened[home] and told - self.opened[home] < self._strategy.reset_every
            if founder is not None and not is_new:
                self._archives[home] = make_archive(self._strategy, self._entry)
                self._archives[home].add(founder)
                begun[home] = founder.candidate.number
        return dict(sorted(begun.items()))

    def _found(self, told: int) -> dict[int, int]:
        """Open an island with the seed alone."""
        if self.founder is None:
            return {}
        self.improved = told
        self.opened.append(told)
        self._archives.append(make_archive(self._strategy, self._entry))
        self._archives[-1].add(self.founder)
        return {len(self._archives) - 1: self.founder.candidate.number}

    def restore(self, members: Sequence[Iterable[Member]], *, founder: Member | None, improved: int, opened: Iterable[int]) -> None:
        """Make new islands what others were.

        Args:
            members: Of each of theirs, best first.
            founder: As theirs.
            improved: As theirs.
            opened: As theirs.
        """
        self._archives = [make_archive(self._strategy, self._entry) for _ in members]
        for archive, standing in zip(self._archives, members, strict=True):
            for member in standing:
                archive.add(member)
        self.founder, self.improved, self.opened = founder, improved, list(opened)

    def __getitem__(self, home: int) -> Archive:
        return self._archives[home]

    def __iter__(self) -> Iterator[Archive]:
        return iter(tuple(self._archives))

    def __len__(self) -> int:
        return len(self._archives)

    def __eq__(self, other: object) -> bool:
        mine = (self._strategy, self._entry, self._archives, self.founder, self.improved, self.opened)
        return isinstance(other, Islands) and mine == (
            other._strategy,
            other._entry,
            other._archives,
            other.founder,
            other.improved,
            other.opened,
        )

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a list


def _due(every: int, told: int) -> bool:
    return every > 0 and told % every == 0
