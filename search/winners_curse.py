"""Winner's curse: by how much the best of several looks better than it is, on the examples that chose it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["winners_curse"]

_RESAMPLES: Final = 4_000


def winners_curse(values: Sequence[Sequence[float | None]], *, seed: int, n_resamples: int = _RESAMPLES) -> float | None:
    """The expected excess of the winner's mean over its true mean, where the winner is the one with the best mean of all.

    The choice is made again and again, on examples drawn with replacement, among programs whose true means are guessed: the means seen,
    drawn together as far as chance alone drives them apart (James and Stein 1961, with the share of chance from the two-way residuals). A
    bootstrap of the choice without that takes the means seen for the true ones, and finds too little where all are alike.

    Args:
        values: For each of the programs among which the choice was, its values by example; the same examples in the same order.
        seed: Seed of the resampling.
        n_resamples: Choices that are made again.

    Returns:
        In the task's unit, 0 or more; of programs that were the best of many already it is what this last choice adds. None where fewer
        than two programs or fewer than two examples count; an example counts where every program was judged on it.
    """
    columns = [column for column in zip(*values, strict=True) if None not in column]
    if len(values) < 2 or len(columns) < 2:
        return None
    table = np.array(columns, dtype=float).T
    means = table.mean(axis=1)
    guesses = means.mean() + _kept(table) * (means - means.mean())
    rng, n = np.random.default_rng(seed), table.shape[1]
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    luck = weights @ table.T - means
    winners = (guesses + luck).argmax(axis=1)
    return max(0.0, float(luck[np.arange(n_resamples), winners].mean()))


def _kept(table: NDArray[np.float64]) -> float:
    """The share of the spread of means, 0 to 1, that is not chance; rows are programs, columns examples."""
    n_programs, n = table.shape
    means = table.mean(axis=1)
    residuals = table - means[:, None] - table.mean(axis=0) + table.mean()
    chance = float((residuals**2).sum()) / ((n_programs - 1) * (n - 1)) / n
    spread = float(means.var(ddof=1))
    return max(0.0, 1 - chance / spread) if spread > 0 else 0.0
