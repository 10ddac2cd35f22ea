"""Small environments for tests, their stage, and programs that act in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from graftwork.evaluators.environment import EnvironmentFactory
from graftwork.evaluators.evaluation import Outcome, Work
from graftwork.evaluators.stage import LiveStage
from graftwork.evaluators.task import Example

__all__ = ["BISECTS", "Corridor", "Guessing", "episode_of", "staged"]

BISECTS: Final = """
BOUNDS: dict[str, int] = {}

def solve(observation, high):
    if observation is None:
        BOUNDS.update(low=1, high=high)
    elif observation == "higher":
        BOUNDS["low"] = BOUNDS["guess"] + 1
    else:
        BOUNDS["high"] = BOUNDS["guess"] - 1
    BOUNDS["guess"] = (BOUNDS["low"] + BOUNDS["high"]) // 2
    return BOUNDS["guess"]
"""


class Guessing:
    """A number from 1 to `high` is to be guessed; each guess costs 1, and one out of bounds is refused."""

    closed: Final[list[int]] = []

    def __init__(self, example: Example) -> None:
        self._number, self._high = int(str(example.target)), int(str(example.inputs["high"]))
        self._thread = threading.get_ident()

    def reset(self) -> object:
        assert self._thread == threading.get_ident()
        return None

    def step(self, action: Any) -> tuple[object, float, bool]:
        assert self._thread == threading.get_ident()
        if type(action) is not int or not 1 <= action <= self._high:
            raise ValueError(f"a guess is a whole number from 1 to {self._high}, not {action!r}")
        return "higher" if action < self._number else "lower", -1.0, action == self._number

    def close(self) -> None:
        self.closed.append(self._number)


class Corridor:
    """Shows what it was told to, and is never done; by its seed two of them differ."""

    def __init__(self, example: Example, *, seed: int, wait_s: float = 0.0, raises: Exception | None = None) -> None:
        self._example, self._seed, self._wait_s, self._raises = example, seed, wait_s, raises

    def reset(self) -> object:
        return self._seed

    def step(self, _action: Any) -> tuple[object, float, bool]:
        time.sleep(self._wait_s)
        if self._raises is not None:
            raise self._raises
        return self._seed, 0.5, False


def staged(work: Work, factory: EnvironmentFactory, *, target: object = None, strict: bool = True) -> LiveStage:
    """A stage for the examples of some work."""
    examples = {case.example_id: Example(id=case.example_id, inputs=case.inputs, target=target) for case in work.cases}
    return LiveStage(factory, examples, strict=strict)


def episode_of(outcome: Outcome) -> Mapping[str, Any]:
    """What a policy did; it must not have failed."""
    assert isinstance(outcome.output, dict), outcome.failure
    return outcome.output
