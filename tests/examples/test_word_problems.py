"""Word problems without a search: the problems, the score, the calculator, the scripted model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graftwork as gw
from graftwork.evaluators.evaluation import Evaluation
from graftwork.programs.check import check
from graftwork.programs.errors import ProgramError
from graftwork.search.candidate import Brief, Candidate, Member
from graftwork.search.catalogue import rewriters
from graftwork.search.operator import Facts
from tests.examples.running import EXAMPLES, evaluate_program, load_module

FOLDER = EXAMPLES / "word_problems"


@pytest.fixture(scope="module")
def task() -> gw.Task:
    return gw.load_task(FOLDER)


def reply(body: Mapping[str, object], draw: str) -> str:
    return cast("str", load_module(FOLDER / "scripted.py").reply(body, draw))


def scripted_evaluation(source: str, task: gw.Task) -> Evaluation:
    return evaluate_program(source, task.splits["val"], task=task, script=reply)


def judged(task: gw.Task, output: object, right: float) -> gw.Score:
    return cast("gw.Score", task.scorer(output, gw.Example(id="0" * 16, inputs={}, target=right)))


def test_no_problem_is_in_two_splits_and_every_answer_is_a_number(task: gw.Task) -> None:
    assert {split: len(examples) for split, examples in task.splits.items()} == {"train": 12, "val": 12, "confirm": 12, "test": 24}
    examples = [example for split in task.splits.values() for example in split]
    assert len({example.inputs["question"] for example in examples}) == 60
    assert all(math.isfinite(cast("float", example.target)) for example in examples)


def test_the_problems_are_those_that_reasoning_gym_makes() -> None:
    pytest.importorskip("reasoning_gym", reason="the problems are made with the extra `examples`")
    made = load_module(FOLDER / "problems.py").make_problems()
    assert made == [json.loads(line) for line in (FOLDER / "problems.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("output", "value", "feedback"), [
    (12, 1.0, "right"),
    (12.000001, 1.0, "right"),
    (12.1, 0.0, "wrong: 12.1 instead of 12"),
    (-12.0, 0.0, "the sign is wrong"),
    (1200.0, 0.0, "a factor of 100"),
    (1, 0.0, "a factor of 12"),
])  # fmt: skip
def test_numbers_are_compared_with_a_small_tolerance(task: gw.Task, output: object, value: float, feedback: str) -> None:
    score = judged(task, output, 12.0)
    assert score.value == value
    assert feedback in score.feedback


@pytest.mark.parametrize("output", [None, "12", True, math.nan, math.inf, 10**400, [12.0]])
def test_what_is_no_finite_number_is_invalid(task: gw.Task, output: object) -> None:
    score = judged(task, output, 1.0)
    assert score.value is None
    assert "expected a finite number" in score.invalid


@given(st.integers(-999, 999), st.integers(-999, 999), st.integers(1, 999), st.sampled_from("+-*"))
def test_the_calculator_follows_arithmetic(a: int, b: int, c: int, sign: str) -> None:
    calculate = load_module(FOLDER / "program.py").calculate
    assert calculate(f" ({a} {sign} {b}) / {c}") == eval(f"({a} {sign} {b}) / {c}")  # noqa: S307 -- our own text


@pytest.mark.parametrize("expression", ["", "three", "2 ** 9", "abs(1)", "__import__('os')", "True + 1", "1 = 1", "'a' * 3"])
def test_the_calculator_refuses_what_is_no_arithmetic(expression: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        load_module(FOLDER / "program.py").calculate(expression)


def test_with_the_scripted_model_the_seed_is_right_on_some_problems_only(task: gw.Task) -> None:
    evaluation = scripted_evaluation(task.seed.source, task)
    assert 0.2 <= cast("float", evaluation.mean) <= 0.7
    assert evaluation.usage.calls == 24


def test_hints_make_the_scripted_model_better_also_through_the_plan(task: gw.Task) -> None:
    hints = [hint for hint, gain in load_module(FOLDER / "scripted.py").HINTS.items() if gain > 0]
    taught = task.seed.source.replace('"""Say in', f'"""{" ".join(hints)} Say in')
    assert cast("float", scripted_evaluation(taught, task).mean) > cast("float", scripted_evaluation(task.seed.source, task).mean) + 0.2


def test_the_scripted_model_rambles_when_it_is_not_told_what_to_reply_with(task: gw.Task) -> None:
    loose = task.seed.source.replace("expression only", "expression")
    failures = scripted_evaluation(loose, task).failures
    assert failures
    assert {failure.component for failure in failures} == {"calculate"}


@pytest.mark.parametrize("name", sorted(rewriters()))
def test_as_proposer_the_scripted_model_writes_new_programs_in_the_form_asked_for(task: gw.Task, name: str) -> None:
    rewriter, empty = rewriters()[name], Evaluation(digest=task.seed.digest, judgements=(), lo=0.0)
    member = Member(candidate=Candidate(number=0, program=task.seed), val=empty, train=empty)
    facts = Facts.of(task)
    children = set()
    for number in range(1, 25):
        brief = Brief(number=number, told=1, operator=name, parents=(member,) * rewriter.n_parents, island=0, seed=number)
        text = reply(rewriter.request(brief, facts), f"propose/{number}/0")
        try:
            draft = rewriter.read(brief, facts, text)
        except ProgramError:  # a component that it leaves as it is
            continue
        defects = check(draft.program, entry=task.entry, parameters=("question",))
        assert [defect for defect in defects if defect.severity == "error"] == []
        children.add(draft.program.digest)
    assert len(children) >= 5


def test_the_scripted_model_says_the_same_again_unless_the_temperature_is_raised(task: gw.Task) -> None:
    question = task.splits["train"][0].inputs["question"]
    body: dict[str, object] = {"messages": [{"role": "user", "content": f"question: {question}\n\nsteps: add"}], "temperature": 0.0}
    assert len({reply(body, str(draw)) for draw in range(20)}) == 1
    assert len({reply({**body, "temperature": 1.0}, str(draw)) for draw in range(20)}) > 1
