"""Task: seed program, examples in splits, a scorer, limits. What a person writes, as plain values and plain functions."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from graftwork.programs.program import Program
from graftwork.programs.signature import signature_of

from .environment import OBSERVATION, EnvironmentFactory

__all__ = [
    "MOST_METRICS",
    "MOST_METRIC_CHARS",
    "SMOKE",
    "SPLITS",
    "Audit",
    "Example",
    "Foreign",
    "FreeEvaluator",
    "Limits",
    "Look",
    "Resources",
    "Score",
    "Scorer",
    "Split",
    "Task",
]

Split = Literal["train", "val", "confirm", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "val", "confirm", "test")
MOST_METRICS: Final = 32
MOST_METRIC_CHARS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One input with its target.

    Attributes:
        id: 16 hexadecimal digits: the digest of its content.
        inputs: Arguments of the entry by parameter name; JSON values. All that a program ever sees.
        target: What the scorer compares with; never leaves our process.
    """

    id: str
    inputs: Mapping[str, object]
    target: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What an output is worth.

    Attributes:
        value: In the task's unit, higher is better, within the task's `score_range`; None = could not be judged.
        feedback: In words, for the next operator; may be empty.
        invalid: A reason why the output breaks the task's rules; it makes the outcome a failure of kind `invalid`.
        metrics: Further finite numbers by name, at most 32 with names of at most 64 characters; their means are recorded and shown, and
            nothing is selected by them.
    """

    value: float | None
    feedback: str = ""
    invalid: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Scorer(Protocol):
    """A plain function from output and example to a score. Runs in our process, on a decoded value."""

    def __call__(self, output: object, example: Example, /) -> Score | float | bool | None:
        """Score one output. Raise nothing for bad output: return `Score(value=None or lo, invalid="why")`."""
        ...


class FreeEvaluator(Protocol):
    """A plain function from a program that can be called to a number, or to a dict with `score` and further numbers."""

    def __call__(self, program: Any, /) -> float | Mapping[str, float | str]:
        """Call `program(**inputs)` for outputs, read `program.source` for its text; see `free.RunnableProgram`."""
        ...


class Audit(Protocol):
    """A rule that relates two runs of a program, checked on every finalist before one becomes champion."""

    def variant(self, inputs: Mapping[str, object], rng: random.Random) -> Mapping[str, object]:
        """Changed inputs for the second run."""
        ...

    def violation(self, inputs: Mapping[str, object], output: object, changed: Mapping[str, object], other: object) -> str:
        """Why the two outputs together break the rule; empty when they do not. A violation is a failure `forbidden`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use on one example.

    Attributes:
        timeout_s: Wall seconds of its own (time spent waiting for a model is not counted).
        memory_mb: Address space above the warm interpreter's, in MiB.
        calls: Model calls per example; also the cap that the budget reserves for.
        steps: Actions in one episode, where the task has an environment; then it is cut off.
        runs: Runs of a program in one evaluation, where the task has a free evaluator.
        max_tokens: Output tokens of one model call, unless the prompt asks for fewer.
        output_bytes: Size of the encoded output.
        stdout_bytes: How much of what it prints is kept.
    """

    timeout_s: float = 10.0
    memory_mb: int = 512
    calls: int = 16
    steps: int = 100
    runs: int = 100
    max_tokens: int = 512
    output_bytes: int = 4 * 1024 * 1024
    stdout_bytes: int = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at a candidate on a few examples, before it is run on all.

    Where it has run on as many as this and failed on every one, the next look is taken; after the last it is run no further. A
    program that succeeded once skips the looks that are left, but those with a threshold.

    Attributes:
        examples: How many, counted from the first; at least 1. A look that has as many as there are is left out.
        at_least: The mean score that is needed to go on; None needs one example without a failure.
        timeout_s: Wall seconds for each, where that is less than the task's limit; None leaves it.
    """

    examples: int
    at_least: float | None = None
    timeout_s: float | None = None


