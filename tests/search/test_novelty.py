"""Tests of novelty: renamed copies, nearness, answers alike, all as of a number of told results."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.failure import Failure
from graftwork.programs.parse import parse
from graftwork.search.candidate import Traits
from graftwork.search.novelty import SKETCH_BYTES, WINDOW, Novelty, answers_of, traits_of
from graftwork.search.texts import text_digest

LINES = [f"    total += {n} * x ** {n % 5} - x // {n + 2}" for n in range(1, 40)]


def traits(*, dropped: int = 0, name: str = "total", constant: int = 7) -> Traits:
    """Traits of a function of some forty lines."""
    body = "\n".join([f"    total = {constant}", *LINES[dropped:], "    return total"])
    return traits_of(parse(f"def solve(x: int) -> int:\n{body.replace('total', name)}\n"), entry="solve")


def answering(*outputs: object, failure: Failure | None = None) -> Evaluation:
    """An evaluation with these outputs."""
    judgements = tuple(
        Judgement(outcome=Outcome(example_id=f"e{place}", output=output, failure=failure), score=Score(value=1.0))
        for place, output in enumerate(outputs)
    )
    return Evaluation(digest="", judgements=judgements, lo=0.0)


def test_a_renamed_copy_is_known_as_of_the_result_that_told_of_it() -> None:
    novelty = Novelty()
    novelty.learn(0, traits())
    novelty.learn(1, traits(constant=8))
    novelty.learn(2, traits(constant=8, name="t"))
    assert novelty.renamed(traits(name="s"), as_of=1) == 0
    assert novelty.renamed(traits(name="s"), as_of=0) is None
    assert novelty.renamed(traits(constant=8), as_of=3) == 1
    assert novelty.renamed(traits(constant=8), as_of=1) is None
    assert novelty.renamed(traits(constant=9), as_of=3) is None


@pytest.mark.parametrize("dropped", [0, 2, 8, 20])
def test_similarity_is_that_of_the_sets_of_shingles(dropped: int) -> None:
    novelty = Novelty()
    novelty.learn(0, traits())
    near = novelty.nearest(traits(dropped=dropped), as_of=1)
    assert near is not None
    assert near.similarity == pytest.approx(1 - dropped / len(LINES), abs=0.16)
    assert (near.similarity == 1) == (dropped == 0)


def test_one_constant_makes_a_program_near_and_no_copy() -> None:
    novelty = Novelty()
    novelty.learn(0, traits())
    other = traits(constant=8)
    near = novelty.nearest(other, as_of=1)
    assert near is not None
    assert near.similarity > 0.9
    assert novelty.renamed(other, as_of=1) is None


def test_the_nearest_is_sought_among_those_that_ran_and_were_told_by_then() -> None:
    novelty = Novelty()
    novelty.learn(0, traits(dropped=9))
    novelty.learn(1, traits(dropped=1), ran=False)
    novelty.learn(2, traits(dropped=2))
    assert novelty.nearest(traits(), as_of=0) is None
    for as_of, number in ((2, 0), (3, 2)):
        near = novelty.nearest(traits(), as_of=as_of)
        assert near is not None
        assert near.number == number


def test_who_is_near_and_answers_alike_is_found_and_who_is_only_one_of_both_is_not() -> None:
    novelty = Novelty()
    same, other = "1f" * 16, "2e" * 16
    novelty.learn(0, traits(dropped=30), answers=same)
    novelty.learn(1, traits(dropped=1), answers=other)
    novelty.learn(2, traits(dropped=1), answers=None)
    assert novelty.answered_alike(traits(), same, near=0.8, as_of=3) is None
    novelty.learn(3, traits(dropped=1), answers=same)
    assert novelty.answered_alike(traits(), same, near=0.8, as_of=4) == 3
    assert novelty.answered_alike(traits(), same, near=0.8, as_of=3) is None
    assert novelty.answered_alike(traits(), None, near=0.0, as_of=4) is None


def test_answers_that_are_short_or_failures_tell_nothing() -> None:
    long = [list(range(60)), list(range(60, 120)), 3]
    assert answers_of(answering(1, 2, 3), 3) is None
    assert answers_of(answering(*long), 2) is not None
    assert answers_of(answering(*long), 2) == answers_of(answering(*long[:2], 4), 2)
    assert answers_of(answering(*long), 3) != answers_of(answering(*long[:2], 4), 3)
    assert answers_of(answering(*long, failure=Failure(kind="crash", message="")), 2) is None


def random_traits(rng: random.Random) -> Traits:
    """Traits that no program has."""
    return Traits(normal=rng.randbytes(16).hex(), sketch=rng.randbytes(SKETCH_BYTES).hex())


def test_what_was_told_again_is_equal_and_the_window_is_the_same_however_much_is_told_meanwhile() -> None:
    rng = random.Random(1)
    told = [random_traits(rng) for _ in range(WINDOW + 700)]
    live, again = Novelty(), Novelty()
    for novelty in (live, again):
        for number, one in enumerate(told[:-600]):
            novelty.learn(number, one)
    assert live == again
    as_of = WINDOW + 100
    before = [again.nearest(one, as_of=as_of) for one in (told[99], told[100], told[500])]
    for number, one in enumerate(told[-600:], len(told) - 600):
        live.learn(number, one)
    assert live != again
    assert [live.nearest(one, as_of=as_of) for one in (told[99], told[100], told[500])] == before
    assert before[0] is not None
    assert before[0].number != 99
    assert before[1] is not None
    assert (before[1].number, before[1].similarity) == (100, 1.0)


def test_asking_takes_no_longer_after_a_hundred_thousand_and_they_are_told_again_in_seconds() -> None:
    rng = random.Random(2)
    novelty, some = Novelty(), [random_traits(rng) for _ in range(100)]
    started = time.process_time()
    for number in range(100_000):
        novelty.learn(number, replace(some[number % 100], normal=text_digest(str(number))), answers="ab" * 16)
    assert time.process_time() - started < 8
    started = time.process_time()
    for one in some:
        novelty.nearest(one, as_of=100_000)
    assert (time.process_time() - started) / len(some) < 0.02
