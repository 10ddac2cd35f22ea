"""Runs the program of an example in the sandbox, without a search, and scores what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

import graftwork as gw
from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.pool import ProgramCall, Relayed
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Usage
from graftwork.programs.parse import parse

__all__ = ["EXAMPLES", "Script", "evaluate_program", "load_module"]

EXAMPLES: Final = Path(__file__).parents[2] / "examples"

Script = Callable[[Mapping[str, object], str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedRelay:
    """Answers the model calls of programs by a function, without a gateway."""

    script: Script | None

    async def call(self, call: ProgramCall) -> Relayed:
        """The script's reply; a failure where there is no script."""
        if self.script is None:
            return Relayed(failure=Failure(kind="invalid", message="this example has no model"), usage=Usage())
        return Relayed(reply=Reply(text=self.script(call.body, call.draw)), usage=Usage(calls=1))


def evaluate_program(source: str, examples: Sequence[gw.Example], *, task: gw.Task, script: Script | None = None) -> Evaluation:
    """What a program did and was worth on some examples of a task."""

    async def run() -> Evaluation:
        pool = LocalPool(ScriptedRelay(script=script), slots=2)
        try:
            return await evaluate(parse(source), tuple(examples), task=task, pool=pool, candidate=0, purpose="test")
        finally:
            await pool.aclose()

    return asyncio.run(run())


def load_module(file: Path) -> ModuleType:
    """A Python file of an example as a module of its own."""
    spec = spec_from_file_location(f"example_{file.parent.name}_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
