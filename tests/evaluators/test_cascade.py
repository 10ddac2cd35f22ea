"""The cascade: how many examples a program is run on, and what it counts on those that it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.evaluation import Evaluation, Outcome, Work
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.scorers import exact
from graftwork.evaluators.task import SMOKE, Look, Task
from graftwork.programs.errors import TaskError
from graftwork.programs.failure import Failure, FailureKind

from .fake_pool import FakePool

PROGRAM = "def solve(n):\n    return n\n"


class Counting(FakePool):
    """Runs a function of n in place of the program, and keeps what was asked."""

    def __init__(self, does: Callable[[int], object]) -> None:
        self.asked: list[tuple[list[int], float]] = []
        self._does = does

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        self.asked.append(([int(str(case.inputs["n"])) for case in work.cases], work.limits.timeout_s))
        return tuple(self._outcome(case.example_id, case.repeat, self._does(int(str(case.inputs["n"])))) for case in work.cases)

    def _outcome(self, example_id: str, repeat: int, came: object) -> Outcome:
        if isinstance(came, Failure):
            return Outcome(example_id=example_id, repeat=repeat, failure=came)
        return Outcome(example_id=example_id, repeat=repeat, output=came)


def failing(kind: FailureKind = "crash") -> Failure:
    return Failure(kind=kind, message="oh", component="solve")


def a_task(cascade: Sequence[Look] = SMOKE) -> Task:
    return make_task(PROGRAM, {"val": [({"n": n}, n) for n in range(8)]}, exact, cascade=cascade)


def run(
    does: Callable[[int], object], task: Task, *, candidate: int = 3, purpose: str = "search", repeats: int = 1
) -> tuple[Evaluation, Counting]:
    pool = Counting(does)
    examples = task.splits["val"]
    evaluation = asyncio.run(evaluate(task.seed, examples, task=task, pool=pool, candidate=candidate, purpose=purpose, repeats=repeats))
    assert [judgement.outcome.example_id for judgement in evaluation.judgements] == [e.id for e in examples for _ in range(repeats)]
    return evaluation, pool


def test_a_program_that_runs_is_looked_at_once_and_then_run_on_all() -> None:
    evaluation, pool = run(lambda n: n, a_task())
    assert [numbers for numbers, _ in pool.asked] == [[0], [1, 2, 3, 4, 5, 6, 7]]
    assert evaluation.mean == 1.0


def test_a_program_that_fails_on_the_first_five_is_run_no_further_and_says_so() -> None:
    evaluation, pool = run(lambda n: failing(), a_task())
    assert [numbers for numbers, _ in pool.asked] == [[0], [1, 2, 3, 4]]
    assert evaluation.mean == 0.0
    messages = [failure.message for failure in evaluation.failures]
    assert messages[:5] == ["oh"] * 5
    assert messages[5:] == ["not run, for on the first 5: crash: oh"] * 3
    assert evaluation.failures[-1].component == "solve"


@pytest.mark.parametrize("lucky", [1, 4])
def test_one_success_is_enough_to_be_run_on_all(lucky: int) -> None:
    evaluation, pool = run(lambda n: n if n == lucky else failing("timeout"), a_task())
    assert [numbers for numbers, _ in pool.asked] == [[0], [1, 2, 3, 4], [5, 6, 7]]
    assert evaluation.mean == 1 / 8


def test_what_is_not_the_programs_fault_does_not_condemn_it() -> None:
    _, pool = run(lambda n: failing("model"), a_task())
    assert sum(len(numbers) for numbers, _ in pool.asked) == 8


def test_a_threshold_ends_what_is_too_bad_and_has_its_own_time() -> None:
    task = a_task([Look(examples=2, timeout_s=0.5), Look(examples=4, at_least=0.5)])
    evaluation, pool = run(lambda n: n if n == 0 else -1, task)
    assert pool.asked == [([0, 1], 0.5), ([2, 3], task.limits.timeout_s)]
    assert [f.message for f in evaluation.failures] == ["not run, for on the first 4: its mean is 0.25, and 0.5 is asked for"] * 4
    assert evaluation.mean == 1 / 8
    _, pool = run(lambda n: n if n % 2 else -1, task)
    assert [numbers for numbers, _ in pool.asked] == [[0, 1], [2, 3], [4, 5, 6, 7]]


def test_repeats_of_an_example_stay_together() -> None:
    _, pool = run(lambda n: failing(), a_task(), repeats=2)
    assert [numbers for numbers, _ in pool.asked] == [[0, 0], [1, 1, 2, 2, 3, 3, 4, 4]]


@pytest.mark.parametrize("who", [{"candidate": 0}, {"purpose": "confirm"}])
def test_the_seed_and_whatever_comes_after_the_search_is_run_on_all(who: dict[str, object]) -> None:
    _, pool = run(lambda n: failing(), a_task(), **who)  # type: ignore[arg-type]  # a mapping of two kinds of option
    assert [len(numbers) for numbers, _ in pool.asked] == [8]


def test_no_cascade_runs_on_all_at_once() -> None:
    _, pool = run(lambda n: failing(), a_task([]))
    assert [len(numbers) for numbers, _ in pool.asked] == [8]


def test_an_evaluation_is_extended_without_running_anything_again() -> None:
    task, pool = a_task([]), Counting(lambda n: n)
    first, rest = task.splits["val"][:3], task.splits["val"][3:]

    async def both() -> Evaluation:
        one = await evaluate(task.seed, first, task=task, pool=pool, candidate=3)
        return one.extended(await evaluate(task.seed, rest, task=task, pool=pool, candidate=3))

    evaluation = asyncio.run(both())
    assert [numbers for numbers, _ in pool.asked] == [[0, 1, 2], [3, 4, 5, 6, 7]]
    assert evaluation.values == (1.0,) * 8


@pytest.mark.parametrize("n_first", [1, 2, 5, 6, 7])
def test_in_parts_a_hopeless_program_is_run_on_no_more_and_comes_to_the_same(n_first: int) -> None:
    task, pool = a_task(), Counting(lambda n: failing())
    first, rest = task.splits["val"][:n_first], task.splits["val"][n_first:]

    async def both() -> Evaluation:
        one = await evaluate(task.seed, first, task=task, pool=pool, candidate=3)
        return one.extended(await evaluate(task.seed, rest, task=task, pool=pool, candidate=3, before=one))

    in_parts = asyncio.run(both())
    asked = [n for numbers, _ in pool.asked for n in numbers]
    whole, _ = run(lambda n: failing(), a_task())
    assert asked == [0, 1, 2, 3, 4]
    assert in_parts == whole


@pytest.mark.parametrize(
    ("cascade", "said"),
    [
        ([Look(examples=0)], "1 example or more"),
        ([Look(examples=5), Look(examples=5)], "each more than the one before"),
        ([Look(examples=5, timeout_s=0.0)], "timeout_s must be a number above 0"),
        ("smoke", "a list of gw.Look"),
        (5, "a list of gw.Look"),
    ],
)
def test_a_cascade_that_cannot_be_meant_is_one_clear_error(cascade: object, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        make_task(PROGRAM, {"val": [({"n": 1}, 1)]}, exact, cascade=cascade)  # type: ignore[arg-type]  # what a person may type
