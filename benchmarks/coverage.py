"""Whether the champion's interval covers the truth: searches simulated with their winner's curse, where the truth is known.

python -m benchmarks.coverage --runs 2000 --seed 0

In each run 32 children of a seed are scored on val; the best four and the seed are scored on confirm, where the champion is chosen; then
champion and seed are scored on test, once. Each split has n examples. A row says how often 95 % intervals cover: of the champion's
difference to the seed on test (beside it the percentile bootstrap's, and how much wider ours is), of the champion's own mean on test
(the scores on other splits say how far scores reach), and of its difference on confirm, as it stands and corrected for the choice. Then
how much better the champion looks on val than it is, and how much of that `winners_curse` says, of all children and of the finalists
alone; both as shares of the score range.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftwork.search.comparison import difference_of, mean_interval
from graftwork.search.winners_curse import winners_curse

__all__ = ["Covered", "Family", "covered", "families", "main"]

Floats = NDArray[np.float64]
_CHILDREN: Final = 32
_FINALISTS: Final = 4
_RESAMPLES: Final = 500
_SIZES: Final = (30, 60, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of task.

    Attributes:
        name: How its scores are spread.
        spread: Standard deviation of the children's true gains over the seed.
        mean: The true mean of a program of that gain.
        draw: Scores of programs of these gains on new examples, (programs, n), within 0 and 1.
    """

    name: str
    spread: float
    mean: Callable[[float], float]
    draw: Callable[[np.random.Generator, Floats, int], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """How often intervals covered, as shares of runs, and the winner's curse, as shares of the score range.

    Attributes:
        name: The family's.
        n: Examples of each split.
        difference: Of the champion less the seed on test.
        percentile: The same by the percentile bootstrap.
        width: Mean width of the first, by that of the second.
        mean: Of the champion's mean on test.
        confirm: Of the difference on confirm, as it stands.
        corrected: The same, corrected for the choice.
        curse: Mean excess of the best on val over its true mean.
        said: What `winners_curse` says of it, from all children.
        said_of_finalists: What it says from the finalists alone.
    """

    name: str
    n: int
    difference: float
    percentile: float
    width: float
    mean: float
    confirm: float
    corrected: float
    curse: float
    said: float
    said_of_finalists: float


def families() -> Iterator[Family]:
    """The kinds of task of the table. Gains are limited so that every score stays within its range and the mean is exact."""
    yield Family(name="right or wrong, examples hard and easy", spread=0.05, mean=lambda g: 0.5 + g, draw=_answers(0.2, 0.8))
    yield Family(name="right or wrong, nearly all right", spread=0.02, mean=lambda g: 0.9 + g, draw=_answers(0.85, 0.95))
    yield Family(name="continuous, even", spread=0.05, mean=lambda g: 0.5 + g, draw=_even)
    yield Family(name="continuous, one in ten fails", spread=0.03, mean=lambda g: 0.7 * (0.9 + g), draw=_failing)
    yield Family(name="continuous, a long tail of losses", spread=0.03, mean=lambda g: 0.9 + g, draw=_long_tail)


def _answers(low: float, high: float) -> Callable[[np.random.Generator, Floats, int], Floats]:
    def draw(rng: np.random.Generator, gains: Floats, n: int) -> Floats:
        return (rng.random((len(gains), n)) < rng.uniform(low, high, n) + gains[:, None]).astype(float)

    return draw


def _even(rng: np.random.Generator, gains: Floats, n: int) -> Floats:
    return rng.uniform(0.35, 0.65, n) + gains[:, None] + 0.3 * (rng.beta(3, 3, (len(gains), n)) - 0.5)


def _failing(rng: np.random.Generator, gains: Floats, n: int) -> Floats:
    good = rng.uniform(0.55, 0.75, n) + 0.1 * rng.random((len(gains), n))
    return np.where(rng.random((len(gains), n)) < 0.9 + gains[:, None], good, 0.0)


def _long_tail(rng: np.random.Generator, gains: Floats, n: int) -> Floats:
    return 1 - (0.1 - gains[:, None]) * 10 * rng.beta(0.5, 4.5, (len(gains), n))


def covered(family: Family, n: int, *, n_runs: int, seed: int) -> Covered:
    """Simulate runs of a family with n examples in each split."""
    rng = np.random.default_rng([seed, n, *family.name.encode()])
    rows = np.array([_run(family, n, rng) for _ in range(n_runs)]).mean(axis=0).tolist()
    difference, percentile, width, own_width, mean, confirm, corrected, curse, said, said_of_finalists = rows
    return Covered(
        name=family.name,
        n=n,
        difference=difference,
        percentile=percentile,
        width=width / own_width,
        mean=mean,
        confirm=confirm,
        corrected=corrected,
        curse=curse,
        said=said,
        said_of_finalists=said_of_finalists,
    )


def _run(family: Family, n: int, rng: np.random.Generator) -> tuple[float, ...]:
    """One run: what covered (1 or 0), two widths, and the curse three ways."""
    most = 2.5 * family.spread
    gains = np.append(0.0, np.clip(rng.normal(-family.spread / 2, family.spread, _CHILDREN), -most, most))
    val = family.draw(rng, gains, n)
    best = np.argsort(-val.mean(axis=1), kind="stable")
    finalists = [0, *best[best != 0][:_FINALISTS].tolist()]
    confirm = family.draw(rng, gains[finalists], n)
    place = int(confirm.mean(axis=1).argmax())
    champion, leader = finalists[place], int(best[0])
    test = family.draw(rng, gains[[champion, 0]], n)
    mean = family.mean(float(gains[champion]))
    gain = mean - family.mean(0.0)
    ends = _difference(test[0], test[1], 0.95, rng)
    plain = _percentile(test[0] - test[1], rng)
    seen = np.concatenate([val[champion], val[0], confirm[place], confirm[0], test[1]]).tolist()
    own = mean_interval(test[0].tolist(), (0.0, 1.0), seen=seen, seed=int(rng.integers(2**32)), n_resamples=_RESAMPLES)
    pairs = ((confirm[place], confirm[0], level) for level in (0.95, 1 - 0.05 / len(finalists)))
    on_confirm = [True, True] if champion == 0 else [_covers(_difference(*pair, rng), gain) for pair in pairs]
    said = [winners_curse(val[chosen].tolist(), seed=0, n_resamples=100) or 0.0 for chosen in (slice(None), finalists)]
    return (
        # The seed as champion is compared with itself, and no difference is claimed.
        champion == 0 or _covers(ends, gain),
        champion == 0 or _covers(plain, gain),
        ends[1] - ends[0],
        plain[1] - plain[0],
        own is not None and _covers((own.lo, own.hi), mean),
        *on_confirm,
        float(val[leader].mean()) - family.mean(float(gains[leader])),
        *said,
    )


def _difference(first: Floats, second: Floats, level: float, rng: np.random.Generator) -> tuple[float, float]:
    found = difference_of(first.tolist(), second.tolist(), seed=int(rng.integers(2**32)), n_resamples=_RESAMPLES, level=level)
    return (found.lo, found.hi) if found is not None else (0.0, 0.0)


def _percentile(differences: Floats, rng: np.random.Generator) -> tuple[float, float]:
    n = len(differences)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    lo, hi = np.quantile(weights @ differences, [0.025, 0.975])
    return float(lo), float(hi)


def _covers(ends: tuple[float, float], truth: float) -> bool:
    return ends[0] - 1e-12 <= truth <= ends[1] + 1e-12


def main() -> None:
    """Print the table, and at the end the same as one line of JSON."""
    parser = argparse.ArgumentParser(description="Simulate searches and count how often the champion's intervals cover the truth.")
    parser.add_argument("--runs", type=int, default=2_000, help="simulated runs of each row")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    began, rows = time.process_time(), list[Covered]()
    print("| scores | n | difference | percentile | width | mean | confirm | corrected | curse | said | of finalists |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for family in families():
        for n in _SIZES:
            row = covered(family, n, n_runs=asked.runs, seed=asked.seed)
            rows.append(row)
            shares = (f"{row.difference:.1%}", f"{row.percentile:.1%}", f"{row.width:.2f}", f"{row.mean:.1%}", f"{row.confirm:.1%}")
            curses = (f"{row.corrected:.1%}", f"{row.curse:.3f}", f"{row.said:.3f}", f"{row.said_of_finalists:.3f}")
            print(f"| {row.name} | {row.n} | {' | '.join((*shares, *curses))} |", flush=True)
    spent = time.process_time() - began
    print(json.dumps({"runs": asked.runs, "seed": asked.seed, "rows": [asdict(row) for row in rows], "cpu_s": spent}))


if __name__ == "__main__":
    main()
