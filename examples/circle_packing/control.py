"""What circle packing gives without a model and without a search over programs: multistart SLSQP, for so many CPU seconds.

Usage: python examples/circle_packing/control.py [--n 26] [--seconds 160] [--seed 0]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

import graftwork as gw

__all__ = ["main", "multistart"]

Floats = npt.NDArray[np.float64]


def multistart(n: int, *, cpu_s: float, seed: int) -> tuple[Floats, int]:
    """The best of many local optima, as (n, 3) rows of x, y, radius shrunk by 1e-9, and the number of starts.

    Every third start is random, the others move two circles of the best packing so far somewhere else.
    """
    rng = np.random.default_rng(seed)
    best: Floats = np.zeros((n, 3))
    starts = 0
    stop_at = time.process_time() + cpu_s
    while time.process_time() < stop_at:
        start = np.column_stack([rng.random((n, 2)), np.full(n, 0.05)])
        if starts % 3 and best.any():
            moved = rng.choice(n, 2, replace=False)
            kept = best + rng.normal(0, 0.01, best.shape)
            kept[moved] = start[moved]
            start = kept
        found = _optimum(start)
        starts += 1
        if found[:, 2].sum() > best[:, 2].sum():
            best = found
    best[:, 2] = np.maximum(best[:, 2] * (1 - 1e-9) - 1e-12, 0.0)
    return best, starts


def _optimum(start: Floats) -> Floats:
    """A local optimum from (n, 3) starting values, by sequential quadratic programming; radii repaired to be feasible."""
    n = len(start)
    first, second = np.triu_indices(n, 1)
    rows = np.arange(len(first))

    def room(flat: Floats) -> Floats:
        x, y, r = flat.reshape(n, 3).T
        apart = np.hypot(x[first] - x[second], y[first] - y[second]) - r[first] - r[second]
        return np.concatenate([apart, x - r, 1 - x - r, y - r, 1 - y - r])

    walls = np.zeros((4 * n, n, 3))
    for k, (axis, sign) in enumerate([(0, 1), (0, -1), (1, 1), (1, -1)]):
        walls[np.arange(k * n, (k + 1) * n), np.arange(n), axis] = sign
        walls[np.arange(k * n, (k + 1) * n), np.arange(n), 2] = -1

    def room_slope(flat: Floats) -> Floats:
        at = flat.reshape(n, 3)
        between = at[first, :2] - at[second, :2]
        unit = between / np.maximum(np.linalg.norm(between, axis=1), 1e-12)[:, None]
        slope = np.zeros((len(first), n, 3))
        slope[rows, first, :2], slope[rows, second, :2] = unit, -unit
        slope[rows, first, 2] = slope[rows, second, 2] = -1
        return np.concatenate([slope, walls]).reshape(-1, 3 * n)

    aim = np.tile([0.0, 0.0, -1.0], n)
    result = minimize(
        lambda flat: float(aim @ flat),
        start.ravel(),
        jac=lambda _: aim,
        method="SLSQP",
        bounds=[(0, 1), (0, 1), (0, 0.5)] * n,
        constraints={"type": "ineq", "fun": room, "jac": room_slope},
        options={"maxiter": 150, "ftol": 1e-10},
    )
    return _repaired(result.x.reshape(n, 3))


def _repaired(circles: Floats) -> Floats:
    """The same centres with radii that break nothing: each is cut to what its walls and the others leave."""
    centres = np.clip(circles[:, :2], 0, 1)
    distances = np.linalg.norm(centres[:, None] - centres[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    radii = np.clip(circles[:, 2], 0, np.minimum(centres, 1 - centres).min(axis=1))
    for k in range(len(radii)):
        radii[k] = max(0.0, min(radii[k], (distances[k] - radii).min()))
    return np.column_stack([centres, radii])


def main() -> None:
    """Print the score of the control, as the task's own scorer gives it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=26)
    parser.add_argument("--seconds", type=float, default=160.0, help="CPU seconds")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    circles, starts = multistart(args.n, cpu_s=args.seconds, seed=args.seed)
    task = gw.load_task(Path(__file__).parent)
    example = gw.Example(id="control", inputs={"n": args.n, "seed": args.seed})
    print(f"n = {args.n}: {task.scorer(circles.tolist(), example)} from {starts} starts in {args.seconds:g} CPU seconds, seed {args.seed}")


if __name__ == "__main__":
    main()
