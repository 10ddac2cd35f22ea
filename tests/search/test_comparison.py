"""Tests of the paired difference."""

from __future__ import annotations

import numpy as np
import pytest

from graftwork.search.comparison import paired_difference
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
