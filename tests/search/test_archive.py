"""Tests of the archive."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.search.archive import AddStatus, Archive, TopK, rank, sure_rank
from graftwork.search.candidate import Member
from tests.search.archives import ArchiveConformance
from tests.search.factory import member


class TestTopK(ArchiveConformance):
    bound = 4

    def made(self) -> Archive:
        return TopK(4, sure_rank, tournament=2)


class TestTopKByTheMean(ArchiveConformance):
    bound = 4
    order = staticmethod(rank)

    def made(self) -> Archive:
        return TopK(4, tournament=2)


def sampled(values: list[float], number: int) -> Member:
    """A member whose estimate is that of the plain mean."""
    made = member(number, values)
    return Member(candidate=made.candidate, val=made.val, train=made.train, baseline=(0.0,) * len(values))


def test_the_best_k_stay_best_first() -> None:
    archive = TopK(2)
    statuses = [archive.add(member(number, [score])) for number, score in enumerate((0.5, 0.7, 0.6, 0.1))]
    assert statuses == [AddStatus.BEST, AddStatus.BEST, AddStatus.KEPT, AddStatus.REFUSED]
    assert [m.score for m in archive] == [0.7, 0.6]


def test_of_members_with_equal_values_on_every_example_the_shorter_program_stays() -> None:
    archive = TopK(4)
    long = member(1, [0.2, 0.8], source="def solve(x: int) -> int:\n    return x + 0 + 0 + 0\n")
    short = member(2, [0.2, 0.8], source="def solve(x: int) -> int:\n    return x\n")
    assert archive.add(long) is AddStatus.BEST
    assert archive.add(short) is AddStatus.BEST
    assert archive.add(long) is AddStatus.REFUSED
    assert [m.candidate.number for m in archive] == [2]


def test_members_with_equal_means_but_other_values_are_both_kept() -> None:
    archive = TopK(4)
    archive.add(member(1, [0.2, 0.8]))
    assert archive.add(member(2, [0.8, 0.2])) is AddStatus.KEPT


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40), st.integers(1, 8))
def test_an_archive_holds_the_first_k_signatures_by_rank_whatever_the_order_of_offers(pairs: list[tuple[int, int]], size: int) -> None:
    members = [member(number, [a / 9, b / 9]) for number, (a, b) in enumerate(pairs)]
    archive = TopK(size)
    for one in members:
        archive.add(one)
    best_of_each: dict[tuple[float | None, ...], tuple[float, int, int]] = {}
    for one in members:
        rank = (-one.score, len(one.candidate.program.source), one.candidate.number)
        best_of_each[one.val.values] = min(best_of_each.get(one.val.values, rank), rank)
    assert [(-m.score, len(m.candidate.program.source), m.candidate.number) for m in archive] == sorted(best_of_each.values())[:size]


def test_where_errors_are_known_a_parent_is_drawn_by_what_its_score_may_be() -> None:
    archive = TopK(2, sure_rank, tournament=64)
    archive.add(sampled([0.5, 0.5, 0.5, 0.5], 1))
    archive.add(sampled([0.0, 0.9, 0.0, 0.9], 2))
    drawn = Counter(archive.draw(random.Random(seed)).candidate.number for seed in range(400))
    assert drawn[2] / 400 == pytest.approx(0.42, abs=0.06)  # the chance that N(0.45, 0.26) is above 0.5


def test_without_errors_the_draw_is_the_plain_tournament() -> None:
    sure, plain = TopK(6, sure_rank, tournament=2), TopK(6, rank, tournament=2)
    for number in range(1, 7):
        for archive in (sure, plain):
            archive.add(member(number, [number / 8] * 3))  # they vary in nothing, nor does what they are compared with
    one, other = random.Random(0), random.Random(0)
    assert [sure.draw(one) for _ in range(50)] == [plain.draw(other) for _ in range(50)]
    assert one.random() == other.random()


def test_where_nobody_has_an_error_members_are_ordered_by_their_mean() -> None:
    archive = TopK(3, sure_rank)
    for number, score in enumerate((0.2, 0.9, 0.5)):
        archive.add(member(number, [score]))
    assert [one.score for one in archive] == [0.9, 0.5, 0.2]
