"""Online bin packing: put each item, as it comes, into an opened bin or into a new one."""

import math

import numpy as np


def priority(item: int, gaps: np.ndarray) -> np.ndarray:
    """How much the item is wanted in each bin that it fits into; it goes into the bin with the highest priority.

    Best fit: the bin in which the least room would be left.

    Args:
        item: Size of the item, at least 1.
        gaps: (bins,) float64: room left in each opened bin that the item fits into, the oldest bin first, and last the whole
            capacity of a new, empty bin. Every gap is at least `item`.

    Returns:
        (bins,) numbers; of equal ones the first wins, and -inf means never.
    """
    return -(gaps - item)


def solve(items: list[int], capacity: int) -> list[int]:
    """The bin of each item, bins being numbered from 0 in the order in which they are opened."""
    gaps = np.full(len(items) + 1, float(capacity))
    opened = 0
    packing = []
    for item in items:
        fitting = (gaps[: opened + 1] >= item).nonzero()[0]
        wanted = np.asarray(priority(item, gaps[fitting]))
        if wanted.shape != fitting.shape or wanted.dtype.kind not in "biuf":
            raise ValueError(f"priority must return {fitting.shape[0]} real numbers, not {wanted.dtype} of shape {wanted.shape}")
        best = int(wanted.argmax())
        if not math.isfinite(wanted[best]):
            raise ValueError(f"the highest priority must be finite, not {wanted[best]}")
        chosen = int(fitting[best])
        gaps[chosen] -= item
        opened += chosen == opened
        packing.append(chosen)
    return packing
