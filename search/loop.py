"""The loop: fixed lag, fully asynchronous, one told result for each brief.

Brief k is made from the state after exactly results 0 … k−W were told, in the order of briefs, where W is the window of work in flight.
So proposals and evaluations overlap freely while equal seeds and equal replies give equal lineages, however the timings fall. Where the
budget cannot set aside the caps of W candidates at once, fewer are in flight; that too follows from the state alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from graftwork.evaluators.task import Task
from graftwork.programs.errors import CeilingReached, InfrastructureError

from .candidate import Brief, Candidate, Result
from .descent import descended
from .measuring import Measuring
from .snapshot import Snapshot
from .state import Budget, State, Told, ask, settle, tell
from .stops import AnyOf, Candidates, Seconds, Signalled, StopRule
from .texts import as_utf8
from .writing import IMPORT, Writer, Written

__all__ = ["History", "Recorder", "Search", "Stop"]


class History(Protocol):
    """The recorded part of a search as the loop sees it."""

    @property
    def seed_result(self) -> Result | None:
        """The recorded result of the seed."""
        ...

    def given(self) -> Iterator[Result]:
        """Results of another run with which this one began, after the seed's."""
        ...

    def told_when_asked(self, number: int) -> int | None:
        """How many results had been told when a brief was asked; None where that is not recorded."""
        ...

    def result(self, brief: Brief) -> Result | None:
        """The recorded result of a brief; None where there is none."""
        ...


class Recorder(Protocol):
    """The lineage as the loop sees it: everything is written before it is acted on."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keep where the search stands."""
        ...

    def brief(self, brief: Brief) -> None:
        """Record that a brief was asked."""
        ...

    def result(self, result: Result) -> None:
        """Record a result, durably."""
        ...

    def decision(self, kind: str, *, number: int, detail: Mapping[str, object]) -> None:
        """Record a choice that the state made."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a search ended.

    Attributes:
        reason: What was due first (`candidates`, `target`, `patience`, `interrupted`, `seconds`, `file`), or `budget`.
        told: Results told by then.
    """

    reason: str
    told: int


OnTold = Callable[[State, Result, Told], None]