SMOKE: Final = (Look(examples=1), Look(examples=5))
"""What a task has unless it says otherwise: one example, and where that fails four more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a cluster sets aside for one program while it runs on one example. Here it is what Ray calls resources: nothing but books.

    Attributes:
        cpus: Processors, may be a fraction.
        gpus: GPUs, may be a fraction below 1.
        memory_mb: Of the machine, in MiB; None sets none aside. What a program may use is `Limits.memory_mb`.
        custom: The cluster's own kinds, by name, such as a group of nodes for untrusted work.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory_mb: int | None = None
    custom: Mapping[str, float] = field(default_factory=dict)

    @property
    def are_special(self) -> bool:
        """Whether they name what not every machine has."""
        return bool(self.gpus or self.custom)

    @property
    def per_actor(self) -> int:
        """How many programs can share one actor, which can have a fraction of one GPU, or several whole ones."""
        if not self.gpus:
            return sys.maxsize
        return max(1, int(1 / self.gpus))


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An evaluator made for elsewhere: a folder's `evaluator.py`, which imports a program from its file and scores it itself.

    Attributes:
        folder: Absolute path; the same on every machine that evaluates.
        thresholds: What the score must reach for the second and the third stage; None where `evaluate` alone is used.
    """

    folder: str
    thresholds: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a search works on. Made by `load_task` or `make_task`, which check it.

    Attributes:
        name: Short, for files and titles.
        seed: The program to begin with.
        splits: Examples by split; ids are disjoint across splits.
        scorer: From output and example to a score.
        score_range: Lowest and highest possible score; a failure of the program counts as the lowest.
        unit: What a score is in, such as `% excess` or `share correct`.
        entry: The function that is called with an example's inputs; empty where the whole module is used from outside.
        frozen: Components that no operator may change.
        packages: Importable beyond the standard library, such as `numpy`.
        limits: For one program on one example.
        resources: What a cluster sets aside for it.
        cascade: Looks at a candidate before it is run on all examples, by their number; empty runs each on all.
        audits: Rules that relate two runs.
        transfer: Further example sets on which the champion is only reported, by name.
        description: What the program is for, in words that operators read.
        fixed: Lines that must stand outside the program's marked blocks; empty where nothing is marked.
        foreign: The evaluator that scores in place of entry and examples; its scores are forgeable.
        environment: Makes what the entry acts in, step by step; None where the entry is called once for an example.
        evaluator: A function that calls a program as often as it likes and says what it is worth, in place of examples and scorer.
        repeats: How often each example is run, by split or transfer set; once where nothing is said.
    """

    name: str
    seed: Program
    splits: Mapping[Split, tuple[Example, ...]]
    scorer: Scorer
    score_range: tuple[float, float] = (0.0, 1.0)
    unit: str = "score"
    entry: str = "solve"
    frozen: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    resources: Resources = field(default_factory=Resources)
    cascade: tuple[Look, ...] = SMOKE
    audits: tuple[Audit, ...] = ()
    transfer: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    description: str = ""
    fixed: tuple[str, ...] = ()
    foreign: Foreign | None = None
    environment: EnvironmentFactory | None = None
    evaluator: FreeEvaluator | None = None
    repeats: Mapping[str, int] = field(default_factory=dict)

    @property
    def forgeable(self) -> bool:
        """Whether a program shares its process with what scores it, so that it can write its own score."""
        return self.foreign is not None

    @property
    def has_examples(self) -> bool:
        """Whether scores are given on examples; else something scores the program as a whole, and a split is one evaluation."""
        return self.foreign is None and self.evaluator is None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what the entry is given, sorted: the inputs of examples, over all splits, and what an environment shows.

        A free evaluator may give any: then those that the seed's entry takes.
        """
        if self.evaluator is not None:
            named = signature_of(self.seed[self.entry])
            return tuple(sorted(each.name for each in named.parameters if each.kind in {"any", "keyword"})) if named is not None else ()
        given = {name for split in self.splits.values() for example in split for name in example.inputs}
        return tuple(sorted(given | {OBSERVATION} if self.environment is not None else given))

    def n_runs(self, split: str) -> int:
        """How many runs of a program a split or transfer set takes: its examples, each as often as it is repeated."""
        examples = self.splits.get(split, ()) if split in SPLITS else self.transfer.get(split, ())
        return len(examples) * self.repeats.get(split, 1)

    @property
    def repeats_by_id(self) -> Mapping[str, int]:
        """How often each example is run that is run more than once."""
        groups = (*self.splits.items(), *self.transfer.items())
        return {example.id: n for name, group in groups if (n := self.repeats.get(name, 1)) > 1 for example in group}

    @property
    def lo(self) -> float:
        """The lowest score: what a failure of the program counts."""
        return self.score_range[0]
