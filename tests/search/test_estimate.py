"""Estimates: what a prefix of scores says of the mean over all examples."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from graftwork.search.estimate import Estimate, estimate

_values = st.lists(st.one_of(st.none(), st.floats(-1, 1)), min_size=1, max_size=30)


def test_the_seed_is_what_it_is_and_better_known_the_more_examples_there_are() -> None:
    few, many = (estimate([0.0, 1.0, 0.5] * times, [0.0, 1.0, 0.5] * times, lo=0.0) for times in (1, 40))
    assert few.mean == many.mean == few.seed == few.cautious == 0.5
    assert many.error < few.error / 30


def test_a_few_examples_on_a_line_make_nobody_sure() -> None:
    right = estimate([1.0] * 6, [0.0, 1.0, 1.0, 0.0, 0.0, 1.0] * 5, lo=0.0)
    assert 0.05 < right.error < 0.2
    two = estimate([1.0, 0.0], [1.0, 0.0, 0.0, 0.0], lo=0.0)
    assert two.error > 0.2


def test_a_prefix_of_easy_examples_flatters_nobody() -> None:
    baseline = [1.0, 1.0, 0.9, 0.0, 0.1, 0.0]
    same = estimate(baseline[:3], baseline, lo=0.0)
    assert same.mean == sum(baseline) / 6
    assert estimate([0.5, 0.5, 0.4], baseline, lo=0.0).mean < 0.01


def test_nothing_that_counts_is_the_lowest_score_and_unsure() -> None:
    assert estimate([None], [1.0], lo=-3.0) == Estimate(mean=-3.0, error=math.inf, n=0, seed=1.0)
    assert estimate([0.25, None], [1.0, 1.0], lo=0.0) == Estimate(mean=0.25, error=math.sqrt(0.125), n=1, seed=1.0)


def test_a_gain_counts_as_one_however_unsure_and_of_two_alike_the_surer_is_ahead() -> None:
    sure, unsure = (Estimate(mean=0.6, error=error, n=9, seed=0.5) for error in (0.05, 0.2))
    assert 0.5 < unsure.cautious < sure.cautious < 0.6
    assert Estimate(mean=0.4, error=0.2, n=9, seed=0.5).cautious == 0.4
    assert Estimate(mean=0.6, error=math.inf, n=1, seed=0.5).cautious == 0.5


@given(_values, _values)
def test_an_estimate_is_never_nan_and_its_error_never_negative(values: list[float | None], baseline: list[float | None]) -> None:
    found = estimate(values, baseline, lo=-1.0)
    assert not math.isnan(found.mean)
    assert found.error >= 0
    assert found.cautious <= found.mean


def test_the_error_is_that_of_repeated_draws() -> None:
    rng = random.Random(0)
    baseline = [float(rng.random() < 0.5) for _ in range(10_000)]
    means, errors = [], []
    for _ in range(400):
        prefix = rng.sample(range(10_000), 60)
        alike = [baseline[place] if rng.random() < 0.7 else float(rng.random() < 0.5) for place in prefix]
        found = estimate(alike, [baseline[place] for place in prefix] + baseline, lo=0.0)
        means.append(found.mean)
        errors.append(found.error)
    centre = sum(means) / 400
    spread = math.sqrt(sum((mean - centre) ** 2 for mean in means) / 399)
    assert abs(centre - 0.5) < 0.015
    assert 0.85 < spread / (sum(errors) / 400) < 1.15
