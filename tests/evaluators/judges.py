"""Judges for tests: scripted ways to the model in the role `judge`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from graftwork.evaluators.pool import Relayed
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Usage

__all__ = ["ScriptedJudge", "graded"]


class ScriptedJudge:
    """Answers with a function of the request; keeps what it was asked."""

    def __init__(self, script: Callable[[Mapping[str, Any]], str | Failure]) -> None:
        self.asked: list[tuple[Mapping[str, Any], str]] = []
        self._script = script

    async def judge(self, body: Mapping[str, Any], *, candidate: int, example_id: str, draw: str) -> Relayed:
        assert example_id
        assert candidate >= 0
        self.asked.append((body, draw))
        said = self._script(body)
        usage = Usage(input_tokens=10, output_tokens=5, usd=0.01, calls=1)
        if isinstance(said, Failure):
            return Relayed(failure=said, usage=usage)
        return Relayed(reply=Reply(text=said), usage=usage)


def graded(grade: object, reason: object = "so it is") -> str:
    """A reply as a judge should give it."""
    return json.dumps({"reason": reason, "grade": grade})
