"""Evaluation: what a program did and was worth on some examples; and the values that a pool works on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol

from graftwork.programs.export import Hook
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.trace import Span

from .objectives import Objectives
from .task import Foreign, Limits, Score

__all__ = ["Case", "EpisodeStage", "Evaluation", "Judgement", "Outcome", "Stepped", "Unkept", "Work", "case_seed", "mean_of"]


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are there; None where none is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def case_seed(digest: str, example_id: str, repeat: int) -> int:
    """Seed of a program's random numbers on one case, of 64 bits."""
    return int.from_bytes(hashlib.blake2b(f"{digest}/{example_id}/{repeat}".encode(), digest_size=8).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example as a program sees it: inputs, never the target.

    Attributes:
        example_id: The example's id.
        inputs: Arguments of the entry, JSON values.
        repeat: Which repeat of the evaluation, from 0; seeds and draws differ between repeats.
    """

    example_id: str
    inputs: Mapping[str, object]
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """What an environment answered.

    Attributes:
        observation: What the program is shown next; JSON.
        reward: Of the step; finite.
        done: Whether the episode is over.
        failure: Why the action was refused, or None.
    """

    observation: object = None
    reward: float = 0.0
    done: bool = False
    failure: Failure | None = None


class EpisodeStage(Protocol):
    """The way from a running program to its environment: a function call in the driver, an authenticated socket from elsewhere."""

    async def enter(self, run_id: str, case: Case) -> Stepped:
        """Make a new environment for one run of a program on one case, and begin.

        Raises:
            TaskError: If the environment is at fault.
            InfrastructureError: If the driver cannot be reached.
        """
        ...

    async def step(self, run_id: str, action: object) -> Stepped:
        """Take one action.

        Raises:
            TaskError: If the environment is at fault.
            InfrastructureError: If the driver cannot be reached, or has no environment for the run any more.
        """
        ...

    async def leave(self, run_id: str) -> None:
        """Close the run's environment. Calling it twice, or for a run that never entered, is harmless."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a pool is asked to do: run one program on some cases.

    Attributes:
        candidate: Number of the brief that made the program; 0 for the seed. Calls are booked to it.
        source: The program's text.
        digest: The program's digest; seeds the child's random numbers with the example and the repeat.
        entry: The function to call.
        cases: In the order in which outcomes come back.
        packages: Importable beyond the standard library.
        limits: For each case.
        purpose: Prefix of every draw: `search`, `confirm`, `test`, …: later purposes never reuse the search's replies.
        foreign: The evaluator that runs the program, in place of entry and packages; None where the entry is called.
        hook: Of a file that runs alone, the names by which it asks models; None for a program, which runs in a session.
        stage: Where the environments are that the entry acts in; None where the entry is called once.
        spawn: Whether it uses a GPU: then each case runs in a child that is exec'ed, not forked, and may use the machine's.
    """

    candidate: int
    source: str
    digest: str
    entry: str
    cases: tuple[Case, ...]
    packages: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    purpose: str = "search"
    foreign: Foreign | None = None
    hook: Hook | None = None
    stage: EpisodeStage | None = field(default=None, compare=False, repr=False)
    spawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unkept:
    """What stands for an output too long to be recorded.

    Attributes:
        digest: 32 hexadecimal digits that name its JSON text.
    """

    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one program did on one case, before anyone judges it.

    Attributes:
        example_id: The case's example.
        repeat: The case's repeat.
        output: Decoded JSON; None when there is a failure. In what the search was told, `Unkept` where its text is long.
        failure: Why there is no output, or None.
        spans: Its trace, bounded; those of model calls come from the gateway.
        usage: Its model calls, at list price, cache hits included.
        stdout: What it printed, bounded.
        seconds: Wall seconds, waiting for models included.
        cpu_s: CPU seconds of the child.
    """

    example_id: str
    repeat: int = 0
    output: object = None
    failure: Failure | None = None
    spans: tuple[Span, ...] = ()
    usage: Usage = field(default_factory=Usage)
    stdout: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An outcome with its score.

    Attributes:
        outcome: What the program did. A scorer that finds the output invalid has put its failure here.
        score: What it is worth; its value is None where the outcome is a failure, or nobody could judge.
        judging: Model calls of the scorer, at list price, cache hits included.
    """

    outcome: Outcome
    score: Score
    judging: Usage = field(default_factory=Usage)

    def counts(self, lo: float) -> float | None:
        """The value in comparisons: `lo` for a failure of the program, None for what is not its fault or was not judged."""
        failure = self.outcome.failure
        if failure is None:
            return self.score.value
        return lo if failure.is_the_programs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores and failures of one program on some examples.

    Attributes:
        digest: The program's digest.
        judgements: In the order of the cases; the repeats of an example stand together.
        lo: What a failure of the program counts.
        forgeable: Whether the program could have written its scores itself.
        n_chars: Length of the program's text.
        values: Values in comparisons, by example: the mean over its repeats that count; None where none does. Worked out once, for a
            search compares them again and again.
    """

    digest: str
    judgements: tuple[Judgement, ...]
    lo: float
    forgeable: bool = False
    n_chars: int = 0
    values: tuple[float | None, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out the values."""
        by_example = groupby(self.judgements, key=lambda judgement: judgement.outcome.example_id)
        values = tuple(mean_of(judgement.counts(self.lo) for judgement in repeats) for _, repeats in by_example)
        object.__setattr__(self, "values", values)

    def extended(self, more: Evaluation) -> Evaluation:
        """This evaluation and one of the same program on further examples, as one: nothing is run again."""
        return replace(self, judgements=(*self.judgements, *more.judgements))

    @property
    def mean(self) -> float | None:
        """Mean over the examples that count; None when none does."""
        return mean_of(self.values)

    @property
    def objectives(self) -> Objectives:
        """The evaluation by every objective."""
        outcomes = [judgement.outcome for judgement in self.judgements]
        measured: dict[str, list[float]] = {}
        for judgement in self.judgements:
            for name, value in judgement.score.metrics.items():
                measured.setdefault(name, []).append(value)
        return Objectives(
            score=self.mean,
            usd=mean_of(outcome.usage.usd for outcome in outcomes) or 0.0,
            seconds=mean_of(outcome.seconds for outcome in outcomes) or 0.0,
            n_chars=self.n_chars,
            metrics={name: sum(values) / len(values) for name, values in measured.items()},
        )

    @property
    def usage(self) -> Usage:
        """Model calls of all cases, those of scorers included."""
        n_in, n_out, usd, calls = 0, 0, 0.0, 0  # added up by hand: a search does it for every case of every candidate
        for judgement in self.judgements:
            run, judging = judgement.outcome.usage, judgement.judging
            n_in += run.input_tokens + judging.input_tokens
            n_out += run.output_tokens + judging.output_tokens
            usd += run.usd + judging.usd
            calls += run.calls + judging.calls
        return Usage(input_tokens=n_in, output_tokens=n_out, usd=usd, calls=calls)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures among the outcomes, in the order of the cases."""
        return tuple(j.outcome.failure for j in self.judgements if j.outcome.failure is not None)
