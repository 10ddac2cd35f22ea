"""Evaluate and audit: only inputs go in, scores are made outside, and an author's mistake is named."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from graftwork.evaluators.evaluate import audit, evaluate
from graftwork.evaluators.evaluation import Case, Evaluation, Outcome, Work
from graftwork.evaluators.examples import make_examples
from graftwork.evaluators.objectives import DIRECTIONS, Objectives
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.errors import InfrastructureError, TaskError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.program import Program

from .fake_pool import FakePool

PROGRAM = Program(source="def solve(n): ...", imports=(), components=(), digest="d" * 32)

EXAMPLES = make_examples([({"n": 1}, 2), ({"n": 2}, 4)])


class Scripted(FakePool):
    """Runs a function in place of a program, in this process."""

    def __init__(self, run: Callable[[Case], object]) -> None:
        self.works: list[Work] = []
        self._run = run

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        self.works.append(work)
        return tuple(self._outcome(case) for case in work.cases)

    def _outcome(self, case: Case) -> Outcome:
        output = self._run(case)
        usage = Usage(input_tokens=3, calls=1)
        if isinstance(output, Failure):
            return Outcome(example_id=case.example_id, repeat=case.repeat, failure=output, usage=usage)
        return Outcome(example_id=case.example_id, repeat=case.repeat, output=output, usage=usage)


class Causal:
    """The output for the first item must not depend on the second."""

    def variant(self, inputs: Mapping[str, object], rng: random.Random) -> Mapping[str, object]:
        return {**inputs, "n": rng.randrange(1000, 2000)}

    def violation(self, inputs: Mapping[str, object], output: object, changed: Mapping[str, object], other: object) -> str:
        return "" if output == other else f"{inputs['n']} gave {output}, and {changed['n']} gave {other}"


def doubled(case: Case) -> object:
    return int(str(case.inputs["n"])) * 2


def equals(output: object, example: Example) -> bool:
    return output == example.target


def a_task(scorer: Callable[[object, Example], Any] = equals, **changes: Any) -> Task:
    task = Task(name="t", seed=PROGRAM, splits={"val": EXAMPLES}, scorer=scorer, cascade=())
    return replace(task, **changes)


def evaluated(task: Task, pool: Scripted, *, candidate: int = 5, **options: Any) -> Evaluation:
    return asyncio.run(evaluate(PROGRAM, EXAMPLES, task=task, pool=pool, candidate=candidate, **options))


def audited(task: Task, pool: Scripted, seed: int = 0) -> Failure | None:
    return asyncio.run(audit(PROGRAM, EXAMPLES, task=task, pool=pool, candidate=5, seed=seed))


def test_the_work_holds_inputs_and_no_target() -> None:
    pool = Scripted(doubled)
    evaluated(a_task(entry="solve", packages=("numpy",)), pool, purpose="confirm", repeats=2)
    (work,) = pool.works
    assert (work.candidate, work.purpose, work.digest, work.packages) == (5, "confirm", PROGRAM.digest, ("numpy",))
    assert [(case.example_id, case.repeat) for case in work.cases] == [(e.id, r) for e in EXAMPLES for r in (0, 1)]
    assert [case.inputs for case in work.cases] == [e.inputs for e in EXAMPLES for _ in range(2)]
    assert not hasattr(work.cases[0], "target")


@pytest.mark.parametrize(
    ("given", "value"),
    [(True, 1.0), (False, 0.0), (1, 1.0), (np.float32(0.5), 0.5), (None, None), (Score(value=0.25, feedback="half"), 0.25)],
)
def test_a_scorer_may_return_a_score_a_number_a_bool_or_nothing(given: object, value: float | None) -> None:
    evaluation = evaluated(a_task(lambda _output, _example: given), Scripted(doubled))
    assert evaluation.values == (value, value)
    assert evaluation.usage == Usage(input_tokens=6, calls=2)


def test_a_number_that_a_program_returns_is_never_a_score() -> None:
    evaluation = evaluated(a_task(), Scripted(lambda _case: 1.0))
    assert evaluation.values == (0.0, 0.0)


def test_a_failure_is_not_scored_and_counts_by_its_fault() -> None:
    crash, outage = Failure(kind="crash", message="it broke"), Failure(kind="model", message="429")

    def never(_output: object, _example: Example) -> float:
        raise AssertionError("a failure was scored")

    task = a_task(never, score_range=(-1.0, 1.0))
    evaluation = evaluated(task, Scripted(lambda case: crash if case.inputs["n"] == 1 else outage))
    assert evaluation.values == (-1.0, None)
    assert evaluation.judgements[0].score == Score(value=None, feedback="it broke")


def test_output_that_the_scorer_finds_invalid_is_a_failure() -> None:
    def picky(output: object, example: Example) -> Score:
        return Score(value=1.0, feedback="see below", invalid="" if example.target == 2 else f"{output} overflows")

    first, second = evaluated(a_task(picky), Scripted(doubled)).judgements
    assert (first.outcome.output, first.score.value) == (2, 1.0)
    assert second.outcome.failure == Failure(kind="invalid", message="4 overflows")
    assert second.outcome.output is None
    assert second.score == Score(value=None, feedback="see below", invalid="4 overflows")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (float("nan"), "the score must be finite, not nan"),
        (Score(value=float("inf")), "the score must be finite, not inf"),
        (1.5, r"within score_range \(0.0, 1.0\), not 1.5"),
        (Score(value=-0.1), r"within score_range"),
        ("1.0", "must return a Score, a number, a bool or None, not a str"),
        (1j, "not a complex"),
    ],
)
def test_a_score_that_is_none_ends_the_run_for_the_seed_and_is_invalid_for_what_evolved(given: object, message: str) -> None:
    with pytest.raises(TaskError, match=f"on example {EXAMPLES[0].id}.*{message}"):
        evaluated(a_task(lambda _output, _example: given), Scripted(doubled), candidate=0)
    evolved = evaluated(a_task(lambda _output, _example: given), Scripted(doubled))
    assert {failure.kind for failure in evolved.failures} == {"invalid"}


def test_an_examples_value_is_the_mean_over_its_repeats_that_count() -> None:
    crash, outage = Failure(kind="crash", message="it broke"), Failure(kind="model", message="429")
    outputs = {(1, 0): 2, (1, 1): crash, (1, 2): 2, (2, 0): outage, (2, 1): 4, (2, 2): outage}
    pool = Scripted(lambda case: outputs[int(str(case.inputs["n"])), case.repeat])
    evaluation = evaluated(a_task(), pool, repeats=3)
    assert [judgement.counts(0.0) for judgement in evaluation.judgements] == [1.0, 0.0, 1.0, None, 1.0, None]
    assert evaluation.values == (2 / 3, 1.0)
    assert evaluation.mean == (2 / 3 + 1.0) / 2
    assert evaluated(a_task(), Scripted(lambda _case: outage), repeats=2).values == (None, None)


def test_some_examples_may_be_repeated_and_others_not() -> None:
    pool = Scripted(doubled)
    evaluation = evaluated(a_task(), pool, repeats={EXAMPLES[1].id: 2})
    assert [(case.example_id, case.repeat) for case in pool.works[0].cases] == [
        (EXAMPLES[0].id, 0),
        (EXAMPLES[1].id, 0),
        (EXAMPLES[1].id, 1),
    ]
    assert evaluation.values == (1.0, 1.0)


def test_an_evaluation_tells_every_objective() -> None:
    def measured(output: object, example: Example) -> Score:
        metrics = {"size": float(str(output))} | ({"rare": 1.0} if example.target == 2 else {})
        return Score(value=0.5, metrics=metrics)

    evaluation = evaluated(a_task(measured), Scripted(doubled), repeats=2)
    outcomes = [replace(judgement.outcome, seconds=0.5, usage=Usage(usd=0.25, calls=1)) for judgement in evaluation.judgements]
    judgements = tuple(replace(j, outcome=outcome) for j, outcome in zip(evaluation.judgements, outcomes, strict=True))
    objectives = replace(evaluation, judgements=judgements).objectives
    metrics = {"size": 3.0, "rare": 1.0}
    assert objectives == Objectives(score=0.5, usd=0.25, seconds=0.5, n_chars=len(PROGRAM.source), metrics=metrics)
    assert set(DIRECTIONS) == {field.name for field in fields(Objectives)} - {"metrics"}


def test_an_evaluation_of_nothing_has_objectives_too() -> None:
    empty = Evaluation(digest="", judgements=(), lo=0.0)
    assert empty.objectives == Objectives(score=None, usd=0.0, seconds=0.0, n_chars=0)


def test_metrics_are_kept_as_floats() -> None:
    metrics: dict[str, Any] = {"recall": np.float32(0.5), "exact": True}
    scored = Score(value=1.0, metrics=metrics)
    assert evaluated(a_task(lambda _output, _example: scored), Scripted(doubled)).judgements[0].score.metrics == {
        "recall": 0.5,
        "exact": 1.0,
    }


@pytest.mark.parametrize(
    "metrics",
    [{"a": float("nan")}, {"a": "1"}, {"a": None}, {"": 1.0}, {"a" * 65: 1.0}, {5: 1.0}, {f"m{n}": 1.0 for n in range(33)}, [1.0]],
)
def test_metrics_that_are_no_short_list_of_named_finite_numbers_are_the_scorers_mistake(metrics: Any) -> None:
    with pytest.raises(TaskError, match="metric"):
        evaluated(a_task(lambda _output, _example: Score(value=1.0, metrics=metrics)), Scripted(doubled), candidate=0)


def test_a_scorer_that_raises_is_blamed_with_its_line() -> None:
    def broken(output: object, example: Example) -> float:
        return float(len(output)) / int(str(example.target))  # type: ignore[arg-type]  # the mistake under test

    with pytest.raises(TaskError, match=rf"on example {EXAMPLES[0].id} the scorer raised TypeError: .* \(line \d+ of .*test_evaluate.py\)"):
        evaluated(a_task(broken), Scripted(doubled), candidate=0)


def test_a_scorer_that_raises_on_what_an_evolved_program_gives_finds_it_invalid() -> None:
    def naive(output: object, example: Example) -> float:
        return float(len(output)) / int(str(example.target))  # type: ignore[arg-type]  # the mistake under test

    evaluation = evaluated(a_task(naive), Scripted(doubled))
    assert {failure.kind for failure in evaluation.failures} == {"invalid"}
    assert "the scorer raised TypeError" in evaluation.failures[0].message


def test_a_pool_that_loses_an_outcome_is_found_out() -> None:
    class Forgetful(Scripted):
        async def run(self, work: Work) -> tuple[Outcome, ...]:
            return (await super().run(work))[::-1]

    with pytest.raises(InfrastructureError, match="one outcome for each case in order"):
        evaluated(a_task(), Forgetful(doubled))


def test_no_examples_need_no_pool() -> None:
    pool = Scripted(doubled)
    assert asyncio.run(evaluate(PROGRAM, (), task=a_task(), pool=pool, candidate=0)).judgements == ()
    assert pool.works == []


def test_a_program_that_keeps_an_audits_rule_passes_and_both_runs_are_seeded_alike() -> None:
    pool = Scripted(lambda _case: "the same")
    assert audited(a_task(audits=(Causal(),)), pool) is None
    plain, changed = pool.works[0].cases[:2]
    assert (plain.example_id, plain.repeat) == (changed.example_id, changed.repeat)
    assert plain.inputs != changed.inputs
    assert pool.works[0].purpose == "audit"


def test_a_violation_is_forbidden_and_the_same_for_the_same_seed() -> None:
    task = a_task(audits=(Causal(),))
    failure = audited(task, Scripted(doubled), seed=1)
    assert failure is not None
    assert failure.kind == "forbidden"
    assert failure.message.startswith("1 gave 2, and 1")
    assert failure == audited(task, Scripted(doubled), seed=1)
    assert failure != audited(task, Scripted(doubled), seed=2)


def test_a_program_that_fails_an_audits_run_has_failed_and_an_outage_leaves_it_open() -> None:
    crash, outage = Failure(kind="crash", message="it broke"), Failure(kind="model", message="429")

    def fragile(case: Case) -> object:
        if case.inputs["n"] == 1:
            return outage
        return crash if int(str(case.inputs["n"])) > 2 else "fine"

    assert audited(a_task(audits=(Causal(),)), Scripted(fragile)) == crash
    assert audited(a_task(audits=(Causal(),)), Scripted(lambda _case: outage)) == outage


def test_an_audit_that_raises_is_blamed() -> None:
    class Broken(Causal):
        def variant(self, inputs: Mapping[str, object], rng: random.Random) -> Mapping[str, object]:
            return {"n": inputs["m"], **super().variant(inputs, rng)}

    with pytest.raises(TaskError, match="the audit's `variant` raised KeyError: 'm'"):
        audited(a_task(audits=(Broken(),)), Scripted(doubled))
