"""The stage in the driver: what an environment may be, and whose mistake it is when it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graftwork.evaluators.evaluation import Case, Stepped
from graftwork.evaluators.stage import LiveStage, first_observation
from graftwork.evaluators.task import Example
from graftwork.programs.errors import InfrastructureError, TaskError

EXAMPLE = Example(id="e0", inputs={"high": 9}, target=3)
CASE = Case(example_id="e0", inputs={"high": 9})


class Given:
    """Answers with whatever it is told to."""

    def __init__(self, step: Callable[[Any], Any], *, observation: object = 0, close: Callable[[], None] | None = None) -> None:
        self._step, self._observation = step, observation
        if close is not None:
            self.close = close

    def reset(self) -> object:
        return self._observation

    def step(self, action: Any) -> Any:
        return self._step(action)


def stepped(environment: Callable[..., Any], *, strict: bool = True, patience_s: float = 5.0) -> Stepped:
    """What a first step brings."""

    async def act() -> Stepped:
        async with LiveStage(environment, {"e0": EXAMPLE}, strict=strict, patience_s=patience_s) as stage:
            await stage.enter("r", CASE)
            return await stage.step("r", "go")

    return asyncio.run(act())


def test_numbers_and_truths_of_numpy_are_taken() -> None:
    given = np.arange(2), np.float32(0.5), np.bool_(True)
    assert stepped(lambda _: Given(lambda _: given)) == Stepped(observation=[0, 1], reward=0.5, done=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 1.0, False, False, {}), "must return (observation, reward, done), not 5 values (of Gymnasium's five"),
        (None, "must return (observation, reward, done), not a NoneType"),
        ((0, float("nan"), False), "reward must be a finite number, not nan"),
        ((0, True, False), "reward must be a finite number, not True"),
        ((0, 1.0, 1), "`done` must be True or False, not 1"),
        (({1}, 1.0, False), "must give an observation of JSON values"),
        (("x" * 2_000_000, 1.0, False), "must give an observation of JSON values: 2000002 bytes are more than"),
        ((float("inf"), 1.0, False), "must give an observation of JSON values: expected finite numbers"),
    ],
)
def test_what_is_no_step_is_the_authors_mistake_said_in_one_line(given: object, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        stepped(lambda _: Given(lambda _: given))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_evolved_program_fails_where_the_seed_would_blame_the_author() -> None:
    failure = stepped(lambda _: Given(lambda action: action["x"]), strict=False).failure
    assert failure is not None
    assert failure.kind == "invalid"
    assert "the environment's `step` raised TypeError" in failure.message


def test_an_environment_that_cannot_be_made_or_reset_is_the_authors_mistake_whatever_the_program() -> None:
    with pytest.raises(TaskError, match=r"on example e0 the environment raised when it was made: ZeroDivisionError"):
        stepped(lambda _: 1 / 0, strict=False)
    with pytest.raises(TaskError, match=r"on example e0 the environment's `reset` must give an observation of JSON values"):
        stepped(lambda _: Given(lambda _: None, observation=object()), strict=False)


def test_an_environment_that_hangs_is_said_and_left_alone() -> None:
    started = time.monotonic()
    with pytest.raises(TaskError, match=r"gave no answer within 0\.1 s"):
        stepped(lambda _: Given(lambda _: time.sleep(1.0)), patience_s=0.1)
    assert time.monotonic() - started < 5.0


def test_what_closing_raises_is_said_after_the_work_and_hides_no_other_error() -> None:
    def broken() -> None:
        raise OSError("no such window")

    with pytest.raises(TaskError, match=r"the environment's `close` raised OSError: no such window"):
        stepped(lambda _: Given(lambda _: (0, 1.0, True), close=broken))
    with pytest.raises(TaskError, match="must return"):
        stepped(lambda _: Given(lambda _: None, close=broken))


def test_an_environment_that_is_gone_is_nobodys_failure() -> None:
    async def act() -> None:
        async with LiveStage(lambda _: Given(lambda _: (0, 1.0, True)), {"e0": EXAMPLE}) as stage:
            await stage.enter("r", CASE)
            await stage.leave("r")
            await stage.leave("r")
            with pytest.raises(InfrastructureError, match="gone"):
                await stage.step("r", 1)
        with pytest.raises(InfrastructureError, match="has ended"):
            await stage.enter("s", CASE)

    asyncio.run(act())


def test_the_inputs_of_a_case_take_the_place_of_its_examples() -> None:
    async def act() -> object:
        async with LiveStage(lambda example: Given(lambda _: None, observation=example.inputs), {"e0": EXAMPLE}) as stage:
            return (await stage.enter("r", Case(example_id="e0", inputs={"high": 5}))).observation

    assert asyncio.run(act()) == {"high": 5}


def test_the_first_observation_can_be_looked_at_and_the_environment_is_closed() -> None:
    closed: list[int] = []
    assert first_observation(lambda _: Given(lambda _: None, observation=7, close=lambda: closed.append(1)), EXAMPLE) == 7
    assert closed == [1]
