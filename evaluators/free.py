"""Free evaluators: a plain function of the task's author says what a program is worth, by calling it as often as it likes.

The function runs in our process, the program in the sandbox: each call of it is a run in a child of its own. So no program can write its
own score.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from numbers import Real
from typing import Any, Final

from graftwork.programs.errors import GraftworkError, InfrastructureError, ProgramFailed, TaskError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.trace import Span
from graftwork.programs.wire import to_json

from .blame import blaming
from .canonical import canonical_json
from .evaluation import Case, Outcome, Work
from .pool import Pool
from .task import Example, Score

__all__ = ["FreeEvaluation", "RunnableProgram", "told_score"]

_MAX_SPANS: Final = 500
_FEEDBACK_CHARACTERS: Final = 6_000


class RunnableProgram:
    """A program as a free evaluator sees it: call it with the inputs of its entry, by name, and get its output.

    May be called from several threads. A run that gives no output raises `ProgramFailed`, whose `failure` says why; where the evaluator
    lets that through, it is the program's failure.
    """

    def __init__(self, evaluation: FreeEvaluation) -> None:
        self._evaluation = evaluation

    @property
    def source(self) -> str:
        """The program's text."""
        return self._evaluation.source

    def __call__(self, **inputs: object) -> Any:
        """The program's output, decoded JSON.

        Raises:
            ProgramFailed: If it gave none.
            TaskError: If the inputs are no JSON.
        """
        return self._evaluation.output_of(inputs)


class FreeEvaluation:
    """One evaluation of one program by a free evaluator. Use once: `outcome`.

    Args:
        evaluator: The author's function.
        work: The program, its entry and limits; without cases.
        example: The occasion; its id seeds the runs, together with their inputs.
        pool: Where the program runs.
        repeat: Which repeat of the evaluation.
    """

    def __init__(self, evaluator: Any, work: Work, example: Example, *, pool: Pool, repeat: int) -> None:
        self._evaluator, self._work, self._example, self._pool, self._repeat = evaluator, work, example, pool, repeat
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._runs: dict[int, Outcome] = {}
        self._n_runs = 0
        self._running: set[asyncio.Task[Outcome]] = set()
        self._over = False
        self._stopped: Failure | None = None
        self._fatal: GraftworkError | None = None

    @property
    def source(self) -> str:
        """The program's text."""
        return self._work.source

    async def outcome(self) -> Outcome:
        """Call the evaluator to its end.

        Raises:
            TaskError: If the evaluator raises.
            CeilingReached: The run's budget is spent.
            InfrastructureError: Workers were lost more often than is retried.
        """
        started = time.monotonic()
        output, failure = None, None
        try:
            output = await asyncio.to_thread(self._called)
        except ProgramFailed as error:
            failure = error.failure
        except GraftworkError:
            if self._fatal is None and self._stopped is None:
                raise
        finally:
            self._over = True
            for task in self._running:
                task.cancel()
        if self._fatal is not None:
            raise self._fatal
        failure = self._stopped or failure
        runs = [self._runs[number] for number in sorted(self._runs)]
        return Outcome(
            example_id=self._example.id,
            repeat=self._repeat,
            output=output if failure is None else None,
            failure=failure,
            spans=tuple(span for number in sorted(self._runs) for span in _below(number, self._runs[number].spans))[:_MAX_SPANS],
            usage=sum((run.usage for run in runs), Usage()),
            stdout="".join(run.stdout for run in runs)[: self._work.limits.stdout_bytes],
            seconds=time.monotonic() - started,
            cpu_s=sum(run.cpu_s for run in runs),
        )

    def _called(self) -> object:
        with blaming("the evaluator raised"):
            given = self._evaluator(RunnableProgram(self))
        return _told(given)

    def output_of(self, inputs: Mapping[str, object]) -> object:
        """One run; on the evaluator's thread.

        Raises:
            ProgramFailed: If it gave no output.
            TaskError: If the inputs are no JSON.
        """
        with self._lock:
            number, self._n_runs = self._n_runs, self._n_runs + 1
            case = self._case(inputs)
            self._refuse_more()
        run = asyncio.run_coroutine_threadsafe(self._run(number, case), self._loop).result()
        if run.failure is not None:
            if not run.failure.is_the_programs:
                self._stopped = self._stopped or run.failure  # whatever the evaluator makes of it: it is not held against the program
            raise ProgramFailed(run.failure)
        return run.output

    def _case(self, inputs: Mapping[str, object]) -> Case:
        try:
            content = canonical_json([self._example.id, to_json(inputs)])
        except (TypeError, ValueError, RecursionError) as error:
            raise TaskError(f"a program's inputs must be JSON values with finite numbers: {error}") from None
        name = blake2b(content, digest_size=8).hexdigest()
        # Equal inputs again are another run, with random numbers and draws of its own.
        nth, self._seen[name] = self._seen[name], self._seen[name] + 1
        return Case(example_id=name, inputs=inputs, repeat=self._repeat * self._work.limits.runs + nth)

    def _refuse_more(self) -> None:
        most = self._work.limits.runs
        if self._n_runs <= most and self._fatal is None and not self._over:
            return
        if self._n_runs > most:
            self._stopped = self._stopped or Failure(
                kind="budget", message=f"the evaluator may run a program {most} times: let it ask less, or raise Limits.runs"
            )
        raise ProgramFailed(self._stopped or Failure(kind="infrastructure", message="the evaluation has ended"))

    async def _run(self, number: int, case: Case) -> Outcome:
        if self._over:
            raise InfrastructureError("the evaluation has ended")
        task = asyncio.create_task(self._one(case))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            outcome = await task
        except asyncio.CancelledError:
            raise InfrastructureError("the evaluation has ended") from None
        except TaskError:
            raise
        except GraftworkError as error:
            self._fatal = self._fatal or error
            raise
        self._runs[number] = outcome
        return outcome

    async def _one(self, case: Case) -> Outcome:
        (outcome,) = await self._pool.run(replace(self._work, cases=(case,)))
        return outcome


