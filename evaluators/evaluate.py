"""Evaluate: run a program on examples in a pool, and score what comes back outside the child."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from numbers import Real

from graftwork.programs.errors import InfrastructureError, TaskError
from graftwork.programs.failure import Failure
from graftwork.programs.program import Program

from .blame import blaming
from .cascade import Pair, cascaded
from .evaluation import Case, Evaluation, Judgement, Outcome, Work
from .free import FreeEvaluation
from .gathering import gathered
from .pool import Pool
from .stage import LiveStage
from .task import MOST_METRIC_CHARS, MOST_METRICS, Audit, Example, FreeEvaluator, Limits, Score, Task
from .tools import JudgeRelay, Tools, ToolScorer

__all__ = ["audit", "evaluate", "judge"]


async def evaluate(  # noqa: PLR0913 - task and pool are bound once for a run, the others differ from call to call
    program: Program,
    examples: Sequence[Example],
    *,
    task: Task,
    pool: Pool,
    candidate: int,
    purpose: str = "search",
    repeats: int | Mapping[str, int] = 1,
    asking: JudgeRelay | None = None,
    before: Evaluation | None = None,
) -> Evaluation:
    """Run a program on every example and score the outputs. Only inputs go in; targets and the scorer stay here.

    Args:
        program: What is run.
        examples: Of `task`; judgements come in their order, the repeats of an example one after another. In the search the task's cascade
            looks at the first of them first, and a hopeless program is run on no more; what it was not run on counts as its failure.
        task: Entry, limits, scorer.
        pool: Where it runs.
        candidate: Number of the brief that made the program; 0 for the seed.
        purpose: Prefix of every draw.
        repeats: Runs of each example, at least 1; or those of some examples by id, while the others run once.
        asking: The way to the judge, for scorers that need one.
        before: What is known of the program on other examples, which the cascade takes into account; it is no part of what is returned.

    Raises:
        TaskError: If on the seed's output the scorer raises, or gives a score that is not finite or outside the task's range; or if an
            environment is at fault.
        CeilingReached: The run's budget is spent.
        InfrastructureError: Workers were lost more often than is retried.
    """
    times = dict.fromkeys((example.id for example in examples), repeats) if isinstance(repeats, int) else repeats
    pairs = [(example, repeat) for example in examples for repeat in range(times.get(example.id, 1))]
    work = _work(program, (), task=task, candidate=candidate, purpose=purpose)

    async def judged(some: Sequence[Pair], limits: Limits) -> tuple[Judgement, ...]:
        cases = tuple(Case(example_id=example.id, inputs=example.inputs, repeat=repeat) for example, repeat in some)
        return await _judged(replace(work, cases=cases, limits=limits), some, task=task, pool=pool, asking=asking)

    # The seed is run on all: a search begins with what it can do.
    looks = task.cascade if purpose == "search" and candidate != 0 else ()
    judgements = await cascaded(pairs, judged, looks=looks, limits=task.limits, lo=task.lo, before=before.judgements if before else ())
    return Evaluation(digest=program.digest, judgements=judgements, lo=task.lo, forgeable=task.forgeable, n_chars=len(program.source))


async def _judged(work: Work, pairs: Sequence[Pair], *, task: Task, pool: Pool, asking: JudgeRelay | None) -> tuple[Judgement, ...]:
    """Run some cases and score what comes back."""
    if task.evaluator is not None:
        free = replace(work, cases=())
        outcomes = await gathered([asyncio.create_task(_freely(free, task.evaluator, *pair, pool=pool)) for pair in pairs])
    else:
        outcomes = await _run(work, [example for example, _ in pairs], task=task, pool=pool)
    if isinstance(task.scorer, ToolScorer):
        judging = []
        for case, outcome, (example, _) in zip(work.cases, outcomes, pairs, strict=True):
            tools = Tools(pool=pool, judge=asking, candidate=work.candidate, case=case, purpose=work.purpose, packages=task.packages)
            judging.append(asyncio.create_task(_judged_with(tools, outcome, example, task)))
        return await gathered(judging)

    def judge_all() -> tuple[Judgement, ...]:
        together = zip(outcomes, pairs, strict=True)
        return tuple(judge(outcome, example, task, strict=work.candidate == 0) for outcome, (example, _) in together)

    # A scorer may take its time, and the loop has other candidates to serve.
    return await asyncio.to_thread(judge_all)


async def audit(program: Program, examples: Sequence[Example], *, task: Task, pool: Pool, candidate: int, seed: int) -> Failure | None:
    """Why a program breaks one of the task's audits, or None.

    Each example is run as it is and with each audit's changed inputs, with equal random seeds and equal draws, so that the
    inputs are all that differs.

    Args:
        program: What is audited.
        examples: On which.
        task: Holds the audits.
        pool: Where it runs.
        candidate: Number of the brief that made the program.
        seed: Draws the changes, together with the audit's place and the example's id.

    Returns:
        A failure `forbidden` that says what was broken; or the failure of a run that gave no output: where that is not the
        program's fault, the audit is still open and should be repeated.

    Raises:
        TaskError: If an audit raises.
        CeilingReached: The run's budget is spent.
        InfrastructureError: Workers were lost more often than is retried.
    """
    failures: list[Failure] = []
    for place, rule in enumerate(task.audits):
        pairs = [_pair(rule, example, random.Random(f"{seed}/{place}/{example.id}")) for example in examples]
        cases = tuple(case for pair in pairs for case in pair)
        work = _work(program, cases, task=task, candidate=candidate, purpose="audit")
        outcomes = await _run(work, examples, task=task, pool=pool)
        for (case, changed), plain, other in zip(pairs, outcomes[::2], outcomes[1::2], strict=True):
            failure = plain.failure or other.failure
            if failure is None and (reason := _violation(rule, (case, plain), (changed, other))):
                failure = Failure(kind="forbidden", message=reason)
            if failure is not None:
                failures.append(failure)
    return next((failure for failure in failures if failure.is_the_programs), next(iter(failures), None))


def judge(outcome: Outcome, example: Example, task: Task, *, strict: bool = True) -> Judgement:
    """An outcome with its score; output that the scorer finds invalid becomes a failure.

    Args:
        outcome: What the program did.
        example: On what.
        task: Holds the scorer.
        strict: Whether a scorer that raises or leaves its range is its author's mistake, as on the seed's output. Evolved programs give
            things that nobody thought of: what the scorer cannot take is `invalid` then.

    Raises:
        TaskError: If `strict`, and the scorer raises or gives a score that is not finite or outside the task's range.
    """
    if outcome.failure is not None:
        return Judgement(outcome=outcome, score=Score(value=None, feedback=outcome.failure.message))
    try:
        score = _scored(outcome.output, example, task)
    except TaskError as error:
        if strict:
            raise
        score = Score(value=None, invalid=str(error))
    if score.invalid:
        failure = Failure(kind="invalid", message=score.invalid)
        return Judgement(outcome=replace(outcome, output=None, failure=failure), score=replace(score, value=None))
    return Judgement(outcome=outcome, score=score)


async def _judged_with(tools: Tools, outcome: Outcome, example: Example, task: Task) -> Judgement:
    """As `judge`, by a scorer that needs tools; with what judging cost."""
    strict, given = tools.candidate == 0, None
    if outcome.failure is None and isinstance(task.scorer, ToolScorer):
        try:
            with blaming(f"on example {example.id} the scorer raised"):
                given = await task.scorer.score_with(outcome.output, example, tools)
        except TaskError as error:
            if strict:
                raise
            given = Score(value=None, invalid=str(error))
    judgement = judge(outcome, example, replace(task, scorer=lambda _output, _example: given), strict=strict)
    return replace(judgement, judging=tools.used)


def _scored(output: object, example: Example, task: Task) -> Score:
    """What the scorer gives, as a score whose value is finite and within the task's range."""
    with blaming(f"on example {example.id} the scorer raised"):
        given = task.scorer(output, example)
    score = given if isinstance(given, Score) else Score(value=_value(given, example))
    score = replace(score, metrics=_metrics(score.metrics, example))
    if score.invalid:
        return score
    value, (lo, hi) = _value(score.value, example), task.score_range
    if value is not None and not lo <= value <= hi:
        raise TaskError(f"on example {example.id} the score must be within score_range {(lo, hi)}, not {value!r}: mend one of them")
    return replace(score, value=value)


