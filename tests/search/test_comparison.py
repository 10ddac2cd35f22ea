"""Tests of means and paired differences with their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from graftwork.search.comparison import difference_of, mean_interval, paired_difference
from tests.search.factory import evaluation


def test_the_mean_is_over_pairs_that_count_on_both_sides() -> None:
    difference = paired_difference(evaluation([1.0, None, 0.5]), evaluation([0.5, 0.9, None]), seed=0)
    assert difference is not None
    assert (difference.mean, difference.n, difference.dropped) == (0.5, 1, 2)


def test_nothing_is_claimed_where_no_pair_counts() -> None:
    assert paired_difference(evaluation([None]), evaluation([1.0]), seed=0) is None


def test_evaluations_on_other_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference(evaluation([1.0, 1.0]), evaluation([1.0]), seed=0)


def test_the_interval_covers_a_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(300):
        first, second = rng.normal(0.3, 1, 60), rng.normal(0, 1, 60)
        difference = paired_difference(evaluation(list(first)), evaluation(list(second)), seed=trial, n_resamples=500)
        assert difference is not None
        covered += difference.lo <= 0.3 <= difference.hi
    assert 0.90 <= covered / 300 <= 0.99


@pytest.mark.parametrize(("n", "gain", "differing"), [(30, 0.05, 0.05), (30, 0.1, 0.2), (100, 0.0, 0.1), (100, 0.1, 0.48)])
def test_the_interval_covers_the_difference_of_answers_that_are_right_or_wrong(n: int, gain: float, differing: float) -> None:
    rng, covered = np.random.default_rng(n), 0
    for trial in range(300):
        kinds = rng.choice(4, p=[(differing + gain) / 2, (differing - gain) / 2, (1 - differing) / 2, (1 - differing) / 2], size=n)
        first, second = np.isin(kinds, (0, 2)).astype(float), np.isin(kinds, (1, 2)).astype(float)
        difference = difference_of(first.tolist(), second.tolist(), seed=trial, n_resamples=500)
        assert difference is not None
        covered += difference.lo <= gain <= difference.hi
    assert covered / 300 >= 0.93


def test_examples_that_all_agree_leave_room_for_one_that_does_not() -> None:
    values = [1.0, 0.0] * 15
    difference = difference_of(values, list(values), seed=0)
    assert difference is not None
    assert -0.12 < difference.lo < -0.05
    assert 0.05 < difference.hi < 0.12


def test_one_evaluation_differs_from_itself_by_nothing() -> None:
    same = evaluation([1.0, None, 0.0])
    difference = paired_difference(same, same, seed=0)
    assert difference is not None
    assert (difference.mean, difference.lo, difference.hi, difference.n, difference.dropped) == (0.0, 0.0, 0.0, 2, 1)


def test_the_interval_keeps_its_unit_and_its_side() -> None:
    first, second = [0.875, 0.5, 0.75, 0.625, 0.5], [0.25, 0.25, 1.0, 0.0, 0.5]
    small, turned = difference_of(first, second, seed=0), difference_of(second, first, seed=0)
    large = difference_of([1024 * a for a in first], [1024 * b for b in second], seed=0)
    assert small is not None
    assert large is not None
    assert turned is not None
    assert (large.lo, large.hi) == pytest.approx((1024 * small.lo, 1024 * small.hi))
    assert (-turned.hi, -turned.lo) == pytest.approx((small.lo, small.hi), abs=0.02)


def test_the_best_of_several_gets_a_wider_interval() -> None:
    first, second = [1.0, 0.0, 1.0, 1.0] * 10, [0.0, 0.0, 1.0, 0.0] * 10
    plain, chosen = (difference_of(first, second, seed=0, level=level) for level in (0.95, 1 - 0.05 / 4))
    assert plain is not None
    assert chosen is not None
    assert chosen.lo < plain.lo < plain.mean < plain.hi < chosen.hi


@pytest.mark.parametrize("p", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("n", [30, 100])
def test_the_interval_of_a_mean_covers_a_true_share(p: float, n: int) -> None:
    rng, covered = np.random.default_rng(n), 0
    for trial in range(300):
        interval = mean_interval((rng.random(n) < p).astype(float).tolist(), (0.0, 1.0), seed=trial, n_resamples=500)
        assert interval is not None
        assert interval.lo >= 0
        assert interval.hi <= 1
        covered += interval.lo <= p <= interval.hi
    assert covered / 300 >= 0.92


def test_thirty_right_answers_of_thirty_leave_room_for_wrong_ones() -> None:
    interval = mean_interval([1.0] * 30 + [None], (0.0, 1.0), seed=0)
    assert interval is not None
    assert interval.hi == pytest.approx(1)
    assert (interval.mean, interval.n, interval.dropped) == (1.0, 30, 1)
    assert 0.88 < interval.lo < 0.96


def test_a_wide_range_does_not_widen_the_interval_of_scores_that_lie_close_together() -> None:
    values = [-4.1, -3.9, -4.0, -4.2, -3.8] * 4
    interval = mean_interval(values, (-1e308, 1e308), seed=0)
    assert interval is not None
    assert -4.2 < interval.lo < interval.hi < -3.8


def test_no_mean_is_claimed_where_nothing_was_judged() -> None:
    assert mean_interval([None, None], (0.0, 1.0), seed=0) is None


def test_a_failure_seen_elsewhere_widens_the_interval_of_a_mean_that_has_none() -> None:
    values = [0.7, 0.8, 0.75] * 10
    alone, warned = (mean_interval(values, (0.0, 1.0), seen=seen, seed=0) for seen in ((), (0.0, None)))
    assert alone is not None
    assert warned is not None
    assert warned.lo < alone.lo - 0.01
    assert warned.mean == alone.mean
