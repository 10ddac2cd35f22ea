"""Unit tests: what code that a program wrote is worth, by hidden tests: it runs in children that get inputs only, and is judged outside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from graftwork.programs.errors import TaskError
from graftwork.programs.wire import to_json

from .evaluation import Outcome
from .scorers import exact, numeric
from .task import Example, Limits, Score, Scorer
from .tools import ScorerTools, ToolScorer
from .wording import shown

__all__ = ["UnitTests", "unit_tests"]

_ENTRY: Final = "graftwork_case"
_FENCE: Final = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)
_MAX_TESTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTests(ToolScorer):
    """The scorer that `unit_tests` makes.

    Attributes:
        function: What the code must define.
        same: Whether an output is the expected one: a scorer of 0 or 1.
        limits: Of each test.
    """

    function: str
    same: Scorer
    limits: Limits

    async def score_with(self, output: object, example: Example, tools: ScorerTools, /) -> Score:
        """The share of tests that pass, and how the first that does not failed."""
        tests = _tests(example)
        if not isinstance(output, str):
            return Score(value=None, invalid=f"expected the source text of `{self.function}`, got a {type(output).__name__}")
        inputs = [_inputs(arguments) for arguments, _ in tests]
        outcomes = await tools.run(self._source(output), entry=_ENTRY, inputs=inputs, limits=self.limits)
        failed: list[str] = []
        for (arguments, expected), outcome in zip(tests, outcomes, strict=True):
            if outcome.failure is not None and not outcome.failure.is_the_programs:
                return Score(value=None, feedback=f"could not be tested: {outcome.failure.message}")
            if trouble := self._trouble(outcome, expected):
                failed.append(f"{self.function}({_told(arguments)}) {trouble}")
        passed = len(tests) - len(failed)
        first = f"; the first that fails: {failed[0]}" if failed else ""
        return Score(value=passed / len(tests), feedback=f"{passed} of {len(tests)} tests pass{first}")

    def _source(self, output: str) -> str:
        """The code with a function below it that takes arguments as a list or by name."""
        fenced = _FENCE.search(output)
        code = fenced[1] if fenced else output
        return f"{code}\n\n\ndef {_ENTRY}(positional, named):\n    return {self.function}(*positional, **named)\n"

    def _trouble(self, outcome: Outcome, expected: object) -> str:
        if outcome.failure is not None:
            return f"failed: {outcome.failure.kind}: {outcome.failure.message.removeprefix('program.')}"
        score = self.same(outcome.output, Example(id=outcome.example_id, inputs={}, target=expected))
        if isinstance(score, Score) and score.value == 1.0:
            return ""
        return f"gave {shown(outcome.output)}, expected {shown(to_json(expected))}"


def unit_tests(function: str, *, tolerance: float | None = None, limits: Limits | None = None) -> UnitTests:
    """A scorer for programs that write code: the share of an example's hidden tests that the code passes.

    The program's output is Python source text, alone or in a Markdown fence. An example's target is a list of tests, each
    `[arguments, expected]`, with the arguments as a list or by name. The code runs in a fresh sandboxed child for each test, which is given
    the arguments alone. The feedback shows the first test that fails, and of the others only how many pass.

    Args:
        function: What the code must define.
        tolerance: How far an output may be from an expected number; None asks for equal JSON.
        limits: Of each test; calls of models are never allowed.

    Raises:
        TaskError: If `function` is no name.
    """
    if not function.isidentifier():
        raise TaskError(f"unit_tests needs the name of the function that is tested, not {function!r}")
    same = exact if tolerance is None else numeric(tolerance)
    return UnitTests(function=function, same=same, limits=replace(limits or Limits(timeout_s=5.0), calls=0))


def _tests(example: Example) -> Sequence[tuple[object, object]]:
    given = example.target
    if not isinstance(given, list | tuple) or not 0 < len(given) <= _MAX_TESTS:
        raise TaskError(f"on example {example.id} the target must be a list of 1 to {_MAX_TESTS} tests, each [arguments, expected]")
    for number, test in enumerate(given):
        if not isinstance(test, list | tuple) or len(test) != 2 or not isinstance(test[0], list | tuple | Mapping):
            raise TaskError(f"on example {example.id} test {number} must be [arguments, expected], the arguments a list or by name")
    return cast("Sequence[tuple[object, object]]", given)


def _inputs(arguments: object) -> Mapping[str, object]:
    by_name = isinstance(arguments, Mapping)
    return {"positional": [] if by_name else arguments, "named": arguments if by_name else {}}


def _told(arguments: object) -> str:
    if isinstance(arguments, Mapping):
        return ", ".join(f"{name}={shown(value)}" for name, value in arguments.items())
    return ", ".join(map(shown, cast("Sequence[object]", arguments)))
