"""Tests of the archive."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.search.archive import AddStatus, Archive, TopK, rank, sure_rank
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


def test_a_parent_wins_a_tournament_in_the_order_of_the_archive() -> None:
    archive = TopK(4, sure_rank, tournament=2)
    for number, score in enumerate((0.2, 0.9, 0.5, 0.7)):
        archive.add(member(number, [score]))
    drawn = Counter(archive.draw(random.Random(seed)).score for seed in range(1_600))
    assert [drawn[score] / 1_600 for score in (0.9, 0.7, 0.5, 0.2)] == pytest.approx([7 / 16, 5 / 16, 3 / 16, 1 / 16], abs=0.04)


def test_where_nobody_has_an_error_members_are_ordered_by_their_mean() -> None:
    archive = TopK(3, sure_rank)
    for number, score in enumerate((0.2, 0.9, 0.5)):
        archive.add(member(number, [score]))
    assert [one.score for one in archive] == [0.9, 0.5, 0.2]
