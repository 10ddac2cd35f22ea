"""Tools: what a scorer may use that cannot judge by looking alone: programs of its own in the sandbox, and a model in the role `judge`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from graftwork.programs.errors import EndpointError, TaskError
from graftwork.programs.model import Usage

from .evaluation import Case, Outcome, Work
from .pool import Pool, Relayed
from .task import Example, Limits, Score

__all__ = ["JUDGE_NEEDED", "JudgeRelay", "ScorerTools", "ToolScorer", "Tools"]

JUDGE_NEEDED = "this task's score asks a model in the role `judge`: name one with --judge NAME"


class JudgeRelay(Protocol):
    """The way from a scorer to the model in the role `judge`: the run's gateway, which meters, caches and caps it."""

    async def judge(self, body: Mapping[str, object], *, candidate: int, example_id: str, draw: str) -> Relayed:
        """Have one call made.

        Raises:
            CeilingReached: The run's budget is spent.
            EndpointError: The endpoint refuses the key or the model's name.
            InfrastructureError: The gateway is closed.
        """
        ...


class ScorerTools(Protocol):
    """What a scorer is given, for one output on one example."""

    async def ask(self, body: Mapping[str, object], *, attempt: int = 0) -> Relayed:
        """Ask the judge; equal requests of one attempt get one answer."""
        ...

    async def run(self, source: str, *, entry: str, inputs: Sequence[Mapping[str, object]], limits: Limits) -> tuple[Outcome, ...]:
        """Run a program's text in fresh sandboxed children, one for each set of inputs; outcomes come in their order."""
        ...


@runtime_checkable
class ToolScorer(Protocol):
    """A scorer that needs tools: a class that inherits from this one; an instance of it stands where a scorer does, and is awaited."""

    async def score_with(self, output: object, example: Example, tools: ScorerTools, /) -> Score | float | bool | None:
        """Score one output, as a `Scorer` does."""
        ...

    @property
    def needs_judge(self) -> bool:
        """Whether it asks the judge."""
        return False

    def __call__(self, output: object, example: Example, /) -> Score:
        """Nothing: a scorer without its tools cannot judge.

        Raises:
            TaskError: Always.
        """
        del output, example
        raise TaskError(f"{type(self).__name__} needs a sandbox or a judge: it cannot be called as a function, only in an evaluation")


@dataclass(slots=True, kw_only=True)
class Tools:
    """The tools of one case, in a run.

    Attributes:
        pool: Where programs are run.
        judge: The way to the judge; None where the run has none.
        candidate: Number of the brief whose output is scored.
        case: What it was an output of.
        purpose: Prefix of every draw.
        packages: Importable in programs that are run, beyond the standard library.
        used: What asking has cost, at list price.
    """

    pool: Pool
    judge: JudgeRelay | None
    candidate: int
    case: Case
    purpose: str
    packages: tuple[str, ...] = ()
    used: Usage = field(default_factory=Usage)

    async def ask(self, body: Mapping[str, object], *, attempt: int = 0) -> Relayed:
        """Ask the judge; see `ScorerTools`.

        Raises:
            EndpointError: If the run has no judge.
        """
        if self.judge is None:
            raise EndpointError(JUDGE_NEEDED)
        draw = f"{self.purpose}/{self.case.repeat}/judge#{attempt}"
        relayed = await self.judge.judge(body, candidate=self.candidate, example_id=self.case.example_id, draw=draw)
        self.used += relayed.usage
        return relayed

    async def run(self, source: str, *, entry: str, inputs: Sequence[Mapping[str, object]], limits: Limits) -> tuple[Outcome, ...]:
        """Run a program's text; see `ScorerTools`. It is hostile, and asks no models."""
        cases = tuple(Case(example_id=f"{self.case.example_id}.{number}", inputs=given) for number, given in enumerate(inputs))
        work = Work(
            candidate=self.candidate,
            source=source,
            digest=self.case.example_id,
            entry=entry,
            cases=cases,
            packages=self.packages,
            limits=limits,
            purpose=self.purpose,
        )
        return await self.pool.run(work)
