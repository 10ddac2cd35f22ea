"""Pack n circles of any radii into the unit square, so that the sum of their radii is large."""

import numpy as np

JITTER = 0.005
TRIES = 60
SWEEPS = 3


def layout(n: int) -> np.ndarray:
    """Where the centres begin: (n, 2) points in the unit square, in rows that are shifted by half a step against each other."""
    columns = int(np.ceil(np.sqrt(n)))
    rows = int(np.ceil(n / columns))
    points = []
    for k in range(n):
        row, column = divmod(k, columns)
        shift = 0.25 if row % 2 else -0.25
        points.append([(column + 0.5 + shift) / columns, (row + 0.5) / rows])
    return np.array(points)


def radii(centres: np.ndarray) -> np.ndarray:
    """(n,) radii for (n, 2) centres in the unit square: no circle overlaps another or leaves the square.

    Every circle begins as large as half the way to its nearest neighbour allows, and then grows into what room is left.
    """
    walls = np.minimum(centres, 1 - centres).min(axis=1)
    distances = np.linalg.norm(centres[:, None] - centres[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    grown: np.ndarray = np.minimum(walls, distances.min(axis=1) / 2)
    for _ in range(SWEEPS):
        for k in range(len(grown)):
            grown[k] = min(walls[k], (distances[k] - grown).min())
    return grown


def move(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other centres to try, near the given ones; (n, 2), inside the unit square."""
    return np.clip(centres + rng.normal(0, JITTER, centres.shape), 0.001, 0.999)


def solve(n: int, seed: int) -> list[list[float]]:
    """n circles as [x, y, radius]. They are shrunk a little, since they are checked without any tolerance."""
    rng = np.random.default_rng(seed)
    best = layout(n)
    best_sum = radii(best).sum()
    for _ in range(TRIES):
        centres = move(best, rng)
        if (total := radii(centres).sum()) > best_sum:
            best, best_sum = centres, total
    sizes = np.maximum(radii(best) * (1 - 1e-9) - 1e-12, 0.0)
    return [[float(x), float(y), float(radius)] for (x, y), radius in zip(best, sizes, strict=True)]
