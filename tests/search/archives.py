"""What every `Archive` must do, whatever its rule."""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Sequence

import pytest

from graftwork.search.archive import AddStatus, Archive, MemberOrder, sure_rank
from graftwork.search.candidate import Member
from tests.search.factory import member

__all__ = ["ArchiveConformance", "some_members"]

on_many_offers = pytest.mark.parametrize("case", range(0, 60, 4))


def some_members(scores: Sequence[Sequence[float | None]]) -> list[Member]:
    """Members 0, 1, … with these val scores, on prefixes of the same examples, of texts of different lengths."""
    tails = ["\n# " + "long " * (number % 5) for number in range(len(scores))]
    source = "def solve(x: int) -> int:\n    return x + {}\n{}"
    baseline = (0.0, 0.5, 1.0, 0.5)
    made = [member(number, values, source=source.format(number, tails[number])) for number, values in enumerate(scores)]
    return [Member(candidate=one.candidate, val=one.val, train=one.train, baseline=baseline) for one in made]


@functools.cache
def offers(case: int) -> tuple[Member, ...]:
    """What is offered in one of the cases: few members in the first, up to 30 in later ones, scored on one to four examples."""
    rng = random.Random(case)
    return tuple(some_members([[rng.choice((0.0, 0.25, 0.5, 1.0)) for _ in range(rng.randint(1, 4))] for _ in range(1 + case % 30)]))


def filled(archive: Archive, members: Sequence[Member]) -> Archive:
    """The archive after these were offered."""
    for one in members:
        archive.add(one)
    return archive


class ArchiveConformance:
    """A subclass says what `made` is: an empty archive; `bound`, how many it may hold; and, if it is not `sure_rank`, its `order`."""

    bound: int
    order: MemberOrder = staticmethod(sure_rank)

    def made(self) -> Archive:
        raise NotImplementedError

    @on_many_offers
    def test_it_is_bounded_and_best_first_and_holds_each_candidate_once(self, case: int) -> None:
        archive = filled(self.made(), offers(case))
        standing = list(archive)
        assert 1 <= len(archive) == len(standing) <= self.bound
        assert standing == sorted(standing, key=self.order)
        assert len({one.candidate.number for one in standing}) == len(standing)

    @on_many_offers
    def test_what_add_says_is_what_it_did(self, case: int) -> None:
        archive = self.made()
        for one in offers(case):
            before = list(archive)
            said, standing = archive.add(one), list(archive)
            assert (one in standing) == (said is not AddStatus.REFUSED)
            assert (standing[0] is one) == (said is AddStatus.BEST)
            assert said is not AddStatus.REFUSED or standing == before

    @on_many_offers
    def test_the_best_that_was_offered_stands(self, case: int) -> None:
        members = offers(case)
        assert next(iter(filled(self.made(), members))) is min(members, key=self.order)

    @on_many_offers
    def test_after_the_same_offers_it_is_equal_and_one_more_makes_it_another(self, case: int) -> None:
        members = offers(case)
        one, other = filled(self.made(), members), filled(self.made(), members)
        assert one == other
        best = some_members([[0.0]] * 30 + [[2.0, 2.0, 2.0, 2.0]])[-1]
        assert other.add(best) is AddStatus.BEST
        assert one != other

    @on_many_offers
    def test_one_that_is_offered_what_stands_there_is_equal_and_goes_on_alike(self, case: int) -> None:
        members = offers(case)
        half = len(members) // 2
        archive = filled(self.made(), members[:half])
        restored = filled(self.made(), list(archive))
        assert restored == archive
        for one in members[half:]:
            assert restored.add(one) == archive.add(one)
            assert restored.draw(random.Random(1)) == archive.draw(random.Random(1))
        assert restored == archive

    @on_many_offers
    def test_one_with_more_evidence_takes_its_own_place(self, case: int) -> None:
        members = offers(case)
        archive = filled(self.made(), members)
        chosen = members[case * 7 % len(members)]
        stood = chosen in list(archive)
        assert archive.discard(chosen.candidate.number) == stood
        assert chosen not in list(archive)
        more = some_members([one.val.values for one in members[: chosen.candidate.number]] + [(*chosen.val.values, 1.0)])[-1]
        assert more.candidate == chosen.candidate
        archive.add(more)
        assert [one for one in archive if one.candidate.number == chosen.candidate.number] in ([], [more])
        assert filled(self.made(), list(archive)) == archive

    @on_many_offers
    def test_parents_are_members_and_follow_from_the_generator_alone(self, case: int) -> None:
        archive = filled(self.made(), offers(case))
        before = list(archive)
        one, other = random.Random(case), random.Random(case)
        drawn = [archive.draw(one) for _ in range(20)]
        assert all(parent in before for parent in drawn)
        assert [archive.draw(other) for _ in range(20)] == drawn
        assert list(archive) == before

    def test_the_hundredth_batch_of_offers_costs_the_calls_of_the_third(self) -> None:
        archive, rng = self.made(), random.Random(0)
        offered = some_members([[rng.choice((0.0, 0.5, 1.0)) for _ in range(4)] for _ in range(40)])
        counts: list[int] = []
        for _ in range(100):
            n_events = 0

            def count(frame: object, event: str, arg: object) -> None:
                nonlocal n_events
                n_events += 1

            sys.setprofile(count)
            try:
                for one in offered:
                    archive.discard(one.candidate.number)
                    archive.add(one)
                    archive.draw(rng)
            finally:
                sys.setprofile(None)
            counts.append(n_events)
        assert counts[-1] < 1.2 * counts[2]
