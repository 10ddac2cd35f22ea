"""What races claim, find and cost: children of known gain against their parents, and the strict gate on three examples beside it.

python -m benchmarks.racing --children 2000 --seed 0 --examples 300
python -m benchmarks.racing --children 100000 --only 20%

Each row is one kind of child. `promoted` is the share of raced children that were promoted, `examples` the mean number of examples that a
race took; `strict gate` is the share of the same children that do better than the parent on their first three examples.
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

from graftwork.search.racing import Race, Standing, Verdict

__all__ = ["Kind", "Raced", "kinds", "main", "raced"]

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
_GATE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of children.

    Attributes:
        name: What differs between child and parent, in words.
        gain: True mean difference, as a share of the score range.
        draw: Differences on so many examples.
    """

    name: str
    gain: float
    draw: Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """How the children of a kind fared.

    Attributes:
        name: The kind's.
        gain: The kind's.
        promoted: Share promoted.
        dropped: Share dropped.
        examples: Mean examples of a race.
        strict_gate: Share that a strict gate on three examples promotes.
    """

    name: str
    gain: float
    promoted: float
    dropped: float
    examples: float
    strict_gate: float


def kinds() -> Iterator[Kind]:
    """The kinds of the table."""
    for differing, gains in ((0.2, (0.0, 0.1, -0.1)), (0.48, (0.0, 0.1, 0.3, -0.1))):
        for gain in gains:
            yield Kind(name=f"right or wrong, {differing:.0%} of examples differ", gain=gain, draw=_flips(differing, gain))
    for gain in (0.0, 0.1, -0.1):
        yield Kind(name="continuous, standard deviation 0.25", gain=gain, draw=_smooth(0.25, gain))
    yield Kind(name="continuous, 10 % lose 0.9, the others gain 0.1", gain=0.0, draw=_two_values(-0.9, 0.1))
    yield Kind(name="continuous, 10 % gain 0.9, the others lose 0.1", gain=0.0, draw=_two_values(0.9, -0.1))
    yield Kind(name="no example differs", gain=0.0, draw=lambda _rng, n: np.zeros(n))


def _flips(differing: float, gain: float) -> Draw:
    shares = ((differing + gain) / 2, (differing - gain) / 2, 1 - differing)
    return lambda rng, n: rng.choice((1.0, -1.0, 0.0), p=shares, size=n)


def _smooth(deviation: float, gain: float) -> Draw:
    """Differences of a symmetric beta distribution on `gain` - h to `gain` + h, where h is what fits: so the mean is the gain exactly."""
    half = 1 - abs(gain)
    shape = ((half / deviation) ** 2 - 1) / 2
    return lambda rng, n: gain + half * (2 * rng.beta(shape, shape, size=n) - 1)


def _two_values(rare: float, common: float) -> Draw:
    return lambda rng, n: np.where(rng.random(n) < 0.1, rare, common)


def raced(kind: Kind, race: Race, *, n_children: int, seed: int) -> Raced:
    """Race children of a kind, each on examples of its own."""
    rng = np.random.default_rng([seed, *kind.name.encode(), round(1000 * (1 + kind.gain))])
    verdicts: list[Verdict] = []
    examples = passed = 0
    for _ in range(n_children):
        differences = kind.draw(rng, race.at_most).tolist()
        passed += sum(differences[:_GATE]) > 0
        standing = Standing()
        while n := race.next_batch(standing):
            standing = race.extend(standing, differences[standing.n : standing.n + n])
        verdicts.append(race.verdict(standing))
        examples += standing.n
    return Raced(
        name=kind.name,
        gain=kind.gain,
        promoted=verdicts.count("promoted") / n_children,
        dropped=verdicts.count("dropped") / n_children,
        examples=examples / n_children,
        strict_gate=passed / n_children,
    )


def main() -> None:
    """Print the table, and at the end the same as one line of JSON."""
    parser = argparse.ArgumentParser(description="Race children of known gain against their parents.")
    parser.add_argument("--children", type=int, default=2_000, help="raced children of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=Race().at_most, help="examples that there are")
    parser.add_argument("--level", type=float, default=Race().level, help="chance that a child is promoted that is no better")
    parser.add_argument("--only", default="", help="kinds of children whose name has this in it")
    asked = parser.parse_args()
    race, began, rows = Race(level=asked.level).within(asked.examples), time.process_time(), list[Raced]()
    print("| child | true gain | promoted | dropped | examples, mean | strict gate on 3 |\n|---|---|---|---|---|---|")
    for kind in (kind for kind in kinds() if asked.only in kind.name):
        row = raced(kind, race, n_children=asked.children, seed=asked.seed)
        rows.append(row)
        print(
            f"| {row.name} | {row.gain:+.0%} | {row.promoted:.1%} | {row.dropped:.1%} | {row.examples:.0f} | {row.strict_gate:.1%} |",
            flush=True,
        )
    spent = time.process_time() - began
    print(
        json.dumps(
            {"children": asked.children, "seed": asked.seed, "race": asdict(race), "rows": [asdict(r) for r in rows], "cpu_s": spent}
        )
    )


if __name__ == "__main__":
    main()