@dataclass(slots=True, kw_only=True)
class Search:
    """One search: state, window and the three things it needs from outside.

    Attributes:
        task: What is searched for.
        state: Where it stands; start it with `State.start`.
        budget: When it ends.
        window: W, at least 1: briefs in flight.
        writer: From briefs to programs.
        measuring: From programs to evaluations.
        recorder: Where everything is written.
        on_told: Called after each told result.
        begun: Briefs without a result that the state was restored with, in order.
        snapshot_every: Told results between two snapshots.
        past: What is recorded of this search already; None where it begins. Recorded briefs are asked when they were, and are not answered
            anew.
        clock: Monotonic seconds.
        stopping: Set it to end the search early; work in flight is told first.
        stops: What ends it early besides the budget and `stopping`.
        ceiling_met: Whether a call was refused because the run's own ceiling is reached.
    """

    task: Task
    state: State
    budget: Budget
    window: int
    writer: Writer
    measuring: Measuring
    recorder: Recorder
    on_told: OnTold
    clock: Callable[[], float] = time.monotonic
    stopping: threading.Event
    stops: tuple[StopRule, ...] = ()
    past: History | None = None
    begun: tuple[Brief, ...] = ()
    snapshot_every: int = 1_000
    ceiling_met: bool = False

    async def run_seed(self) -> Result:
        """Evaluate the seed and tell it as result 0, unless the state was restored with it. The search proper needs it."""
        result = None if self.past is None else self.past.seed_result
        if result is None:
            program = self.task.seed
            candidate = descended(Candidate(number=0, program=program, traits=self.writer.traits(program)), ())
            blank = Result(number=0, operator="seed", island=0, parents=(), status="evaluated", candidate=candidate)
            result = await self.measuring.measured(candidate, blank, None, ())
        if not self.state.told:
            self._tell(result)
            for given in () if self.past is None else self.past.given():
                self._tell(given)
        return result

    async def run(self) -> Stop:
        """Search until the budget is spent, `stopping` is set, or one of `stops` is due.

        A brief that cannot be evaluated is told as abandoned.
        """
        rule = self._stop_rule()
        in_flight = deque(map(self._launch, self.begun))
        number, reason = self.state.told + len(in_flight), ""
        try:
            while True:
                while not reason and len(in_flight) < self.window:
                    asked_at = None if self.past is None else self.past.told_when_asked(number)
                    if asked_at is None:
                        reason = self._due(rule, number)
                        if reason or not self.budget.fits(self.state.spent, len(in_flight) + 1):
                            break
                    elif asked_at > self.state.told and in_flight:  # the search had ended there for a time, or had no budget left
                        break
                    in_flight.append(self._launch(self._ask(number)))
                    number += 1
                if not in_flight:
                    return Stop(reason=reason or "budget", told=self.state.told)
                brief, answering = in_flight.popleft()
                self._tell(await answering, brief)
                if self.state.told % self.snapshot_every == 0:
                    self.recorder.snapshot(Snapshot.of(self.state, (brief for brief, _ in in_flight)))
                reason = reason or ("budget" if self.ceiling_met else "")
        finally:
            for _, task in in_flight:
                task.cancel()
            await asyncio.gather(*(task for _, task in in_flight), return_exceptions=True)

    def _stop_rule(self) -> StopRule:
        """What ends the search. What follows from the state comes first, so that a replay finds the same reason."""
        seconds = self.budget.seconds
        clock = () if seconds is None else (Seconds(ends_at=self.clock() + seconds, clock=self.clock),)
        return AnyOf(rules=(*self.stops, Candidates(most=self.budget.candidates), Signalled(event=self.stopping), *clock))

    def _due(self, rule: StopRule, number: int) -> str:
        """Why no brief of that number is asked; empty where it is."""
        due = rule.due(self.state, number)
        if due is None:
            return ""
        if due.level is not None:
            self.recorder.decision("stop", number=self.state.told - 1, detail={"reason": due.reason, "level": due.level})
        return due.reason

    def _ask(self, number: int) -> Brief:
        """The brief of that number; the first are answered with programs from elsewhere, which the islands get in turn."""
        if number > len(self.writer.imported):
            return ask(self.state, number, operators=self._operators(), proposers=self._proposers())
        island = (number - 1) % len(self.state.islands)
        return Brief(number=number, told=self.state.told, operator=IMPORT, parents=(), island=island, seed=0)

    def _launch(self, brief: Brief) -> tuple[Brief, asyncio.Task[Result]]:
        self.recorder.brief(brief)
        return brief, asyncio.create_task(self._answer(brief), name=f"brief-{brief.number}")

    def _operators(self) -> dict[str, tuple[float, int]]:
        usable = self.writer.usable
        return {name: (weight, usable[name].n_parents) for name, weight in self.state.strategy.operators.items() if name in usable}

    def _proposers(self) -> dict[str, tuple[str, ...]]:
        """By operator, the proposers among which it has a choice."""
        proposer = self.writer.proposer
        several = proposer is not None and len(proposer.aliases) > 1
        return dict.fromkeys(self.writer.rewriters, proposer.aliases) if proposer is not None and several else {}

    async def _answer(self, brief: Brief) -> Result:
        """The one result of a brief."""
        parents = tuple(member.candidate.number for member in brief.parents)
        if self.past is not None and (recorded := self.past.result(brief)) is not None:
            return recorded
        result = Result(number=brief.number, operator=brief.operator, island=brief.island, parents=parents, status="unwritten")
        try:
            written = await self.writer.write(brief)
            brief = written.passed or brief
            parents = tuple(member.candidate.number for member in brief.parents)
            result = replace(
                result,
                operator=brief.operator,
                parents=parents,
                status=written.status or "evaluated",
                candidate=_candidate(brief, parents, written),
                reason=as_utf8(written.reason),
                proposing=written.usage,
            )
            if written.status is not None or result.candidate is None:
                return result
            return await self.measuring.measured(result.candidate, result, brief, self.state.baseline)
        except CeilingReached as ceiling:  # ends the run, and is nobody's failure
            self.ceiling_met = True
            return replace(result, status="abandoned", reason=as_utf8(str(ceiling)))
        except InfrastructureError as error:
            return replace(result, status="abandoned", reason=as_utf8(str(error)))

    def _tell(self, result: Result, brief: Brief | None = None) -> None:
        settled = settle(self.state, result)
        self.recorder.result(settled)
        told = tell(self.state, settled, brief)
        if told.detail:
            self.recorder.decision("archive", number=settled.number, detail=told.detail)
        if told.learned is not None:
            reward, usd = told.learned
            self.recorder.decision("bandit", number=settled.number, detail={"reward": reward, "usd": usd})
        self.on_told(self.state, settled, told)


def _candidate(brief: Brief, parents: tuple[int, ...], written: Written) -> Candidate | None:
    if written.draft is None:
        return None
    candidate = Candidate(
        number=brief.number,
        program=written.draft.program,
        parents=parents,
        operator=brief.operator,
        island=brief.island,
        note=as_utf8(written.draft.note),
        model=written.model,
        traits=written.traits,
    )
    return descended(candidate, [member.candidate for member in brief.parents])
