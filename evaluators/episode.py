"""Episode: one run of a policy in its environment, as the worker sees it: whose turn it is, what was done, and when it is over."""

from __future__ import annotations

import json
from typing import Any, Final

from graftwork.programs.errors import WireError
from graftwork.programs.failure import Failure
from graftwork.programs.trace import Span

from .claims import bounded, trouble_with
from .evaluation import Case, EpisodeStage, Stepped
from .running import MAX_ACTION_BYTES
from .task import Limits

__all__ = ["Episode"]

_MAX_SPANS: Final = 200
_MAX_SPAN_TEXT: Final = 1_000


class Episode:
    """The steps of one run. What the child sends is hostile: it gets one answer for one action, and none after the end.

    Args:
        stage: Where the environment is.
        run_id: Of this run alone; the child never learns it.
        case: The example.
        limits: `steps`, and `output_bytes` for all actions together.
    """

    def __init__(self, stage: EpisodeStage, *, run_id: str, case: Case, limits: Limits) -> None:
        self._stage, self._run_id, self._case, self._limits = stage, run_id, case, limits
        self._actions: list[object] = []
        self._rewards: list[float] = []
        self._observation: object = None
        self._done = self._is_asked = False
        self._bytes_left = limits.output_bytes

    async def begin(self) -> object:
        """The first observation."""
        self._observation = (await self._stage.enter(self._run_id, self._case)).observation
        return self._observation

    async def leave(self) -> None:
        """Close the environment."""
        await self._stage.leave(self._run_id)

    @property
    def ended(self) -> bool:
        """Whether the environment said so, or the steps are used up."""
        return self._done or len(self._actions) >= self._limits.steps

    @property
    def output(self) -> dict[str, Any]:
        """The outcome's output; what a scorer gets."""
        return {
            "actions": self._actions,
            "rewards": self._rewards,
            "total": sum(self._rewards),
            "steps": len(self._actions),
            "done": self._done,
            "observation": self._observation,
        }

    def accept(self, action: object) -> Failure | None:
        """Why an action is not taken to the environment, or None; whoever is not refused must go on with `step`.

        Raises:
            WireError: If it is not the program's turn.
        """
        if self._is_asked or self.ended:
            raise WireError("it acted after the episode's end" if self.ended else "it acted twice on one observation")
        if trouble := trouble_with(action, MAX_ACTION_BYTES):
            return Failure(kind="invalid", message=f"its action cannot be taken: {trouble}")
        self._bytes_left -= len(json.dumps(action, ensure_ascii=False).encode())
        if self._bytes_left < 0:
            return Failure(kind="invalid", message=f"its actions together have more than {self._limits.output_bytes} bytes")
        self._is_asked = True
        return None

    async def step(self, action: object) -> Stepped:
        """What the environment answers to an accepted action."""
        stepped = await self._stage.step(self._run_id, action)
        self._is_asked = False
        if stepped.failure is None:
            self._actions.append(action)
            self._rewards.append(stepped.reward)
            self._observation, self._done = stepped.observation, stepped.done
        return stepped

    def span(self, path: str, action: object, stepped: Stepped, *, seconds: float) -> Span | None:
        """The step in the trace; None once there are many."""
        if len(self._actions) > _MAX_SPANS and stepped.failure is None:
            return None
        answer = {"observation": stepped.observation, "reward": stepped.reward, "done": stepped.done}
        failure = stepped.failure
        return Span(
            path=path,
            component="environment",
            kind="step",
            inputs=_text({"action": action}),
            output=_text(answer) if failure is None else "",
            error=bounded(f"{failure.kind}: {failure.message}".splitlines()[0], 400) if failure is not None else "",
            seconds=seconds,
            claimed=False,
        )


def _text(value: object) -> str:
    return bounded(json.dumps(value, ensure_ascii=False), _MAX_SPAN_TEXT)
