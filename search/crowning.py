"""Crowning: from finalists to the champion, on examples that did not choose them, and what it is worth on examples nobody has seen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.task import Example, Task
from graftwork.programs.errors import CeilingReached
from graftwork.programs.failure import Failure
from graftwork.programs.program import Program

from .archive import rank
from .candidate import Candidate, Member
from .comparison import PairedDifference, difference_of
from .leaks import Leak, LeakIndex

__all__ = ["Crown", "Crowning", "Measured", "split_digest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Champion and seed on the same examples.

    Attributes:
        champion: Mean of the champion; None where nothing could be judged.
        seed: Mean of the seed.
        difference: Champion minus seed, paired; None where no pair counts.
        n: Number of examples.
        repeats: Runs of each.
    """

    champion: float | None
    seed: float | None
    difference: PairedDifference | None
    n: int
    repeats: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Crown:
    """The champion with its evidence.

    Attributes:
        champion: The candidate that the run stands for.
        chosen_on: Split that chose it among the finalists: `confirm`, or `val` where the task has no confirm split.
        n_finalists: How many were compared.
        measured: By split or transfer set: `val`, `confirm`, `test`, ….
        disqualified: Finalists that broke an audit or hold held-out examples: number and reason.
        missing: Why something was not measured, one line each.
    """

    champion: Candidate
    chosen_on: str
    n_finalists: int
    measured: Mapping[str, Measured] = field(default_factory=dict)
    disqualified: Mapping[int, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


class PurposeEvaluator(Protocol):
    """Runs and scores one program with draws of its own for each purpose."""

    async def __call__(self, program: Program, examples: tuple[Example, ...], *, candidate: int, purpose: str) -> Evaluation:
        """Scores of the program on the examples."""
        ...


class CrownRecorder(Protocol):
    """The lineage as crowning sees it."""

    def evaluation(self, candidate: int, split: str, evaluation: Evaluation) -> None:
        """Record scores and spans."""
        ...

    def decision(self, kind: str, *, number: int, detail: Mapping[str, object]) -> None:
        """Record a choice."""
        ...


@dataclass(slots=True, kw_only=True)
class Crowning:
    """Chooses the champion and measures it.

    Attributes:
        task: Splits and audits.
        evaluate: Runs programs.
        audit: Why a program breaks an audit, or None.
        recorder: Where evaluations and decisions go.
        seed: Seed of what the intervals draw.
        recall: The evaluation of a candidate on a split that is recorded already, which is not done again; None where there is none.
    """

    task: Task
    evaluate: PurposeEvaluator
    audit: Callable[[Candidate], Awaitable[Failure | None]]
    recorder: CrownRecorder
    seed: int
    recall: Callable[[int, str], Evaluation | None] = lambda _number, _split: None

    async def crown(self, finalists: tuple[Member, ...], seed: Member) -> Crown:
        """Audit the finalists, choose one on `confirm`, open `test` once, report the transfer sets.

        Args:
            finalists: Best first; the seed takes part whether it is among them or not.
            seed: The seed's member.

        Raises:
            InfrastructureError: Programs cannot be run any more.
        """
        disqualified: dict[int, str] = {}
        standing: list[Member] = []
        missing: list[str] = []
        everyone = {m.candidate.number: m for m in (*finalists, seed)}
        index = LeakIndex.of(self.task)
        for number, member in everyone.items():
            if member is not seed and (leaks := index.leaks(member.candidate.program)):
                disqualified[number] = _leaks_said(leaks)
                self.recorder.decision("leak", number=number, detail={"examples": [asdict(leak) for leak in leaks]})
                continue
            try:
                failure = None if member is seed else await self.audit(member.candidate)
            except CeilingReached as ceiling:
                missing.append(f"audit of candidate {number}: {ceiling}; so it cannot be champion")
                continue
            if failure is None or not failure.is_the_programs:
                standing.append(member)
                if failure is not None:
                    missing.append(f"audit of candidate {number}: {failure.message}")
            else:
                disqualified[number] = failure.message
                self.recorder.decision("audit", number=number, detail={"kind": failure.kind, "message": failure.message})
        champion, chosen_on, measured = await self._choose(standing, seed, missing)
        self.recorder.decision("champion", number=champion.candidate.number, detail={"chosen_on": chosen_on, "of": len(standing)})
        sets = {"test": self.task.splits.get("test", ()), **self.task.transfer}
        for name, examples in sets.items():
            if not examples:
                missing.append(f"{name}: the task has no such examples")
                continue
            try:
                measured[name] = await self._measure(name, champion, seed, examples)
            except CeilingReached as ceiling:
                missing.append(f"{name}: opened but not finished, {ceiling}")
        return Crown(
            champion=champion.candidate,
            chosen_on=chosen_on,
            n_finalists=len(standing),
            measured=measured,
            disqualified=disqualified,
            missing=tuple(missing),
        )

    async def _choose(self, standing: list[Member], seed: Member, missing: list[str]) -> tuple[Member, str, dict[str, Measured]]:
        """The best of the standing on confirm, or on val where there is no confirm split or no budget left for it."""
        leader = min(standing, key=rank)
        examples = self.task.splits.get("confirm", ())
        if not examples:
            missing.append("confirm: the task has no such examples; the champion is the best on val, which flatters it")
            return leader, "val", {"val": self._compared(leader.val, seed.val)}
        confirmed: dict[int, Evaluation] = {}
        try:
            for member in standing:
                confirmed[member.candidate.number] = await self._run("confirm", member, examples)
        except CeilingReached as ceiling:
            missing.append(f"confirm: not finished, {ceiling}; the champion is the best on val, which flatters it")
            return leader, "val", {"val": self._compared(leader.val, seed.val)}
        means = _means_on_common_examples(confirmed)
        champion = min(standing, key=lambda m: (-means[m.candidate.number], m.candidate.number))
        pair = confirmed[champion.candidate.number], confirmed[seed.candidate.number]
        return champion, "confirm", {"val": self._compared(champion.val, seed.val), "confirm": self._compared(*pair)}

    async def _measure(self, name: str, champion: Member, seed: Member, examples: tuple[Example, ...]) -> Measured:
        """Champion and seed on a set that took no part in any choice. Every opening is a row of the lineage."""
        detail = {"split": name, "digest": split_digest(examples)}
        self.recorder.decision("open_split", number=champion.candidate.number, detail=detail)
        first = await self._run(name, champion, examples)
        second = first if champion is seed else await self._run(name, seed, examples)
        return self._compared(first, second)

    async def _run(self, split: str, member: Member, examples: tuple[Example, ...]) -> Evaluation:
        number = member.candidate.number
        evaluation = self.recall(number, split)
        if evaluation is None:
            evaluation = await self.evaluate(member.candidate.program, examples, candidate=number, purpose=split)
        self.recorder.evaluation(number, split, evaluation)
        return evaluation

    def _compared(self, champion: Evaluation, seed: Evaluation) -> Measured:
        n_values = min(len(champion.values), len(seed.values))  # a race may have ended on fewer
        difference = difference_of(champion.values[:n_values], seed.values[:n_values], seed=self.seed)
        n = len(champion.values)
        repeats = len(champion.judgements) // n if n else 1
        return Measured(champion=champion.mean, seed=seed.mean, difference=difference, n=n, repeats=repeats)


def _leaks_said(leaks: Sequence[Leak]) -> str:
    """What a program holds that it was never shown, in one line."""
    counts = Counter(leak.split for leak in leaks)
    where = ", ".join(f"{count} of {split}" for split, count in counts.items())
    return f"holds examples that it was never shown ({where}), such as {leaks[0].example_id}: {leaks[0].text}"


def split_digest(examples: tuple[Example, ...]) -> str:
    """32 hexadecimal digits that name a set of examples, whatever their order."""
    return hashlib.blake2b("\n".join(sorted(example.id for example in examples)).encode(), digest_size=16).hexdigest()


def _means_on_common_examples(evaluations: Mapping[int, Evaluation]) -> dict[int, float]:
    """Mean of each candidate over the examples on which every one of them counts; the lowest score where there is no such example."""
    columns = zip(*(evaluation.values for evaluation in evaluations.values()), strict=True)
    common = [column for column in ([v for v in values if v is not None] for values in columns) if len(column) == len(evaluations)]
    if not common:
        return {number: evaluation.lo for number, evaluation in evaluations.items()}
    return {number: sum(column[place] for column in common) / len(common) for place, number in enumerate(evaluations)}