def told_score(output: object, example: Example, /) -> Score:
    """The score that a free evaluator gave, as its outcome holds it."""
    del example
    if not isinstance(output, dict):
        raise TaskError("a free evaluation's output is an object with a score")
    return Score(value=output["score"], feedback=output["feedback"], metrics=output["metrics"])


def _told(given: object) -> dict[str, object]:
    """What an evaluator returned: a number, or a mapping with `score`, maybe `feedback`, and further numbers.

    Raises:
        TaskError: If it is neither.
    """
    parts: dict[object, Any] = dict(given) if isinstance(given, Mapping) else {"score": given}
    if "score" not in parts:
        raise TaskError(
            f"the evaluator must return a number or a dict with `score`, not one with {', '.join(map(str, parts)) or 'nothing'}"
        )
    score, feedback = parts.pop("score"), str(parts.pop("feedback", ""))
    if score is not None and not isinstance(score, Real):
        raise TaskError(f"the evaluator must return a number or a dict with `score`, a number, not a {type(score).__name__}")
    for name, value in parts.items():
        if not isinstance(value, Real):
            raise TaskError(f"beside `score` and `feedback` the evaluator's dict holds numbers, and {name!r} is a {type(value).__name__}")
    metrics = {str(name): float(value) for name, value in parts.items()}
    measured = feedback or ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
    return {"score": None if score is None else float(score), "feedback": measured[:_FEEDBACK_CHARACTERS], "metrics": metrics}


def _below(number: int, spans: tuple[Span, ...]) -> list[Span]:
    """The spans of one run, with the run's number before their paths: each is a branch of the evaluation's trace."""
    return [
        replace(
            span,
            path=f"{number}.{span.path}",
            feeds=tuple(replace(feed, path=f"{number}.{feed.path}") for feed in span.feeds),
        )
        for span in spans
    ]
