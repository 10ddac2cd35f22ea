"""Generated instances of online bin packing, like those on which FunSearch reports."""

from __future__ import annotations

import numpy as np

__all__ = ["or_like", "weibull"]

Inputs = dict[str, object]


def weibull(n_items: int, seed: int) -> Inputs:
    """An instance like FunSearch's: sizes clip(floor(45 W), 1, 100) with W of shape 3, capacity 100.

    The sizes of the instances that were published have the mean 39.75 (25,000 items, standard error 0.09), as rounding down
    gives it; rounding to the nearest would give 40.18 and first fit 0.13 percentage points more.
    """
    sizes = np.clip(np.floor(45 * np.random.default_rng(seed).weibull(3, n_items)), 1, 100)
    return {"items": [int(size) for size in sizes], "capacity": 100}


def or_like(n_items: int, seed: int) -> Inputs:
    """An instance like those of the OR library: sizes uniform on the integers from 20 to 100, capacity 150."""
    sizes = np.random.default_rng(seed).integers(20, 101, n_items)
    return {"items": [int(size) for size in sizes], "capacity": 150}