def _value(given: object, example: Example) -> float | None:
    if given is None:
        return None
    if not isinstance(given, Real):
        kind = type(given).__name__
        raise TaskError(f"on example {example.id} the scorer must return a Score, a number, a bool or None, not a {kind}")
    value = float(given)
    if not math.isfinite(value):
        raise TaskError(f"on example {example.id} the score must be finite, not {value!r}: return Score(value=None, invalid='why')")
    return value


def _metrics(given: object, example: Example) -> dict[str, float]:
    if not isinstance(given, Mapping) or len(given) > MOST_METRICS:
        raise TaskError(f"on example {example.id} the score's metrics must be at most {MOST_METRICS} numbers by name, not {given!r:.80}")
    for name, value in given.items():
        if not isinstance(name, str) or not 0 < len(name) <= MOST_METRIC_CHARS or not isinstance(value, Real) or not math.isfinite(value):
            raise TaskError(f"on example {example.id} the metric {name!r:.80} must be a finite number with a short name, not {value!r:.80}")
    return {name: float(value) for name, value in given.items()}


def _work(program: Program, cases: tuple[Case, ...], *, task: Task, candidate: int, purpose: str) -> Work:
    return Work(
        candidate=candidate,
        source=program.source,
        digest=program.digest,
        entry=task.entry,
        cases=cases,
        packages=task.packages,
        limits=task.limits,
        purpose=purpose,
        foreign=task.foreign,
        spawn=task.resources.gpus > 0,
    )


