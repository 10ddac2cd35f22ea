"""Tests of searches on made-up landscapes, which a benchmark compares."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from benchmarks.landscapes import WAYS, Family, Way, World, families, searched


def ended(family: Family, way: Way, *, seed: int) -> tuple[float, int, int]:
    """The champion's true mean, how many candidates there were, and what was spent."""
    world = World(family, 60, seed)
    mean, candidates = asyncio.run(searched(world, way, n_evaluations=1_500, seed=seed))
    return mean, candidates, world.spent


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_search_spends_what_it_is_given_and_ends_alike_each_time(way: Way) -> None:
    family = next(families())
    first = ended(family, way, seed=1)
    assert first == ended(family, way, seed=1)
    assert 1_500 <= first[2] <= 1_500 + 2 * 60 + 6


@pytest.mark.parametrize("family", tuple(families()), ids=lambda family: family.name)
def test_a_true_mean_is_what_scores_come_to(family: Family) -> None:
    means, true = [], []
    for seed in range(30):
        world = World(family, 200, seed)
        evaluation = asyncio.run(world(world.task.seed, world.task.splits["val"], candidate=0))
        means.append(evaluation.mean or 0.0)
        true.append(world.true_mean(world.task.seed))
    assert np.mean(means) == pytest.approx(np.mean(true), abs=0.02)


@pytest.mark.parametrize("family", tuple(families()), ids=lambda family: family.name)
def test_every_landscape_can_be_climbed(family: Family) -> None:
    world = World(family, 60, 0)
    best, rng = world.task.seed, np.random.default_rng(0)
    for number in range(1, 200):
        child = world.child(best, int(rng.integers(2**31)) + number)
        best = max(child, best, key=world.true_mean)
    assert world.true_mean(best) > world.true_mean(world.task.seed) + 0.1
