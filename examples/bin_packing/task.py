"""Online bin packing as FunSearch posed it: Weibull items, scored by the bins used above the lower bound."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import cast

from instances import or_like, weibull  # type: ignore[import-not-found]  # lies beside this file; found when the task is loaded

import graftwork as gw

__all__ = ["Causality", "score", "task"]


def score(output: object, example: gw.Example) -> gw.Score:
    """Minus the bins used above ceil(sum / capacity), in percent of it; what is no legal packing is invalid.

    A legal packing names one bin for each item, numbers bins from 0 in the order in which they are opened, and overfills none.
    """
    items, capacity = _unpack(example.inputs)
    if reason := _illegal(output, items, capacity):
        return gw.Score(value=None, invalid=reason)
    loads = _loads(cast("list[int]", output), items)
    used, bound = len(loads), -(-sum(items) // capacity)
    feedback = (
        f"{used} bins for {len(items)} items where {bound} is the lower bound; "
        f"{sum(load == capacity for load in loads)} bins are full, {sum(2 * load < capacity for load in loads)} less than half full"
    )
    return gw.Score(value=max(-100.0, 100 * (bound - used) / bound), feedback=feedback)


def _unpack(inputs: Mapping[str, object]) -> tuple[list[int], int]:
    return cast("list[int]", inputs["items"]), cast("int", inputs["capacity"])


def _illegal(output: object, items: list[int], capacity: int) -> str:
    if not _one_each(output, items):
        return f"expected a list with one bin for each of {len(items)} items, got {_short(output)}"
    opened, packing = 0, cast("list[object]", output)
    for position, bin_index in enumerate(packing):
        if type(bin_index) is not int:  # a boolean is an int to isinstance
            return f"expected a bin's number for item {position}, got {_short(bin_index)}"
        if not 0 <= bin_index <= opened:
            return f"item {position} is in bin {bin_index}, but only bins 0 to {opened} are open or next to be opened"
        opened += bin_index == opened
    for bin_index, load in enumerate(_loads(cast("list[int]", packing), items)):
        if load > capacity:
            return f"bin {bin_index} holds {load}, more than the capacity {capacity}"
    return ""


def _one_each(packing: object, items: list[int]) -> bool:
    return isinstance(packing, list) and len(packing) == len(items)


def _loads(packing: list[int], items: list[int]) -> list[int]:
    loads = [0] * (max(packing) + 1)
    for bin_index, size in zip(packing, items, strict=True):
        loads[bin_index] += size
    return loads


def _short(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else repr(value)[:60]


class Causality:
    """No decision may depend on items that come later: it is what makes the packing online."""

    def variant(self, inputs: Mapping[str, object], rng: random.Random) -> dict[str, object]:
        """The same items up to a random cut, then others, and another number of them."""
        items, capacity = _unpack(inputs)
        smallest, largest = min(items), max(items)
        cut = rng.randrange(1, len(items))
        tail = [rng.randint(smallest, largest) for _ in range(rng.randint(1, len(items)))]
        return {"items": items[:cut] + tail, "capacity": capacity}

    def violation(self, inputs: Mapping[str, object], output: object, changed: Mapping[str, object], other: object) -> str:
        """The first item that went elsewhere although all items up to it were the same; empty when there is none."""
        items, changed_items = _unpack(inputs)[0], _unpack(changed)[0]
        if not _one_each(output, items) or not _one_each(other, changed_items):
            return "one of the two runs gave no list with one bin for each item"
        same = zip(items, changed_items, cast("list[int]", output), cast("list[int]", other), strict=False)
        for position, (item, changed_item, bin_index, other_index) in enumerate(same):
            if item != changed_item:
                return ""
            if bin_index != other_index:
                return f"item {position} went into bin {bin_index}, but into bin {other_index} when only later items were others"
        return ""


# A rule that holds some bins back for items to come pays for them at the end of an instance, and the more the shorter it is:
# the longer ones among val show such rules at a better part of their worth on 5,000 items.
task = gw.task(
    name="bin_packing",
    description=(
        "Online bin packing: items come one by one, and each must be put into an opened bin that has room for it or into a new bin, "
        "without knowing what comes later; few bins are to be used. `priority` ranks the bins for an item. "
        "Sizes follow a Weibull distribution around 40 of a capacity of 100."
    ),
    program="program.py",
    examples={
        "train": [{"inputs": weibull(1000, seed), "target": None} for seed in range(1, 5)],
        "val": [{"inputs": weibull(n, seed), "target": None} for n, seed in zip([1000] * 4 + [2000] * 2, range(11, 17), strict=True)],
        "confirm": [{"inputs": weibull(2000, seed), "target": None} for seed in range(21, 26)],
        "test": [{"inputs": weibull(5000, seed), "target": None} for seed in range(31, 36)],
    },
    transfer={"or3_like": [{"inputs": or_like(500, seed), "target": None} for seed in range(41, 61)]},
    score=score,
    score_range=(-100.0, 0.0),
    unit="% excess",
    entry="solve",
    frozen=("solve",),
    packages=("numpy",),
    limits=gw.Limits(timeout_s=5.0, memory_mb=256, calls=0),
    audits=(Causality(),),
)
