"""Crowning: from finalists to the champion, on examples that did not choose them, and what it is worth on examples nobody has seen."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from graftwork.evaluators.evaluation import Evaluation, mean_of
from graftwork.evaluators.task import SPLITS, Example, Task
from graftwork.programs.errors import CeilingReached
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.program import Program

from .archive import MemberOrder, rank
from .audits import audited
from .candidate import Candidate, Member
from .claim import Claim, corrected_level, optimism_of
from .comparison import PairedDifference, difference_of, mean_interval, paired_difference
from .leaks import LeakIndex
from .seed_control import Asking, SeedControl, answers_bought, compared_with_votes

__all__ = ["CONTROL", "Crown", "Crowning", "Measured", "split_digest"]

CONTROL: Final = "best-of-"
"""How the splits are called under which the seed's several answers to the test examples are recorded: this and their number."""
_CONTROL_DRAWS: Final = "best-of-n"  # one name for all numbers: what was answered for a smaller one is not paid for again
_FEWEST_ANSWERS: Final = 2
_NOTHING: Final = Usage()
_Pair: TypeAlias = tuple[Evaluation, Evaluation]


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
        claim: What is said of the champion beside that.
    """

    champion: Candidate
    chosen_on: str
    n_finalists: int
    measured: Mapping[str, Measured] = field(default_factory=dict)
    disqualified: Mapping[int, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    claim: Claim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The champion with what chose it: champion and seed by split, and by split the evaluations among which one was taken."""

    champion: Member
    on: str
    pairs: Mapping[str, _Pair]
    among: Mapping[str, tuple[Evaluation, ...]]


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
        asking: Asks the seed several times, to be compared with; or why it is not asked, in words.
        most_answers: Of the seed on each test example.
        order: What members are sorted by, best first, where val has to choose.
        recall: The evaluation of a candidate on a split that is recorded already, which is not done again; None where there is none.
    """

    task: Task
    evaluate: PurposeEvaluator
    audit: Callable[[Candidate], Awaitable[Failure | None]]
    recorder: CrownRecorder
    seed: int
    asking: Asking | str = "it was not asked for"
    most_answers: int = 0
    order: MemberOrder = rank
    recall: Callable[[int, str], Evaluation | None] = lambda _number, _split: None

    async def crown(self, finalists: tuple[Member, ...], seed: Member, *, spent: Usage = _NOTHING) -> Crown:
        """Audit the finalists, choose one on `confirm`, open `test` once, report the transfer sets.

        Args:
            finalists: Best first; the seed takes part whether it is among them or not.
            seed: The seed's member.
            spent: What the search cost; the seed is asked as often as that would have bought.

        Raises:
            InfrastructureError: Programs cannot be run any more.
        """
        others = [member for member in finalists if member.candidate.number != seed.candidate.number]
        found = await audited(others, audit=self.audit, leaks=LeakIndex.of(self.task), recorder=self.recorder)
        standing, missing = [*found.standing, seed], list(found.missing)
        chosen = await self._choose(standing, seed, missing)
        champion = chosen.champion
        self.recorder.decision("champion", number=champion.candidate.number, detail={"chosen_on": chosen.on, "of": len(standing)})
        pairs = dict(chosen.pairs)
        for name, examples in {"test": self.task.splits.get("test", ()), **self.task.transfer}.items():
            if not examples:
                missing.append(f"{name}: the task has no such examples")
                continue
            try:
                pairs[name] = await self._measure(name, champion, seed, examples)
            except CeilingReached as ceiling:
                missing.append(f"{name}: opened but not finished, {ceiling}")
        return Crown(
            champion=champion.candidate,
            chosen_on=chosen.on,
            n_finalists=len(standing),
            measured={name: self._compared(*pair) for name, pair in pairs.items()},
            disqualified=found.disqualified,
            missing=tuple(missing),
            claim=await self._claim(chosen, pairs, seed, spent),
        )

    async def _choose(self, standing: list[Member], seed: Member, missing: list[str]) -> _Chosen:
        """The best of the standing on confirm, or on val where there is no confirm split or no budget left for it."""
        leader = min(standing, key=self.order)
        by_val = tuple(member.val for member in standing)
        on_val = _Chosen(champion=leader, on="val", pairs={"val": (leader.val, seed.val)}, among={"val": by_val})
        examples = self.task.splits.get("confirm", ())
        if not examples:
            missing.append("confirm: the task has no such examples; the champion is the best on val, which flatters it")
            return on_val
        confirmed: dict[int, Evaluation] = {}
        try:
            for member in standing:
                confirmed[member.candidate.number] = await self._run("confirm", member, examples)
        except CeilingReached as ceiling:
            missing.append(f"confirm: not finished, {ceiling}; the champion is the best on val, which flatters it")
            return on_val
        means = _means_on_common_examples(confirmed)
        champion = min(standing, key=lambda m: (-means[m.candidate.number], m.candidate.number))
        pair = confirmed[champion.candidate.number], confirmed[seed.candidate.number]
        pairs = {"val": (champion.val, seed.val), "confirm": pair}
        return _Chosen(champion=champion, on="confirm", pairs=pairs, among={"val": by_val, "confirm": tuple(confirmed.values())})

    async def _claim(self, chosen: _Chosen, pairs: Mapping[str, _Pair], seed: Member, spent: Usage) -> Claim:
        """What is said of the champion beside its scores by split."""
        n_compared = len(chosen.among["val"]) - 1
        split = next(name for name in ("test", "confirm", "val") if name in pairs)
        level = corrected_level(n_compared)
        control, without = await self._asked(pairs["test"][0], seed, spent) if split == "test" else (None, "test was not measured")
        return Claim(
            split=split,
            score=mean_interval(pairs[split][0].values, self.task.score_range, seen=_values_seen(pairs), seed=self.seed),
            n_compared=n_compared,
            confirm=paired_difference(*pairs["confirm"], seed=self.seed, level=level) if "confirm" in pairs else None,
            optimism=optimism_of(chosen.among, seed=self.seed),
            control=control,
            without=without,
        )

    async def _asked(self, champion: Evaluation, seed: Member, spent: Usage) -> tuple[SeedControl | None, str]:
        """The champion beside the votes of the seed on test; or why that is left out."""
        examples = self.task.splits["test"]
        if (seed.val.usage + seed.train.usage).calls == 0:
            return None, "the seed asks no model, and answers alike each time"
        if self.most_answers < _FEWEST_ANSWERS:
            return None, "it was not asked for"
        n = min(answers_bought(spent, seed, len(examples)), self.most_answers)
        if n < _FEWEST_ANSWERS:
            return None, f"the search cost no more than {n} of the seed's answers to each test example"
        number, split = seed.candidate.number, f"{CONTROL}{n}"
        evaluation = self.recall(number, split)
        if evaluation is None:
            if isinstance(self.asking, str):
                return None, self.asking
            try:
                evaluation = await self.asking(seed.candidate.program, examples, candidate=number, purpose=_CONTROL_DRAWS, repeats=n)
            except CeilingReached as ceiling:
                return None, f"not finished, {ceiling}"
        self.recorder.evaluation(number, split, evaluation)
        return compared_with_votes(champion, evaluation, n=n, seed=self.seed), ""

    async def _measure(self, name: str, champion: Member, seed: Member, examples: tuple[Example, ...]) -> _Pair:
        """Champion and seed on a set that took no part in any choice. Every opening is a row of the lineage."""
        detail = {"split": name, "digest": split_digest(examples)}
        self.recorder.decision("open_split", number=champion.candidate.number, detail=detail)
        first = await self._run(name, champion, examples)
        return first, first if champion is seed else await self._run(name, seed, examples)

    async def _run(self, split: str, member: Member, examples: tuple[Example, ...]) -> Evaluation:
        number = member.candidate.number
        evaluation = self.recall(number, split)
        if evaluation is None:
            evaluation = await self.evaluate(member.candidate.program, examples, candidate=number, purpose=split)
        self.recorder.evaluation(number, split, evaluation)
        return evaluation

    def _compared(self, champion: Evaluation, seed: Evaluation) -> Measured:
        n = min(len(champion.values), len(seed.values))  # a race may have ended on fewer
        values = champion.values[:n]
        others = values if champion is seed else seed.values[:n]
        difference = difference_of(values, others, seed=self.seed)
        repeats = len(champion.judgements) // len(champion.values) if champion.values else 1
        return Measured(champion=mean_of(values), seed=mean_of(others), difference=difference, n=n, repeats=repeats)


def split_digest(examples: tuple[Example, ...]) -> str:
    """32 hexadecimal digits that name a set of examples, whatever their order."""
    return hashlib.blake2b("\n".join(sorted(example.id for example in examples)).encode(), digest_size=16).hexdigest()


def _values_seen(pairs: Mapping[str, _Pair]) -> list[float | None]:
    """What champion and seed scored on the task's own splits."""
    return [value for split, pair in pairs.items() if split in SPLITS for evaluation in pair for value in evaluation.values]


def _means_on_common_examples(evaluations: Mapping[int, Evaluation]) -> dict[int, float]:
    """Mean of each candidate over the examples on which every one of them counts; the lowest score where there is no such example."""
    columns = zip(*(evaluation.values for evaluation in evaluations.values()), strict=True)
    common = [column for column in ([v for v in values if v is not None] for values in columns) if len(column) == len(evaluations)]
    if not common:
        return {number: evaluation.lo for number, evaluation in evaluations.items()}
    return {number: sum(column[place] for column in common) / len(common) for place, number in enumerate(evaluations)}
