"""Replay: a recorded search done again from its recorded calls, without any network, and held to its record decision by decision.

Briefs are asked, programs written and results told anew; model calls and evaluations come from the record. What was a fact of that day and
not a decision (a result abandoned for infrastructure's sake, a pause, where the search was ended) is obeyed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import uvloop

from graftwork.evaluators.call_store import Booked, RecordedCall, Reservation, Settlement
from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.gateway import Gateway
from graftwork.evaluators.ledger import Ceilings, Ledger
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.task import Example, Task
from graftwork.programs.errors import RunError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Model, Reply, Role
from graftwork.programs.program import Program
from graftwork.search.archives import order_of
from graftwork.search.candidate import Brief, Candidate, Member, Result
from graftwork.search.claim import Claim
from graftwork.search.crowning import Crowning
from graftwork.search.loop import Search
from graftwork.search.measuring import Measuring, val_order
from graftwork.search.past import CheckedLineage, Past
from graftwork.search.recall import as_recorded
from graftwork.search.record import Record, open_run
from graftwork.search.state import Budget, State
from graftwork.search.stops import Due, same_rule

from .claims import claim_detail, recorded_claim
from .elsewhere import read_imported
from .engine import make_writer
from .resume import recorded_settings, recorded_strategy, recorded_task
from .run import Run
from .summary import crown_detail
from .wiring import gateway_settings

__all__ = ["Difference", "ReplayReport", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A run of a program that came out otherwise.

    Attributes:
        candidate: Whose program.
        example_id: On which example.
        repeat: Which repeat.
        recorded: What is recorded: a value, or a failure.
        now: What came.
    """

    candidate: int
    example_id: str
    repeat: int
    recorded: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay found.

    Attributes:
        told: Results that were told again, the seed's included.
        crowned: Whether the crowning was repeated too.
        differences: Runs of programs that came out otherwise; empty where programs were not run again.
        n_runs: Runs of programs that were compared.
    """

    told: int
    crowned: bool
    differences: tuple[Difference, ...]
    n_runs: int


def replay(
    run_dir: Path,
    *,
    task: str | Path | Task | None = None,
    until: int | None = None,
    run_programs: bool = False,
    on_told: Callable[[State], None] = lambda _state: None,
) -> ReplayReport:
    """Repeat a recorded search.

    Args:
        run_dir: The run.
        task: Its task; None takes the folder or file that it was started with.
        until: Number of the last result to repeat; None repeats all, and the crowning.
        run_programs: Whether programs are run again too, with the recorded answers of models, and compared with what is recorded.
        on_told: Called after each told result, with the state.

    Raises:
        RunError: At the first decision that differs, naming it; or if the run is damaged or its task is not known.
    """
    record = open_run(run_dir)
    loaded, settings, config = recorded_task(record, task), recorded_settings(record), record.config
    models: dict[Role, Model] = {role: _Silent(alias, run_dir) for role, alias in config["models"].items()}
    strategy, imported = recorded_strategy(record), read_imported(record)
    run = Run(task=loaded, settings=settings, strategy=strategy, run_dir=run_dir, models=models, imported=imported)
    past = Past(record, loaded, val=val_order(loaded, strategy))
    if not past.told:
        raise RunError(f"{run_dir} has no result to repeat yet")
    gateway = Gateway(
        models,
        _RecordedCalls(record),
        more_proposers=[_Silent(one.alias, run_dir) for one in settings.more_proposers],
        ledger=Ledger(Ceilings()),
        settings=gateway_settings(settings),
    )
    try:
        last = past.told - 1 if until is None else min(until, past.told - 1)
        again = _Replay(run, past, gateway, last=last, run_programs=run_programs, crowning=until is None)
        again.claim = recorded_claim(record)
        return uvloop.run(again.run(on_told))
    finally:
        gateway.close()


class _Replay:
    """One replay: holds what its steps share. A `History` that gives facts only, and an `Evaluator`."""

    def __init__(self, run: Run, past: Past, gateway: Gateway, *, last: int, run_programs: bool, crowning: bool) -> None:
        self._run, self._past, self._gateway, self._last, self._crowning = run, past, gateway, last, crowning
        self._pool = LocalPool(gateway, slots=run.settings.slots, sandbox=run.settings.sandbox) if run_programs else None
        self._recorder = CheckedLineage(None, past)
        self.claim: Claim | None = None
        self._differences: list[Difference] = []
        self._n_runs = 0

    async def run(self, on_told: Callable[[State], None]) -> ReplayReport:
        try:
            state = State.start(self._run.strategy, self._run.settings.seed, entry=self._run.task.entry)
            search = self._search(state, on_told)
            seed = await search.run_seed()
            await search.run()
            crowned = self._crowning and bool(self._past.decided("champion"))
            if crowned:
                await self._crown(state, seed)
            return ReplayReport(told=state.told, crowned=crowned, differences=tuple(self._differences), n_runs=self._n_runs)
        finally:
            if self._pool is not None:
                await self._pool.aclose()

    @property
    def seed_result(self) -> Result | None:
        """None: it is evaluated, from the record; but of a run that began with results of another it is a fact."""
        return self._past.seed_result if self._past.was_given_results else None

    def given(self) -> Iterator[Result]:
        """What is recorded as given."""
        return self._past.given()

    def told_when_asked(self, number: int) -> int | None:
        """As recorded, up to the last that is repeated."""
        return self._past.told_when_asked(number) if number <= self._last else None

    def result(self, brief: Brief) -> Result | None:
        """The recorded result, where it is a fact and no decision."""
        recorded = self._past.result(brief)
        return recorded if recorded is not None and recorded.status == "abandoned" else None

    async def __call__(
        self, program: Program, examples: tuple[Example, ...], *, candidate: int, before: Evaluation | None = None
    ) -> Evaluation:
        """The recorded evaluation."""
        recorded = self._past.evaluated(candidate, program, examples)
        if self._pool is not None:
            now = await evaluate(
                program,
                examples,
                task=self._run.task,
                pool=self._pool,
                candidate=candidate,
                repeats=self._run.task.repeats_by_id,
                asking=self._gateway if "judge" in self._run.models else None,
                before=before,
            )  # fmt: skip - one argument a line would be longer than the rest
            self._compare(candidate, recorded, as_recorded(now))
        return recorded

    def _compare(self, candidate: int, recorded: Evaluation, now: Evaluation) -> None:
        for was, came in zip(recorded.judgements, now.judgements, strict=True):
            self._n_runs += 1
            pair = _said(was.outcome.failure, was.score.value), _said(came.outcome.failure, came.score.value)
            if pair[0] != pair[1] or was.outcome.output != came.outcome.output:
                self._differences.append(
                    Difference(
                        candidate=candidate, example_id=was.outcome.example_id, repeat=was.outcome.repeat, recorded=pair[0], now=pair[1]
                    )
                )

    def _search(self, state: State, on_told: Callable[[State], None]) -> Search:
        return Search(
            task=self._run.task,
            state=state,
            budget=Budget(candidates=self._last),
            window=self._run.settings.window,
            writer=make_writer(self._run, state, self._gateway),
            measuring=Measuring.of(self._run.task, self._run.strategy, state.seed, self, novelty=state.novelty),
            recorder=self._recorder,
            on_told=lambda state, _result, _told: self._told(state, on_told),
            stopping=threading.Event(),
            past=self,
        )

    def _told(self, state: State, on_told: Callable[[State], None]) -> None:
        """Hold what was found due there against the state, and pass the state on."""
        for row in self._past.decisions("stop", state.told - 1):
            due = Due(**json.loads(str(row["detail"])))
            rule = same_rule(due)
            if rule is None or rule.due(state, state.told) is None:
                raise RunError(f"the search differs from its record: it ended by {due.reason} {due.level:g} after result {state.told - 1}")
        on_told(state)

    async def _crown(self, state: State, seed: Result) -> None:
        if seed.candidate is None or seed.val is None or seed.train is None:
            raise RunError("the record has a champion, and its seed was never evaluated")
        crowning = Crowning(
            task=self._run.task,
            evaluate=self._unrecorded,
            audit=self._audit,
            recorder=self._recorder,
            seed=self._run.settings.seed,
            asking=(self.claim and self.claim.without) or "its answers are not recorded",
            most_answers=self._run.settings.best_of,
            order=order_of(self._run.strategy),
            recall=self._past.evaluation,
        )
        member = Member(candidate=seed.candidate, val=seed.val, train=seed.train)
        crown = await crowning.crown(state.finalists, member, spent=state.spent)
        if self.claim is not None and crown.claim is not None:  # versions that made no claim drew other intervals
            self._recorder.decision("crown", number=crown.champion.number, detail=crown_detail(crown))
            self._recorder.decision("claim", number=crown.champion.number, detail=claim_detail(crown.claim))

    async def _audit(self, candidate: Candidate) -> Failure | None:
        """What the record says of an audit; it is not done again."""
        return self._past.audited(candidate.number)

    async def _unrecorded(self, program: Program, examples: tuple[Example, ...], *, candidate: int, purpose: str) -> Never:
        del program, examples
        raise RunError(f"the search differs from its record: candidate {candidate} was not evaluated on {purpose} there")


class _Silent:
    """A model that nobody reaches: every answer must be recorded."""

    def __init__(self, alias: str, run_dir: Path) -> None:
        self.alias = alias
        self._run_dir = run_dir

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        asked = str(body.get("messages"))[-200:]
        raise RunError(f"the search differs from its record: {self._run_dir} holds no answer with the draw {draw} to ...{asked}")

    async def aclose(self) -> None:
        """Nothing is open."""


class _RecordedCalls:
    """A `CallStore` that gives what is recorded and takes nothing."""

    def __init__(self, record: Record) -> None:
        roles: tuple[Role, ...] = ("proposer", "task", "judge")
        self._calls = {pair: call for role in roles for pair, call in record.lasting_calls(role).items()}

    def find(self, key: str, draw: str) -> RecordedCall | None:
        return self._calls.get((key, draw))

    def reserve(self, call: Reservation) -> None:
        raise RunError(f"the search differs from its record: no answer is recorded to the {call.role} for candidate {call.candidate}")

    def settle(self, call: Settlement) -> None:
        """Never reached: nothing is reserved."""

    def sync(self) -> None:
        """Nothing is written."""

    def booked(self) -> Iterator[Booked]:
        return iter(())


def _said(failure: Failure | None, value: float | None) -> str:
    return f"{failure.kind}: {failure.message}" if failure is not None else "not judged" if value is None else f"{value:.6g}"
