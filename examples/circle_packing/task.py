"""Circle packing: n circles in the unit square, scored by the sum of their radii, checked with zero tolerance."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from typing import Final, cast

import graftwork as gw

__all__ = ["score", "task"]

Circle = tuple[Fraction, Fraction, Fraction]
LARGEST: Final = 1e6


def score(output: object, example: gw.Example) -> gw.Score:
    """The sum of the radii of a legal packing; anything else is invalid.

    Centres and radii are taken as the exact rational numbers that the floats are, so that no tolerance is needed: every circle
    lies inside the square and no two have an inner point in common, or the packing is none.
    """
    n = cast("int", example.inputs["n"])
    circles = _circles(output, n)
    if isinstance(circles, str):
        return gw.Score(value=None, invalid=circles)
    if reason := _outside(circles) or _overlap(circles):
        return gw.Score(value=None, invalid=reason)
    sizes = sorted(float(radius) for _, _, radius in circles)
    feedback = (
        f"radii from {sizes[0]:.4f} to {sizes[-1]:.4f}; the circles cover {math.pi * math.fsum(r * r for r in sizes):.1%} of the square"
    )
    return gw.Score(value=math.fsum(sizes), feedback=feedback)


def _circles(output: object, n: int) -> list[Circle] | str:
    """The circles as exact numbers, or what is wrong with them."""
    if not isinstance(output, list) or len(output) != n:
        return f"expected a list of {n} circles, got {f'a list of {len(output)}' if isinstance(output, list) else repr(output)[:60]}"
    circles = []
    for k, circle in enumerate(output):
        if not isinstance(circle, list) or len(circle) != 3 or not all(map(_is_ordinary, circle)):
            return f"circle {k} must be [x, y, radius] with finite numbers, none beyond a million, not {repr(circle)[:80]}"
        x, y, radius = (Fraction(number) for number in circle)
        circles.append((x, y, radius))
    return circles


def _is_ordinary(number: object) -> bool:
    """Whether it is a finite number near enough for its exact sums to be floats; a boolean, an int to `isinstance`, is none."""
    return type(number) in (int, float) and abs(cast("float", number)) <= LARGEST


def _outside(circles: list[Circle]) -> str:
    for k, (x, y, radius) in enumerate(circles):
        if radius < 0:
            return f"circle {k} has the negative radius {float(radius)}"
        if excess := max(radius - min(x, y, 1 - x, 1 - y), Fraction(0)):
            return f"circle {k} reaches {float(excess):.3g} beyond the unit square"
    return ""


def _overlap(circles: list[Circle]) -> str:
    for (i, (x, y, radius)), (j, (other_x, other_y, other_radius)) in combinations(enumerate(circles), 2):
        reach = radius + other_radius
        if (x - other_x) ** 2 + (y - other_y) ** 2 < reach * reach:
            distance = math.hypot(x - other_x, y - other_y)
            return f"circles {i} and {j} overlap by {float(reach) - distance:.3g}"
    return ""


def _rows(n: int, *seeds: int) -> list[dict[str, object]]:
    """Examples that differ in the seed of the program's own random choices."""
    return [{"inputs": {"n": n, "seed": seed}, "target": None} for seed in seeds]


task = gw.task(
    name="circle_packing",
    description=(
        "Pack n = 26 circles of any radii into the unit square; the sum of the radii is to be as large as possible. "
        "Circles must not overlap or leave the square by any amount: shrink them a little after any numerical optimisation. "
        "numpy and scipy may be imported; one packing may take 10 seconds; the seed makes random choices differ."
    ),
    program="program.py",
    examples={"train": _rows(26, 1), "val": _rows(26, 2, 3), "confirm": _rows(26, 4, 5), "test": _rows(26, 6, 7, 8)},
    transfer={"n_32": _rows(32, 9, 10)},
    score=score,
    score_range=(0.0, 3.2),  # by Cauchy and Schwarz the radii sum to less than sqrt(n / pi): 2.88 for 26, 3.19 for 32
    unit="sum of radii",
    entry="solve",
    packages=("numpy", "scipy"),
    limits=gw.Limits(timeout_s=10.0, memory_mb=1024, calls=0),
)
