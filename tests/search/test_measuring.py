"""Measuring: what a race runs, on which examples, and whose scores it extends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.failure import Failure
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.candidate import Brief, Candidate, Member, Result
from graftwork.search.measuring import Measuring, val_order
from graftwork.search.novelty import Novelty, answers_of, traits_of
from graftwork.search.strategy import Strategy

N = 120
STRATEGY = Strategy(name="test", operators={"renumber": 1.0}, race_level=0.05, train_batch=2)


def never(output: object, example: Example, /) -> Score:
    raise AssertionError(output, example)


def program(number: int) -> Program:
    return parse(f"def solve(x: int) -> int:\n    return x + {number}\n")


TASK = Task(
    name="test",
    seed=program(0),
    splits={
        "val": tuple(Example(id=f"{n:016x}", inputs={"x": n}) for n in range(N)),
        "train": tuple(Example(id=f"{n:016x}", inputs={"x": n}) for n in range(N, N + 6)),
    },
    scorer=never,
)


@dataclass
class Ran:
    """An evaluator in which a program is right on as many examples of ten as its number says; it keeps who ran on how many."""

    tenths: Mapping[str, int]
    runs: list[tuple[str, int, int]] = field(default_factory=list)
    lost: str = ""

    async def __call__(
        self, program: Program, examples: tuple[Example, ...], *, candidate: int, before: Evaluation | None = None
    ) -> Evaluation:
        del before
        self.runs.append((program.digest, candidate, len(examples)))
        await asyncio.sleep(0)
        return Evaluation(digest=program.digest, judgements=tuple(self._judged(program, example) for example in examples), lo=0.0)

    def _judged(self, program: Program, example: Example) -> Judgement:
        if self.lost == example.id:
            return Judgement(outcome=Outcome(example_id=example.id, failure=Failure(kind="model", message="503")), score=Score(value=None))
        right = int(example.id, 16) % 10 < self.tenths[program.digest]
        return Judgement(outcome=Outcome(example_id=example.id, output=right), score=Score(value=float(right)))


def raced(ran: Ran, *, n_parent: int, strategy: Strategy = STRATEGY) -> tuple[Result, Measuring]:
    """The result of candidate 7 against a parent that was scored on so many examples, and how it was measured."""
    measuring = Measuring.of(TASK, strategy, 3, ran)

    async def both() -> Result:
        parent, child = (Candidate(number=number, program=program(number)) for number in (1, 7))
        known = await ran(parent.program, measuring.val[:n_parent], candidate=1)
        baseline = (await ran(TASK.seed, measuring.val, candidate=0)).values
        member = Member(candidate=parent, val=known, train=replace(known, judgements=()), baseline=baseline)
        ran.runs.clear()
        brief = Brief(number=7, told=5, operator="renumber", parents=(member,), island=0, seed=1)
        blank = Result(number=7, operator="renumber", island=0, parents=(1,), status="evaluated", candidate=child)
        return await measuring.measured(child, blank, brief, baseline)

    return asyncio.run(both()), measuring


def scored(seed: int, parent: int, child: int) -> Ran:
    return Ran({program(0).digest: seed, program(1).digest: parent, program(7).digest: child})


def test_a_child_that_answers_as_its_parent_does_is_dropped_on_the_way() -> None:
    result, _ = raced(scored(5, 5, 5), n_parent=N)
    assert result.raced is not None
    assert (result.raced.verdict, result.raced.against) == ("dropped", 1)
    assert result.val is not None
    assert len(result.val.values) == result.raced.n < N
    assert result.status == "evaluated"
    assert result.extension is None


def test_a_child_that_is_much_better_is_promoted_on_the_way() -> None:
    result, _ = raced(scored(2, 2, 9), n_parent=N)
    assert result.raced is not None
    assert (result.raced.verdict, result.raced.n < N // 2) == ("promoted", True)


def test_the_parent_is_run_on_what_it_has_not_seen_and_on_nothing_else() -> None:
    ran = scored(2, 2, 6)
    result, measuring = raced(ran, n_parent=8)
    assert result.raced is not None
    assert result.extension is not None
    n = result.raced.n
    assert [judgement.outcome.example_id for judgement in result.extension.judgements] == [example.id for example in measuring.val[8:n]]
    assert sum(size for digest, _, size in ran.runs if digest == program(1).digest) == n - 8
    assert {who for _, who, _ in ran.runs} == {7}


def test_train_examples_are_run_once_beside_the_first_batch() -> None:
    ran = scored(2, 2, 9)
    result, _ = raced(ran, n_parent=N)
    assert result.train is not None
    assert result.raced is not None
    assert len(result.train.values) == 2
    assert sum(size for digest, _, size in ran.runs if digest == program(7).digest) == result.raced.n + 2


def test_every_program_meets_val_in_the_order_of_its_ids() -> None:
    turned = replace(TASK, splits={**TASK.splits, "val": TASK.splits["val"][::-1]})
    assert val_order(turned, STRATEGY) == TASK.splits["val"]
    assert val_order(turned, replace(STRATEGY, race_level=0.0)) == turned.splits["val"]


def test_without_races_everyone_runs_on_all_of_val_as_it_stands() -> None:
    ran = scored(5, 5, 5)
    result, _ = raced(ran, n_parent=N, strategy=replace(STRATEGY, race_level=0.0))
    assert result.raced is None
    assert ran.runs == [(program(7).digest, 7, N + 2)]


@pytest.mark.parametrize("whose", ["child", "parent"])
def test_trouble_on_either_side_abandons_the_child_and_says_why(whose: str) -> None:
    ran = scored(2, 2, 9)
    measuring = Measuring.of(TASK, STRATEGY, 3, ran)
    ran.lost = measuring.val[3 if whose == "child" else 10].id
    result, _ = raced(ran, n_parent=9)
    assert (result.status, result.reason) == ("abandoned", "model: 503")
    assert result.raced is not None
    assert result.raced.verdict == "undecided"


@dataclass
class Talking(Ran):
    """An evaluator of programs whose answers are long; the same ones where they are right as often."""

    def _judged(self, program: Program, example: Example) -> Judgement:
        judged = super()._judged(program, example)
        return replace(judged, outcome=replace(judged.outcome, output=f"{judged.outcome.output} {'because ' * 8}{example.id}"))


@pytest.mark.parametrize(("tenths", "status"), [(4, "duplicate"), (9, "evaluated")])
def test_a_child_that_is_near_a_known_one_and_answers_alike_is_run_no_further(tenths: int, status: str) -> None:
    ran, novelty = Talking({program(1).digest: 4, program(7).digest: tenths}), Novelty()
    measuring = Measuring.of(TASK, replace(STRATEGY, near=0.5), 3, ran, novelty=novelty)
    assert measuring.race is not None
    first = measuring.race.first

    async def both() -> Result:
        parent, child = (
            Candidate(number=number, program=program(number), traits=traits_of(program(number), entry="solve")) for number in (1, 7)
        )
        known = await ran(parent.program, measuring.val, candidate=1)
        assert parent.traits is not None
        novelty.learn(1, parent.traits, answers=answers_of(known, first))
        member = Member(candidate=parent, val=known, train=replace(known, judgements=()), baseline=known.values)
        ran.runs.clear()
        brief = Brief(number=7, told=5, operator="renumber", parents=(member,), island=0, seed=1)
        blank = Result(number=7, operator="renumber", island=0, parents=(1,), status="evaluated", candidate=child)
        return await measuring.measured(child, blank, brief, known.values)

    result = asyncio.run(both())
    assert result.status == status
    assert result.answers is not None
    if status == "duplicate":
        assert ran.runs == [(program(7).digest, 7, first + 2)]
        assert "candidate 1" in result.reason
    else:
        assert len(ran.runs) > 1
