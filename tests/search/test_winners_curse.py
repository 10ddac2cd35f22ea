"""Tests of the expected winner's curse."""

from __future__ import annotations

import numpy as np
import pytest

from graftwork.search.winners_curse import winners_curse


@pytest.mark.parametrize(("n_programs", "apart"), [(2, 0.0), (4, 0.0), (4, 0.2), (16, 0.0), (16, 0.05), (16, 0.2)])
def test_the_curse_is_what_the_winner_loses_on_other_examples(n_programs: int, apart: float) -> None:
    rng = np.random.default_rng(1)
    lost, said = list[float](), list[float]()
    for trial in range(150):
        true = rng.normal(0, apart, n_programs)
        values = true[:, None] + rng.normal(0, 0.3, 50) + rng.normal(0, 0.4, (n_programs, 50))
        winner = values.mean(axis=1).argmax()
        lost.append(float(values[winner].mean() - true[winner]))
        curse = winners_curse(values.tolist(), seed=trial, n_resamples=300)
        assert curse is not None
        said.append(curse)
    error = np.std(lost) / np.sqrt(len(lost))
    assert np.mean(said) == pytest.approx(np.mean(lost), abs=0.012 + 2 * error)


def test_a_clear_winner_owes_nothing_to_luck() -> None:
    clear = [[1.0, 1.0, 1.0, 0.9, 1.0, 1.0] * 5, [0.1, 0.0, 0.0, 0.0, 0.1, 0.0] * 5]
    assert winners_curse(clear, seed=0) == pytest.approx(0, abs=1e-3)


def test_programs_that_score_alike_everywhere_add_no_curse() -> None:
    assert winners_curse([[0.0, 1.0, 1.0]] * 3, seed=0) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("values", [[], [[1.0, 0.0, 1.0]], [[1.0, None], [0.0, 1.0]]])
def test_nothing_is_said_where_there_was_no_choice_or_no_two_examples(values: list[list[float | None]]) -> None:
    assert winners_curse(values, seed=0) is None


def test_the_same_seed_says_the_same() -> None:
    values = [[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]]
    assert winners_curse(values, seed=3) == winners_curse(values, seed=3)
