"""Unit tests of code that a program wrote: it runs in the sandbox, and learns nothing of what is expected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.evaluation import Judgement, Outcome, Work
from graftwork.evaluators.examples import make_examples
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Limits, Score
from graftwork.evaluators.unit_tests import unit_tests
from graftwork.programs.errors import TaskError

from .fake_pool import FakePool
from .pool_programs import Switch, children_left, templates

WRITES = "def solve(code):\n    return code\n"
RIGHT = "def add(a, b=1):\n    return a + b\n"
TESTS = [[[1, 2], 3], [{"a": 4}, 5], [[0.5, 0.5], 1.0], [["x", "y"], "xy"]]


Judged = Callable[..., Judgement]


@pytest.fixture
def judged(local: tuple[LocalPool, Switch]) -> Judged:
    """What some code is worth."""

    def judge(code: object, tests: object = TESTS, *, candidate: int = 0, **options: Any) -> Judgement:
        examples = make_examples([({"code": code}, tests)])
        task = make_task(WRITES, {"val": examples}, unit_tests("add", **options))
        evaluation = asyncio.run(evaluate(task.seed, examples, task=task, pool=local[0], candidate=candidate))
        assert children_left(*templates()) == []
        return evaluation.judgements[0]

    return judge


def test_right_code_passes_every_test(judged: Judged) -> None:
    assert judged(RIGHT).score == Score(value=1.0, feedback="4 of 4 tests pass")


def test_code_in_a_markdown_fence_is_taken_out_of_it(judged: Judged) -> None:
    assert judged(f"Here it is:\n```python\n{RIGHT}```\nIt adds.").score.value == 1.0


@pytest.mark.parametrize(
    ("code", "value", "feedback"),
    [
        (
            "def add(a, b=1):\n    return abs(a) + b if a != 4 else 7\n",
            0.5,
            "2 of 4 tests pass; the first that fails: add(a=4) gave 7, expected 5",
        ),
        (
            "def add(a, b):\n    return a + b\n",
            0.75,
            "add(a=4) failed: crash: TypeError: add() missing 1 required positional argument: 'b'",
        ),
        ("def other(a, b):\n    return a\n", 0.0, "add(1, 2) failed: crash: NameError: name 'add' is not defined"),
        ("def add(a, b=1:\n", 0.0, "add(1, 2) failed: crash: SyntaxError"),
        ("import os\ndef add(a, b=1):\n    os.fork()\n", 0.0, "add(1, 2) failed: forbidden"),
        ("def add(a, b=1):\n    while True: pass\n", 0.0, "add(1, 2) failed: timeout"),
    ],
)
def test_wrong_code_is_told_the_first_test_that_it_fails(judged: Judged, code: str, value: float, feedback: str) -> None:
    score = judged(code, limits=Limits(timeout_s=1.0)).score
    assert score.value == value
    assert feedback in score.feedback


def test_only_the_first_test_that_fails_is_shown(judged: Judged) -> None:
    feedback = judged("def add(a, b=1):\n    return None\n", [[[n, n], 1000 + n] for n in range(5)]).score.feedback
    assert "1000" in feedback
    assert not any(str(1000 + n) in feedback for n in range(1, 5))


def test_code_is_given_the_arguments_of_one_test_and_nothing_that_is_expected() -> None:
    works: list[Work] = []

    class Watching(FakePool):
        async def run(self, work: Work) -> tuple[Outcome, ...]:
            works.append(work)
            return tuple(Outcome(example_id=case.example_id, repeat=case.repeat, output=RIGHT) for case in work.cases)

    examples = make_examples([({"code": RIGHT}, [[[1, 2], "needle"], [{"a": 3}, "needle"]])])
    task = make_task(WRITES, {"val": examples}, unit_tests("add"))
    asyncio.run(evaluate(task.seed, examples, task=task, pool=Watching(), candidate=0))
    assert [case.inputs for case in works[1].cases] == [{"positional": [1, 2], "named": {}}, {"positional": [], "named": {"a": 3}}]
    assert works[1].limits.calls == 0
    assert "needle" not in repr(works)


def test_output_that_is_no_text_is_invalid(judged: Judged) -> None:
    judgement = judged(7)
    assert judgement.outcome.failure is not None
    assert judgement.outcome.failure.message == "expected the source text of `add`, got a int"


def test_numbers_may_be_near(judged: Judged) -> None:
    assert judged("def add(a, b):\n    return 0.1 + 0.2\n", [[[1, 2], 0.3]]).score.value == 0.0
    assert judged("def add(a, b):\n    return 0.1 + 0.2\n", [[[1, 2], 0.3]], tolerance=1e-9).score.value == 1.0


@pytest.mark.parametrize("tests", [None, [], [[1, 2]], ["ab"], [[[1, 2], 3, 4]]])
def test_a_target_that_holds_no_tests_is_the_authors_mistake_whoever_wrote_the_code(judged: Judged, tests: object) -> None:
    with pytest.raises(
        TaskError, match=r"on example \w+ (the target must be a list of 1 to 1000 tests|test 0 must be \[arguments, expected\])"
    ):
        judged(RIGHT, tests)


def test_a_scorer_that_needs_tools_says_so_when_it_is_called() -> None:
    (example,) = make_examples([({"code": ""}, TESTS)])
    with pytest.raises(TaskError, match="UnitTests needs a sandbox or a judge"):
        unit_tests("add")(RIGHT, example)
    with pytest.raises(TaskError, match="needs the name of the function that is tested, not 'a b'"):
        unit_tests("a b")
