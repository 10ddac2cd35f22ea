"""Operator: what turns a brief into a program. A variation needs no model; a rewriter asks one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from graftwork.evaluators.task import Example, Limits, Task
from graftwork.programs.program import Program

from .candidate import Brief

__all__ = ["Draft", "Facts", "Rewriter", "Variation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What every operator may know of the task. Nothing of confirm or test is in it, and nothing of val but where there is no train.

    Attributes:
        description: What the program is for, in words.
        unit: What a score is in.
        score_range: Lowest and highest possible score.
        entry: The function that is called; empty where the whole module is used from outside.
        frozen: Components that must stay as they are.
        packages: Importable beyond the standard library.
        train: Examples that may be shown.
        models: Names of the models among which a prompt may choose, cheapest first; empty where the run has none.
        calls: Model calls that one run of a program may make.
        forgeable: Whether a foreign evaluator scores, in a range that nobody tells.
        whole: Whether something scores the program as a whole; then there are no examples, and what it says of val is shown.
    """

    description: str
    unit: str
    score_range: tuple[float, float]
    entry: str
    frozen: frozenset[str]
    packages: tuple[str, ...]
    train: tuple[Example, ...]
    models: tuple[str, ...] = ()
    calls: int = Limits().calls
    forgeable: bool = False
    whole: bool = False

    @classmethod
    def of(cls, task: Task, *, models: tuple[str, ...] = ()) -> Facts:
        """What a task tells.

        Args:
            task: The task.
            models: Names of the models, cheapest first.
        """
        return cls(
            description=task.description,
            unit=task.unit,
            score_range=task.score_range,
            entry=task.entry,
            frozen=task.frozen,
            packages=task.packages,
            train=task.splits.get("train", ()),
            models=models,
            calls=task.limits.calls,
            forgeable=task.forgeable,
            whole=not task.has_examples,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A program as an operator wrote it, before check.

    Attributes:
        program: The child.
        note: What was done, one line, such as `grew priority: gaps - item -> gaps - item * 2`.
    """

    program: Program
    note: str


class Variation(Protocol):
    """An operator without a model: a pure function of the brief."""

    @property
    def name(self) -> str:
        """Its name in strategies, lineage and output."""
        ...

    @property
    def n_parents(self) -> int:
        """1 for a mutation, 2 or more for a crossover."""
        ...

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """A child of the brief's parents; None where it finds nothing to do.

        Args:
            brief: Parents and the seed of all random choices.
            facts: The task.
            attempt: 0, 1, …: another number makes other choices, when the last child was no good.
        """
        ...


class Rewriter(Protocol):
    """An operator that asks a model, as two pure halves: the request, and the reading of the reply."""

    @property
    def name(self) -> str:
        """Its name in strategies, lineage and output."""
        ...

    @property
    def n_parents(self) -> int:
        """1 for a mutation, 2 or more for a crossover."""
        ...

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """The chat-completion body that asks the proposer for a child; constant text first."""
        ...

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The child in a proposer's reply.

        Raises:
            ProgramError: If there is none; the message goes back to the proposer, once.
        """
        ...