async def _freely(work: Work, evaluator: FreeEvaluator, example: Example, repeat: int, *, pool: Pool) -> Outcome:
    """What a free evaluator makes of a program. What it raises on an evolved one, which does what nobody thought of, is `invalid`."""
    try:
        return await FreeEvaluation(evaluator, work, example, pool=pool, repeat=repeat).outcome()
    except TaskError as error:
        if work.candidate == 0:
            raise
        return Outcome(example_id=example.id, repeat=repeat, failure=Failure(kind="invalid", message=str(error)))


async def _run(work: Work, examples: Sequence[Example], *, task: Task, pool: Pool) -> tuple[Outcome, ...]:
    if not work.cases:
        return ()
    factory, by_id = task.environment, {example.id: example for example in examples}
    async with LiveStage(factory, by_id, strict=work.candidate == 0) if factory is not None else nullcontext() as stage:
        outcomes = await pool.run(replace(work, stage=stage))
    asked, came = [(c.example_id, c.repeat) for c in work.cases], [(o.example_id, o.repeat) for o in outcomes]
    if asked != came:
        raise InfrastructureError(f"a pool must give one outcome for each case in order: {len(asked)} cases, {len(came)} outcomes")
    return outcomes


def _pair(rule: Audit, example: Example, rng: random.Random) -> tuple[Case, Case]:
    with blaming(f"on example {example.id} the audit's `variant` raised"):
        changed = rule.variant(example.inputs, rng)
    # The same id and repeat: the child's random numbers are seeded with them.
    return Case(example_id=example.id, inputs=example.inputs), Case(example_id=example.id, inputs=changed)


def _violation(rule: Audit, plain: tuple[Case, Outcome], changed: tuple[Case, Outcome]) -> str:
    with blaming(f"on example {plain[0].example_id} the audit's `violation` raised"):
        return rule.violation(plain[0].inputs, plain[1].output, changed[0].inputs, changed[1].output)
