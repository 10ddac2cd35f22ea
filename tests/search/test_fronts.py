"""Tests of the fronts over examples and over objectives."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from graftwork.programs.model import Usage
from graftwork.search.archive import AddStatus, Archive
from graftwork.search.candidate import Member
from graftwork.search.fronts import ExampleFront, ObjectiveFront
from tests.search.archives import ArchiveConformance
from tests.search.factory import member


class TestExampleFront(ArchiveConformance):
    bound = 3

    def made(self) -> Archive:
        return ExampleFront(3)


class TestObjectiveFront(ArchiveConformance):
    bound = 3

    def made(self) -> Archive:
        return ObjectiveFront(3, ("score", "n_chars"))


def numbers(archive: Archive) -> list[int]:
    return [one.candidate.number for one in archive]


def test_who_leads_an_example_stands_there_for_it() -> None:
    front = ExampleFront(9)
    assert front.add(member(1, [0.9, 0.5, 0.1])) is AddStatus.BEST
    assert front.add(member(2, [0.1, 0.1, 0.8])) is AddStatus.KEPT
    assert front.add(member(3, [0.8, 0.4, 0.7])) is AddStatus.BEST  # second everywhere, and best by what is sure of it
    assert front.add(member(4, [0.2, 0.2, 0.2])) is AddStatus.REFUSED
    assert sorted(numbers(front)) == [1, 2, 3]


def test_one_that_leads_only_where_another_leads_too_is_left_out() -> None:
    front = ExampleFront(9)
    front.add(member(1, [1.0, 0.0, 0.0, 0.0]))
    front.add(member(2, [0.0, 1.0, 0.0, 0.0]))
    assert front.add(member(3, [1.0, 1.0, 0.0, 1.0])) is AddStatus.BEST
    assert numbers(front) == [3]


def test_parents_are_drawn_by_how_many_examples_they_lead() -> None:
    front = ExampleFront(9)
    front.add(member(1, [1.0, 1.0, 1.0, 0.0]))
    front.add(member(2, [0.0, 0.0, 0.0, 1.0]))
    rng = random.Random(0)
    drawn = Counter(front.draw(rng).candidate.number for _ in range(2_000))
    assert drawn[1] / 2_000 == pytest.approx(0.75, abs=0.03)


def test_an_example_that_was_not_seen_is_not_led() -> None:
    front = ExampleFront(9)
    front.add(member(1, [0.5, 0.9, 0.9, 0.9]))
    assert front.add(member(2, [0.9, 0.1])) is AddStatus.KEPT
    rng = random.Random(0)
    drawn = Counter(front.draw(rng).candidate.number for _ in range(2_000))
    assert drawn[2] / 2_000 == pytest.approx(0.25, abs=0.03)  # leads the first of four
    assert front.add(member(3, [None, 0.1, 0.1, 0.95])) is AddStatus.KEPT


def test_beyond_its_size_the_one_that_leads_fewest_examples_goes_and_its_examples_are_led_by_others() -> None:
    front = ExampleFront(2)
    front.add(member(1, [0.9, 0.9, 0.9, 0.1, 0.5]))
    front.add(member(2, [0.1, 0.1, 0.1, 0.9, 0.4]))
    front.add(member(3, [0.0, 0.0, 0.0, 0.8, 0.95]))
    assert numbers(front) == [1, 3]  # 2 led one, as 3 does, and is behind it
    rng = random.Random(0)
    drawn = Counter(front.draw(rng).candidate.number for _ in range(2_000))
    assert drawn[3] / 2_000 == pytest.approx(0.4, abs=0.03)


def measured(number: int, values: Sequence[float], *, usd: float, seconds: float = 0.0, n_chars: int = 0) -> Member:
    text = f"def solve(x: int) -> int:\n    return x + {number}\n#"
    made = member(number, values, source=text.ljust(n_chars, "x"))
    judgements = tuple(
        replace(judgement, outcome=replace(judgement.outcome, usage=Usage(usd=usd, calls=1), seconds=seconds))
        for judgement in made.val.judgements
    )
    return replace(made, val=replace(made.val, judgements=judgements))


def test_what_is_as_good_in_all_and_better_in_one_takes_the_place() -> None:
    front = ObjectiveFront(9, ("score", "usd"))
    assert front.add(measured(1, [0.5, 0.5], usd=0.2)) is AddStatus.BEST
    assert front.add(measured(2, [0.4, 0.4], usd=0.1)) is AddStatus.KEPT
    assert front.add(measured(3, [0.4, 0.4], usd=0.3)) is AddStatus.REFUSED
    assert front.add(measured(4, [0.4, 0.4], usd=0.05)) is AddStatus.KEPT
    assert front.add(measured(5, [0.9, 0.9], usd=0.9)) is AddStatus.BEST
    assert numbers(front) == [5, 1, 4]


def test_the_best_stands_though_another_is_its_equal_for_less_until_a_better_comes() -> None:
    front = ObjectiveFront(9, ("score", "usd"))
    front.add(measured(1, [0.5, 0.5], usd=0.2, n_chars=100))
    assert front.add(measured(2, [0.5, 0.5], usd=0.1, n_chars=900)) is AddStatus.KEPT
    front.add(measured(3, [0.6, 0.6], usd=0.9))
    assert numbers(front) == [3, 2]


def test_seconds_count_where_they_are_an_objective() -> None:
    slow, fast = measured(1, [0.5, 0.5], usd=0, seconds=2.0), measured(2, [0.4, 0.4], usd=0, seconds=1.0)
    for objectives, kept in ((("score", "seconds"), [1, 2]), (("score", "usd"), [1])):
        front = ObjectiveFront(9, objectives)
        front.add(slow)
        front.add(fast)
        assert numbers(front) == kept


def test_one_that_always_fails_stands_there_only_while_nobody_scores() -> None:
    front = ObjectiveFront(9, ("score", "n_chars"))
    assert front.add(measured(1, [0.0, 0.0], usd=0)) is AddStatus.BEST
    assert front.add(measured(2, [0.1, 0.1], usd=0, n_chars=900)) is AddStatus.BEST
    assert front.add(measured(3, [0.0, 0.0], usd=0)) is AddStatus.REFUSED
    assert numbers(front) == [2]


def test_the_most_crowded_goes_and_the_least_crowded_is_drawn() -> None:
    front = ObjectiveFront(4, ("score", "usd"))
    for number, (score, usd) in enumerate(((0.9, 0.9), (0.1, 0.1), (0.5, 0.5), (0.52, 0.52), (0.3, 0.3)), 1):
        front.add(measured(number, [score, score], usd=usd))
    assert numbers(front) == [1, 4, 5, 2]  # the neighbours of 3 were 0.22 apart, the others' 0.4
    rng = random.Random(0)
    drawn = Counter(front.draw(rng).candidate.number for _ in range(4_000))
    assert drawn[1] + drawn[2] == pytest.approx(3_000, abs=90)  # the ends, which have room without end, win against 4 and 5
    assert drawn[4] / drawn[5] == pytest.approx(3, rel=0.25)  # three of the four draws of the two
