"""Tests of the clusters of score signatures."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from graftwork.search.archive import AddStatus, Archive
from graftwork.search.signatures import Signatures
from tests.search.archives import ArchiveConformance
from tests.search.factory import member

LONG = "def solve(x: int) -> int:\n    return x + {}\n# long"


class TestSignatures(ArchiveConformance):
    bound = 6

    def made(self) -> Archive:
        return Signatures(3, 2)


def numbers(archive: Archive) -> list[int]:
    return [one.candidate.number for one in archive]


def test_those_that_score_alike_stand_together_and_the_longest_goes_first() -> None:
    archive = Signatures(2, 2)
    assert archive.add(member(1, [0.2, 0.8], source=LONG.format(1))) is AddStatus.BEST
    assert archive.add(member(2, [0.2, 0.8001])) is AddStatus.BEST
    assert archive.add(member(3, [0.2, 0.8])) is AddStatus.KEPT
    assert numbers(archive) == [2, 3]


def test_beyond_its_size_the_worst_cluster_goes_whole() -> None:
    archive = Signatures(2, 4)
    archive.add(member(1, [0.1, 0.1]))
    archive.add(member(2, [0.1, 0.1]))
    archive.add(member(3, [0.5, 0.5]))
    assert archive.add(member(4, [0.7, 0.7])) is AddStatus.BEST
    assert numbers(archive) == [4, 3]
    assert archive.add(member(5, [0.05, 0.05])) is AddStatus.REFUSED


def test_clusters_are_drawn_by_score_however_many_members_they_have() -> None:
    archive = Signatures(9, 9, temperature=0.5)
    archive.add(member(1, [0.9, 0.9]))
    for number in range(2, 9):
        archive.add(member(number, [0.1, 0.1]))
    rng = random.Random(0)
    share = sum(archive.draw(rng).candidate.number == 1 for _ in range(4_000)) / 4_000
    # The mean over temperatures t in (0, 0.5] of 1 / (1 + exp(-1/t)), by numerical integration.
    assert share == pytest.approx(0.964, abs=0.012)


def test_shorter_programs_are_drawn_more_often_within_a_cluster() -> None:
    archive = Signatures(9, 9)
    archive.add(member(1, [0.5, 0.5]))
    archive.add(member(2, [0.5, 0.5], source=LONG.format(2)))
    rng = random.Random(0)
    drawn = Counter(archive.draw(rng).candidate.number for _ in range(4_000))
    assert drawn[1] / 4_000 == pytest.approx(0.731, abs=0.025)  # e / (1 + e): lengths are shares of their spread
