"""Free evaluators: a plain function calls a program as it likes; each call is a run in the sandbox, and nothing else is trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.evaluation import Judgement, Work
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.pool import Relay
from graftwork.evaluators.task import Limits
from graftwork.programs.errors import CeilingReached, ProgramFailed, TaskError
from graftwork.programs.failure import Failure

from .pool_programs import EchoRelay, FailingRelay, Switch

HALVES = "import random\n\n\ndef solve(x):\n    return [x / 2, random.random()]\n"
ASKS = """
from graftwork.programs import prompt

@prompt
def shout(text: str) -> str:
    '''Repeat: {text}'''

def solve(text):
    return shout(text)
"""


Judged = Callable[..., Judgement]


@pytest.fixture
def judged(local: tuple[LocalPool, Switch]) -> Judged:
    """What a program is worth to an evaluator on val."""
    pool, switch = local

    def judge(
        source: str, evaluator: Callable[[Any], Any], *, candidate: int = 0, relay: Relay | None = None, limits: Limits | None = None
    ) -> Judgement:
        switch.relay = relay or EchoRelay()
        task = make_task(source, evaluate=evaluator, score_range=(-10, 10), limits=limits or Limits())
        evaluation = asyncio.run(evaluate(task.seed, task.splits["val"], task=task, pool=pool, candidate=candidate))
        return evaluation.judgements[0]

    return judge


def test_an_evaluator_calls_the_program_and_says_what_it_is_worth(judged: Judged) -> None:
    judgement = judged(HALVES, lambda program: {"score": program(x=3)[0], "largest": program(x=8)[0], "chars": len(program.source)})
    assert judgement.score.value == 1.5
    assert judgement.score.metrics == {"largest": 4.0, "chars": float(len(HALVES))}
    assert judgement.score.feedback == f"largest 4, chars {len(HALVES)}"
    assert {span.path.split(".")[0] for span in judgement.outcome.spans} == {"0", "1"}
    assert judgement.outcome.cpu_s > 0


def test_equal_calls_differ_in_their_random_numbers_and_evaluations_do_not(judged: Judged) -> None:
    seen: list[list[float]] = []

    def evaluator(program: Any) -> float:
        seen.append([program(x=1)[1], program(x=1)[1], program(x=2)[1]])
        return 0.0

    judged(HALVES, evaluator)
    judged(HALVES, evaluator)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 3


def test_a_program_may_be_called_from_several_threads(judged: Judged) -> None:
    def evaluator(program: Any) -> float:
        with ThreadPoolExecutor(4) as threads:
            return sum(float(output[0]) for output in threads.map(lambda x: program(x=x), range(4)))

    assert judged(HALVES, evaluator).score.value == 3.0


def test_a_failure_that_the_evaluator_lets_through_is_the_programs(judged: Judged) -> None:
    judgement = judged("def solve(x):\n    return 1 / x\n", lambda program: program(x=0))
    assert judgement.outcome.failure is not None
    assert judgement.outcome.failure.kind == "crash"


def test_a_failure_that_the_evaluator_takes_may_be_scored(judged: Judged) -> None:
    def evaluator(program: Any) -> dict[str, Any]:
        try:
            program(x=0)
        except ProgramFailed as error:
            return {"score": -1, "feedback": error.failure.message}
        return {"score": 1}

    score = judged("def solve(x):\n    return 1 / x\n", evaluator).score
    assert (score.value, score.feedback) == (-1.0, "ZeroDivisionError: division by zero")


def _forgiving(program: Any) -> float:
    try:
        program(text="a")
    except Exception:  # noqa: BLE001 - what a careless author writes
        return -10.0
    return 1.0


def test_what_is_not_the_programs_fault_is_never_scored_whatever_the_evaluator_makes_of_it(judged: Judged) -> None:
    judgement = judged(ASKS, _forgiving, relay=FailingRelay(Failure(kind="model", message="503")))
    assert judgement.outcome.failure is not None
    assert (judgement.outcome.failure.kind, judgement.counts(-10.0)) == ("model", None)
    with pytest.raises(CeilingReached):
        judged(ASKS, _forgiving, relay=FailingRelay(CeilingReached("all is spent")))


def test_model_calls_of_all_runs_are_booked_and_have_draws_of_their_own(judged: Judged) -> None:
    relay = EchoRelay()
    judgement = judged(ASKS, lambda program: len(program(text="a") + program(text="a")) > 0, relay=relay)
    assert judgement.outcome.usage.calls == 2
    assert len({call.draw for call in relay.calls}) == 2


def test_a_program_is_run_no_more_often_than_the_limit(judged: Judged) -> None:
    def evaluator(program: Any) -> float:
        n = 0
        while True:
            n += 1
            program(x=n)

    judgement = judged(HALVES, evaluator, limits=Limits(runs=3))
    assert judgement.outcome.failure is not None
    assert judgement.outcome.failure.kind == "budget"
    assert "may run a program 3 times" in judgement.outcome.failure.message


@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        (lambda program: program(x=1)["best"], r"the evaluator raised TypeError: list indices .* \(line \d+ of .*test_free\.py\)"),
        (lambda _: "good", "must return a number or a dict with `score`, a number, not a str"),
        (lambda _: {"value": 1}, "a dict with `score`, not one with value"),
        (lambda _: {"score": 1, "log": [1]}, "'log' is a list"),
        (lambda _: 11.0, "the score must be within score_range"),
        (lambda program: program(x={1}), "a program's inputs must be JSON values"),
    ],
)
def test_an_evaluators_mistake_is_its_authors_with_the_seed_and_invalid_with_an_evolved_program(
    judged: Judged, evaluator: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        judged(HALVES, evaluator)
    failure = judged(HALVES, evaluator, candidate=3).outcome.failure
    assert failure is not None
    assert failure.kind == "invalid"


def test_a_cancelled_evaluation_runs_nothing_more(local: tuple[LocalPool, Switch]) -> None:
    calls: list[int] = []

    def evaluator(program: Any) -> float:
        while True:
            calls.append(1)
            program(x=1)

    async def cancel() -> int:
        task = make_task(HALVES, evaluate=evaluator, limits=Limits(runs=10**6))
        running = asyncio.create_task(evaluate(task.seed, task.splits["val"], task=task, pool=local[0], candidate=0))
        while len(calls) < 3:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        before = len(calls)
        await asyncio.sleep(0.5)
        return len(calls) - before

    assert asyncio.run(cancel()) <= 1


def test_a_work_without_cases_is_what_every_run_is_made_of() -> None:
    works: list[Work] = []

    class Watching(LocalPool):
        async def run(self, work: Work) -> Any:
            works.append(work)
            return await super().run(work)

    async def judge() -> None:
        pool = Watching(EchoRelay(), slots=1)
        task = make_task(HALVES, evaluate=lambda program: program(x=1)[0])
        try:
            await evaluate(task.seed, task.splits["val"], task=task, pool=pool, candidate=4, purpose="test")
        finally:
            await pool.aclose()

    asyncio.run(judge())
    assert [(work.candidate, work.purpose, work.entry, len(work.cases)) for work in works] == [(4, "test", "solve", 1)]
