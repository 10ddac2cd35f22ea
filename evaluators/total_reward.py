"""Total reward: what an episode is worth where the task's author gives no scorer."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from .task import Example, Score, Scorer

__all__ = ["total_reward"]

_LAST: Final = 3


def total_reward(lo: float, hi: float) -> Scorer:
    """A scorer that gives an episode its total reward, held between `lo` and `hi`: the task's range.

    The feedback says how it went: the total, the steps, whether the environment ended it, and its last actions.
    """

    def score(output: object, example: Example, /) -> Score:
        del example
        episode = cast("dict[str, Any]", output)
        total, steps = episode["total"], episode["steps"]
        ending = "ended by the environment" if episode["done"] else "cut off at the limit of steps"
        last = ", ".join(f"{_shown(action)} gave {reward:g}" for action, reward in _last(episode))
        held = f", held to {min(max(total, lo), hi):g}" if not lo <= total <= hi else ""
        feedback = f"total reward {total:g}{held} in {steps} step{'s' if steps != 1 else ''}, {ending}; the last: {last}"
        return Score(value=min(max(total, lo), hi), feedback=feedback)

    return score


def _last(episode: dict[str, Any]) -> list[tuple[object, float]]:
    return list(zip(episode["actions"], episode["rewards"], strict=True))[-_LAST:]


def _shown(action: object) -> str:
    text = json.dumps(action, ensure_ascii=False).encode("utf-8", "replace").decode()
    return text if len(text) <= 80 else f"{text[:80]}…"
