"""Models without an endpoint: a scripted one for tests and rehearsals, and none at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .errors import CallFailed
from .failure import Failure
from .model import Reply, Usage

__all__ = ["NoModel", "Script", "ScriptedModel"]

Script = Callable[[Mapping[str, object], str], str | Reply | CallFailed]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedModel:
    """A model whose reply is a function of (body, draw): never a queue, so that it does not matter who asks first.

    Attributes:
        alias: The name under which replies are recorded.
        script: The function. Text becomes a reply whose usage counts four characters as a token; a `CallFailed` is raised.
        latency_s: Seconds to wait before the reply, as a function of (body, draw); none if not given.
    """

    alias: str = "scripted"
    script: Script
    latency_s: Callable[[Mapping[str, object], str], float] | None = None

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        """Answer by the script.

        Raises:
            CallFailed: If the script says so.
        """
        if self.latency_s is not None:
            await asyncio.sleep(self.latency_s(body, draw))
        answer = self.script(body, draw)
        if isinstance(answer, CallFailed):
            raise answer
        if isinstance(answer, Reply):
            return answer
        sent = len(json.dumps(body.get("messages", []), ensure_ascii=False))
        usage = Usage(input_tokens=sent // 4 + 1, output_tokens=len(answer) // 4 + 1, calls=1)
        return Reply(text=answer, usage=usage, model=self.alias)

    async def aclose(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoModel:
    """The model of a run that has none: every call fails, and says why."""

    alias: str = "none"

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        """Refuse.

        Raises:
            CallFailed: Always, of kind `invalid`.
        """
        message = f"this run has no model, but a call asks for one ({len(body)} fields, draw {draw}); give one with --model"
        raise CallFailed(Failure(kind="invalid", message=message))

    async def aclose(self) -> None:
        """Nothing to release."""
