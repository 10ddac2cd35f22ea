"""Measuring: from a candidate to its evaluation, whole, or raced against its parent on growing prefixes of val.

A run fixes one order of val; every evaluation is a prefix of it. Where the parent was scored on a shorter prefix than the race comes to, it
is run on the examples that are missing; that belongs to the child's brief, and shows when the child is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.task import Example, Task
from graftwork.programs.program import Program

from .candidate import Brief, Candidate, Member, Raced, Result
from .estimate import estimate
from .novelty import Novelty, answers_of
from .racing import Race, Standing, shares
from .recall import as_recorded
from .strategy import Strategy

__all__ = ["Evaluator", "Measuring", "val_order"]

_SHORTEST: Final = 30  # a race of fewer examples would drop everyone: no gain could be shown by its end


class Evaluator(Protocol):
    """Runs and scores one program."""

    async def __call__(
        self, program: Program, examples: tuple[Example, ...], *, candidate: int, before: Evaluation | None = None
    ) -> Evaluation:
        """Scores of the program on the examples, booked to the candidate; `before` is what is known on others."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """How candidates of one search are evaluated.

    Attributes:
        task: Splits and score range.
        val: The examples of val, in the order in which every program meets them.
        evaluate: Runs programs.
        race: How a child is raced against its parent; None evaluates everyone on all of val.
        train_batch: Train examples that each candidate also runs on.
        seed: Of the search.
        novelty: What a child is compared with; None where it is not.
        near: From which similarity on a child that answers the first examples of its race like a known candidate is a duplicate of it.
    """

    task: Task
    val: tuple[Example, ...]
    evaluate: Evaluator
    race: Race | None
    train_batch: int
    seed: int
    novelty: Novelty | None = None
    near: float = 1.0

    @classmethod
    def of(cls, task: Task, strategy: Strategy, seed: int, evaluate: Evaluator, *, novelty: Novelty | None = None) -> Measuring:
        """What a strategy says of it."""
        val, race = val_order(task, strategy), strategy.race
        if race is not None:
            race = race.within(max(_SHORTEST, len(val)))
        batch = strategy.train_batch
        return cls(task=task, val=val, evaluate=evaluate, race=race, train_batch=batch, seed=seed, novelty=novelty, near=strategy.near)

    async def measured(self, candidate: Candidate, result: Result, brief: Brief | None, baseline: Sequence[float | None]) -> Result:
        """The result with the candidate's evaluation.

        Args:
            candidate: What was written.
            result: Its result so far.
            brief: What it answers; None for the seed, which is evaluated on all of val.
            baseline: Values of the seed on val, against which a child without parents is raced.
        """
        if self.race is None or brief is None:
            done, more = await self._run(candidate, self.val, brief, None)
            result = self._compared(_settled(replace(result, val=done, train=more)), None)
        else:
            result = await self._raced(candidate, result, brief, baseline, race=self.race)
        values = () if result.val is None else result.val.values
        return replace(result, estimate=estimate(values, baseline or values, lo=self.task.lo))

    async def _raced(self, candidate: Candidate, result: Result, brief: Brief, baseline: Sequence[float | None], *, race: Race) -> Result:
        """The result of a race, as far as it went."""
        reference = max(brief.parents, key=lambda member: member.estimate.cautious, default=None)
        against = 0 if reference is None else reference.candidate.number
        standing = Standing()
        while (size := race.next_batch(standing)) and standing.n < len(self.val):
            seen, n = standing.n, min(standing.n + size, len(self.val))
            (own, train), extension = await asyncio.gather(
                self._run(candidate, self.val[seen:n], brief, result.val), self._extension(reference, result.extension, n, brief)
            )
            val = own if result.val is None else result.val.extended(own)
            raced = Raced(verdict="undecided", against=against, n=n)
            train = train if result.train is None else result.train
            result = _settled(replace(result, val=val, train=train, raced=raced, extension=extension))
            if not seen:
                result = self._compared(result, brief)
            if result.status != "evaluated":
                return result
            values = baseline if reference is None else _values(reference, extension)
            standing = race.extend(standing, shares(own.values, values[seen:n], self.task.score_range))
            result = replace(result, raced=replace(raced, verdict=race.verdict(standing)))
        return result

    def _compared(self, result: Result, brief: Brief | None) -> Result:
        """The result with what its first answers say: a duplicate where a known candidate that it is near gave the same."""
        if self.novelty is None or self.race is None or result.status != "evaluated" or result.val is None:
            return result
        result = replace(result, answers=answers_of(result.val, self.race.first))
        traits = None if result.candidate is None else result.candidate.traits
        if brief is None or traits is None:
            return result
        twin = self.novelty.answered_alike(traits, result.answers, near=self.near, as_of=brief.told)
        if twin is None:
            return result
        reason = f"near to candidate {twin}, and the same answers to the first {self.race.first} examples"
        return replace(result, status="duplicate", reason=reason)

    async def _run(
        self, candidate: Candidate, examples: tuple[Example, ...], brief: Brief | None, before: Evaluation | None
    ) -> tuple[Evaluation, Evaluation]:
        """Evaluations on examples of val and, the first time, on train; they run as one piece of work."""
        number = 0 if brief is None else brief.number
        train = () if before is not None else self._train(number)
        both = as_recorded(await self.evaluate(candidate.program, (*examples, *train), candidate=number, before=before))
        n_val = len(examples) * self.task.repeats.get("val", 1)
        return replace(both, judgements=both.judgements[:n_val]), replace(both, judgements=both.judgements[n_val:])

    async def _extension(self, reference: Member | None, known: Evaluation | None, n: int, brief: Brief) -> Evaluation | None:
        """What the parent is worth on the examples up to the n-th that it has not seen; with what is known of that already."""
        if reference is None:
            return None
        n_known = len(reference.val.values) + (0 if known is None else len(known.values))
        if n_known >= n:
            return known
        before = reference.val if known is None else reference.val.extended(known)
        program = reference.candidate.program
        more = as_recorded(await self.evaluate(program, self.val[n_known:n], candidate=brief.number, before=before))
        return more if known is None else known.extended(more)

    def _train(self, number: int) -> tuple[Example, ...]:
        examples = self.task.splits.get("train", ())
        return tuple(random.Random(f"train/{self.seed}/{number}").sample(examples, min(self.train_batch, len(examples))))


def val_order(task: Task, strategy: Strategy) -> tuple[Example, ...]:
    """The order in which every program of a search meets val.

    Where there are races it is that of the ids: digests of their contents, so that a prefix is as good as drawn, and the same one in every
    run of the task.
    """
    val = task.splits["val"]
    return val if strategy.race is None else tuple(sorted(val, key=lambda example: example.id))


def _values(member: Member, extension: Evaluation | None) -> tuple[float | None, ...]:
    return member.val.values if extension is None else (*member.val.values, *extension.values)


def _settled(result: Result) -> Result:
    """The result, abandoned where something that is not the programs' fault came between."""
    val, extension = result.val, result.extension
    if val is None:
        return result
    failures = (*val.failures, *(extension.failures if extension is not None else ()))
    lost = [failure for failure in failures if not failure.is_the_programs]
    if lost or val.mean is None:  # what is left would be compared with others on other examples
        reason = f"{lost[0].kind}: {lost[0].message}" if lost else "no example could be judged"
        return replace(result, status="abandoned", reason=reason)
    return result
