"""The engine: one search from settings to a crowned champion, as a plain function. No Prefect here."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from graftwork.evaluators.evaluate import audit, evaluate
from graftwork.evaluators.gateway import Gateway
from graftwork.evaluators.ledger import CandidateCaps
from graftwork.evaluators.prices import Price
from graftwork.programs.check import check
from graftwork.programs.errors import CeilingReached, ConfigError, UserError
from graftwork.programs.failure import Failure
from graftwork.search.archives import order_of
from graftwork.search.candidate import Candidate, Member, Result
from graftwork.search.catalogue import rewriters, variations
from graftwork.search.crowning import Crown, Crowning
from graftwork.search.loop import Search
from graftwork.search.measuring import Measuring
from graftwork.search.operator import Facts
from graftwork.search.past import CheckedLineage
from graftwork.search.record import open_run
from graftwork.search.state import Budget, State, Told
from graftwork.search.stops import FileAppears, Patience, StopRule, Target
from graftwork.search.writing import Writer

from .caps import candidate_caps, crowning_share, search_ceilings
from .claims import claim_detail, openings
from .collector import collecting_seldom
from .exporting import write_champion
from .progress import Progress
from .run import Report, Run
from .settings import RunSettings
from .summary import crown_detail

if TYPE_CHECKING:
    from .wiring import Wiring

__all__ = ["SNAPSHOT_EVERY", "OnSlice", "make_writer", "run_search"]

OnSlice = Callable[[Progress], None]
_LOOK_S: Final = 1.0
SNAPSHOT_EVERY: Final = 1_000
"""Told results after which the search's place is kept, so that going on replays no more than that."""


def run_search(run: Run, on_slice: OnSlice, *, stopping: threading.Event | None = None) -> Report:
    """Search, crown, report. Blocks; may run on any thread.

    Args:
        run: What to do; made by `prepare`.
        on_slice: Called with the progress after each told result, on this thread.
        stopping: Set it from outside to end the search early: work in flight is finished, the champion is still crowned.

    Raises:
        UserError: The seed fails on every example, or a task's scorer is wrong; nothing is lost of what was recorded.
        InfrastructureError: Programs or models cannot be reached any more.
    """
    from .wiring import Wiring  # here, so that importing the engine stays cheap

    with collecting_seldom(), Wiring(run) as wired:
        report = uvloop.run(_Engine(run, wired, on_slice).run(stopping or threading.Event()))
    return report if wired.mirror is None else replace(report, mirrored=wired.mirror.said)


