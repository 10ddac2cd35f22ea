"""Tests of what a split can show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graftwork.search.comparison import difference_of
from graftwork.search.power import FEWEST, needed, power_words, smallest_shown


@pytest.mark.parametrize(("difference", "differing"), [(0.1, 0.2), (0.1, 0.5), (0.3, 0.4), (0.5, 0.6)])
def test_so_many_examples_show_the_difference_about_four_times_in_five(difference: float, differing: float) -> None:
    n, rng = needed(difference, differing=differing), np.random.default_rng(0)
    shares = ((differing + difference) / 2, (differing - difference) / 2, 1 - differing)
    shown = 0
    for trial in range(200):
        differences = rng.choice((1.0, -1.0, 0.0), p=shares, size=n).tolist()
        found = difference_of(differences, [0.0] * n, seed=trial, n_resamples=400)
        assert found is not None
        shown += found.lo > 0
    assert 0.68 <= shown / 200 <= 0.9


def test_more_examples_show_smaller_differences_and_more_noise_hides_them() -> None:
    sizes = [smallest_shown(n, differing=0.2) or math.inf for n in (5, 12, 50, 200, 1000)]
    assert sizes == sorted(sizes, reverse=True)
    assert (smallest_shown(100, differing=0.5) or math.inf) > (smallest_shown(100, differing=0.2) or math.inf)


@pytest.mark.parametrize("n", [12, 30, 100, 400])
def test_the_smallest_difference_that_n_examples_show_needs_no_more_than_n(n: int) -> None:
    smallest = smallest_shown(n, differing=0.2)
    assert smallest is not None
    assert needed(smallest, differing=0.2) <= n < needed(smallest - 0.002, differing=0.2)


def test_a_small_split_is_told_what_it_can_show_and_what_it_would_take() -> None:
    (line,) = power_words({"test": 12, "confirm": 500}, (0.0, 1.0), "score")
    assert line == (
        "your test split of 12 examples can only show a difference of 0.54 score or more, if scores are all or nothing; "
        "0.1 score takes 155 to 391 examples"
    )


def test_how_many_examples_differ_is_said_where_it_matters() -> None:
    (line,) = power_words({"test": 60}, (0.0, 100.0), "points")
    assert line == (
        "your test split of 60 examples can only show a difference of 16 points or more (25 points where half of the examples differ, not "
        "a fifth), if scores are all or nothing; 10 points takes 155 to 391 examples"
    )


@pytest.mark.parametrize(("n", "shown"), [(FEWEST - 1, False), (FEWEST, True)])
def test_the_fewest_examples_are_those_that_the_interval_can_be_sure_of(n: int, *, shown: bool) -> None:
    found = difference_of([1.0] * n, [0.0] * n, seed=0, n_resamples=40_000)
    assert found is not None
    assert (found.lo > 0) is shown


def test_a_hopeless_split_is_told_so() -> None:
    (line,) = power_words({"test": 1}, (-100.0, 0.0), "% excess", wanted=0.05)
    assert smallest_shown(FEWEST - 1, differing=0.2) is None
    assert line.startswith(
        "your test split of 1 example can show nothing, not even a program that is better on every one: give it 4 or more; 5 % excess"
    )


def test_a_range_without_a_width_is_spoken_of_in_shares() -> None:
    (line,) = power_words({"test": 12}, (-1e308, 1e308), "score")
    assert "10% of the score range takes" in line


def test_nothing_is_said_where_the_splits_can_show_what_is_wanted() -> None:
    assert power_words({"confirm": 200, "test": 155}, (0.0, 1.0), "score") == ()
