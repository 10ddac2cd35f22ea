"""Evaluation: what a program did and was worth on some examples; and the values that a pool works on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from graftwork.programs.export import Hook
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.trace import Span

from .task import Foreign, Limits, Score

__all__ = ["Case", "Evaluation", "Judgement", "Outcome", "Work", "case_seed"]


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
    spawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one program did on one case, before anyone judges it.

    Attributes:
        example_id: The case's example.
        repeat: The case's repeat.
        output: Decoded JSON; None when there is a failure.
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
    """

    outcome: Outcome
    score: Score

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
        judgements: In the order of the cases.
        lo: What a failure of the program counts.
        forgeable: Whether the program could have written its scores itself.
    """

    digest: str
    judgements: tuple[Judgement, ...]
    lo: float
    forgeable: bool = False

    @property
    def values(self) -> tuple[float | None, ...]:
        """Values in comparisons, by case; None was dropped."""
        return tuple(judgement.counts(self.lo) for judgement in self.judgements)

    @property
    def mean(self) -> float | None:
        """Mean over the cases that count; None when none does."""
        counted = [value for value in self.values if value is not None]
        return sum(counted) / len(counted) if counted else None

    @property
    def usage(self) -> Usage:
        """Model calls of all cases."""
        return sum((judgement.outcome.usage for judgement in self.judgements), Usage())

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures among the outcomes, in the order of the cases."""
        return tuple(j.outcome.failure for j in self.judgements if j.outcome.failure is not None)