class _Engine:
    """One run of the engine: holds what its steps share."""

    def __init__(self, run: Run, wired: Wiring, on_slice: OnSlice) -> None:
        self._run, self._on_slice = run, on_slice
        self._lineage, self._gateway, self._pool, self._past = wired.lineage, wired.gateway, wired.pool, wired.past
        self._mirror = wired.mirror
        self._recorder = self._lineage if self._past is None else CheckedLineage(self._lineage, self._past)
        self._task, self._settings = run.task, run.settings
        self._started = time.monotonic()
        self._seed_score: float | None = None
        self._stage = "starting"
        asking = self._gateway if "judge" in run.models else None
        self._evaluate = functools.partial(evaluate, task=run.task, pool=self._pool, repeats=run.task.repeats_by_id, asking=asking)

    async def run(self, stopping: threading.Event) -> Report:
        """Seed, search, crown, report."""
        restored = None if self._past is None else self._past.restored(self._run.strategy)
        state, self._begun = restored or (State.start(self._run.strategy, self._settings.seed, entry=self._task.entry), ())
        watch = asyncio.create_task(self._watch(state))
        try:
            return await self._run_all(state, stopping)
        finally:
            watch.cancel()

    async def _watch(self, state: State) -> None:
        """Say when an endpoint or the mirror is down, and when it answers again: nothing may be told meanwhile."""
        well = {"endpoint": "all endpoints answer again", "mirror": "mirror: all that was sealed is copied"}
        said: Mapping[str, str] = dict.fromkeys(well, "")
        while True:
            await asyncio.sleep(_LOOK_S)
            troubles = self._troubles()
            for kind, trouble in troubles.items():
                if bool(trouble) != bool(said[kind]):
                    self._lineage.event(kind, trouble or well[kind])
                    self._progress(self._stage, state)
            said = troubles

    def _troubles(self) -> Mapping[str, str]:
        return {"endpoint": self._gateway.trouble, "mirror": "" if self._mirror is None else self._mirror.trouble}

    async def _run_all(self, state: State, stopping: threading.Event) -> Report:
        search = self._search(state, stopping)
        what = f"{self._task.name}, seed {self._settings.seed}, strategy {self._run.strategy.name}"
        if self._past is None:
            self._lineage.event("start", what)
            for line in self._run.cannot_show:
                self._lineage.event("power", line)
            if self._run.imported:
                self._lineage.event("import", self._run.imported_said)
        else:
            self._lineage.event("resume", what, {"told": self._past.told, "changed": self._run.changed})
        seed = await self._seed(search)
        search.budget = self._budget(seed)
        stop = await search.run()
        self._lineage.event("stop", stop.reason, {"told": stop.told})
        self._progress("confirming", state)
        crown = await self._crowned(state, seed)
        report = Report(
            run_dir=self._run.run_dir,
            unit=self._task.unit,
            forgeable=self._task.forgeable,
            opened=openings(open_run(self._run.run_dir)),
            crown=crown,
            stop=stop,
            statuses={str(status): count for status, count in state.statuses.items()},
            failures=dict(state.failures),
            spent=self._gateway.spent,
            seconds=time.monotonic() - self._started,
        )
        self._lineage.event("export", await write_champion(self._run.run_dir))
        self._progress("done", state)
        return report

    async def _crowned(self, state: State, seed: Member) -> Crown:
        """Choose the champion, measure it, and record what is said of it."""
        crowning = Crowning(
            task=self._task,
            evaluate=self._evaluate,
            audit=self._audit,
            recorder=self._recorder,
            seed=self._settings.seed,
            asking=self._evaluate,
            most_answers=self._settings.best_of,
            order=order_of(self._run.strategy),
        )
        if self._past is not None:
            crowning.recall = self._past.evaluation
        crown = await crowning.crown(state.finalists, seed, spent=state.spent)
        self._recorder.decision("crown", number=crown.champion.number, detail=crown_detail(crown))
        if crown.claim is not None:
            self._recorder.decision("claim", number=crown.champion.number, detail=claim_detail(crown.claim))
        return crown

    def _search(self, state: State, stopping: threading.Event) -> Search:
        return Search(
            task=self._task,
            state=state,
            budget=Budget(candidates=self._settings.candidates, seconds=self._settings.seconds),
            window=self._settings.window,
            writer=make_writer(self._run, state, self._gateway),
            measuring=Measuring.of(self._task, self._run.strategy, state.seed, self._evaluate, novelty=state.novelty),
            recorder=self._recorder,
            on_told=self._told,
            stopping=stopping,
            stops=_stops(self._settings),
            past=self._past,
            begun=self._begun,
            snapshot_every=SNAPSHOT_EVERY,
        )

    async def _seed(self, search: Search) -> Member:
        """Evaluate the seed; a search from one that always fails would be blind."""
        self._progress("starting", search.state)
        try:
            result = await search.run_seed()
        except CeilingReached as ceiling:
            raise ConfigError(f"the budget does not hold the seed's own evaluation: {ceiling}") from None
        if result.val is None or result.train is None or result.candidate is None or result.val.mean is None:
            raise UserError(f"the seed program could not be evaluated: {result.reason}")
        failures = result.val.failures
        if len(failures) == len(result.val.judgements):
            raise UserError(f"the seed program fails on every val example; the first: {failures[0].kind}: {failures[0].message}")
        self._seed_score = result.val.mean
        return Member(candidate=result.candidate, val=result.val, train=result.train)

    def _budget(self, seed: Member) -> Budget:
        """The search's part of the budget: the ceilings less what crowning needs, and the caps of a candidate.

        Raises:
            ConfigError: If not even one candidate fits.
        """
        settings, used = self._settings, seed.val.usage + seed.train.usage
        n_runs = len(seed.val.judgements) + len(seed.train.judgements)
        n_parent = len(seed.val.judgements) if self._run.strategy.race is not None else 0
        caps = candidate_caps(self._run, used, n_runs=n_runs + n_parent)
        share, ceilings = crowning_share(self._run, n_runs=n_runs), search_ceilings(self._run, used, caps, n_runs=n_runs)
        budget = Budget(candidates=settings.candidates, seconds=settings.seconds, ceilings=ceilings, caps=caps)
        if not budget.fits(used, 1):
            raise ConfigError(
                f"the budget holds no candidate: the seed used {used.tokens} tokens in {used.calls} calls (${used.usd:.4f}), a candidate "
                f"may use {caps.tokens} tokens in {caps.calls} calls, and crowning takes {share:.1f} times the seed's; raise the budget or "
                "lower the task's limits"
            )
        self._gateway.cap_candidates(CandidateCaps(calls=caps.calls))
        return budget

    def _told(self, state: State, result: Result, told: Told) -> None:
        del result, told
        self._progress("searching", state)

    async def _audit(self, candidate: Candidate) -> Failure | None:
        examples = self._task.splits["val"]
        return await audit(
            candidate.program, examples, task=self._task, pool=self._pool, candidate=candidate.number, seed=self._settings.seed
        )

    def _progress(self, stage: str, state: State) -> None:
        self._stage = stage
        best = state.finalists[:1]
        self._on_slice(
            Progress(
                stage=stage,
                told=max(0, self._lineage.n_durable - 1),
                candidates=self._settings.candidates,
                unit=self._task.unit,
                seed_score=self._seed_score,
                best_score=best[0].score if best else None,
                statuses={str(status): count for status, count in state.statuses.items()},
                failures=dict(state.failures),
                spent=self._gateway.spent,
                seconds=time.monotonic() - self._started,
                trouble="; ".join(trouble for trouble in self._troubles().values() if trouble),
            )
        )


def make_writer(run: Run, state: State, gateway: Gateway) -> Writer:
    """What writes the programs of a run, from briefs of that state, with the run's proposer where it has one."""
    return Writer(
        facts=Facts.of(run.task, models=_cheapest_first(run.settings.named_models) if "task" in run.models else ()),
        check=functools.partial(check, **run.rules),
        known=lambda digest, as_of: state.known(digest, as_of=as_of),
        variations=variations(),
        rewriters=rewriters(),
        proposer=gateway if "proposer" in run.models else None,
        attempts=run.strategy.attempts,
        others=run.strategy.operators if run.strategy.passing else {},
        novelty=state.novelty,
        too_near=run.strategy.too_near,
        imported=run.imported,
    )


def _stops(settings: RunSettings) -> tuple[StopRule, ...]:
    """What ends a search early, by its settings; what follows from the state alone comes first."""
    return (
        *(() if settings.target is None else (Target(score=settings.target),)),
        *(() if settings.patience is None else (Patience(candidates=settings.patience),)),
        *(() if settings.stop_file is None else (FileAppears(path=Path(settings.stop_file)),)),
    )


def _cheapest_first(models: Mapping[str, Price]) -> tuple[str, ...]:
    return tuple(sorted(models, key=lambda name: (models[name].output_usd_per_mtok, models[name].input_usd_per_mtok, name)))
