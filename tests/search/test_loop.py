"""Tests of the loop: fixed lag, overlap, one result for each brief."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.ledger import CandidateCaps, Ceilings
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.errors import CeilingReached, InfrastructureError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.candidate import Brief, Result
from graftwork.search.loop import Search
from graftwork.search.measuring import Measuring
from graftwork.search.operator import Draft, Facts
from graftwork.search.snapshot import Snapshot
from graftwork.search.state import Budget, State
from graftwork.search.strategy import Strategy
from graftwork.search.writing import Writer
from tests.search.factory import evaluation

SEED = parse("def solve(x: int) -> int:\n    return x + 0\n")
VAL = tuple(Example(id=f"{n:016x}", inputs={"x": n}) for n in range(3))


def score(output: object, example: Example, /) -> Score:
    """Never called: the evaluator of these tests scores by itself."""
    raise AssertionError(output, example)


TASK = Task(name="test", seed=SEED, splits={"val": VAL}, scorer=score)
FACTS = Facts(description="", unit="", score_range=(0, 1), entry="solve", frozen=frozenset(), packages=(), train=())


class Renumber:
    """A variation that writes its brief's number into the program, and how many results were told by then."""

    name = "renumber"
    n_parents = 1

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        del facts, attempt
        number = random.Random(brief.seed).randrange(40)  # small, so that some children are twins
        return Draft(program=parse(f"def solve(x: int) -> int:\n    return x + {number}\n"), note=f"{brief.told}")


@dataclass
class Log:
    """A recorder that keeps everything in memory, in order."""

    lines: list[str] = field(default_factory=list)

    def brief(self, brief: Brief) -> None:
        parents = [m.candidate.number for m in brief.parents]
        self.lines.append(f"ask {brief.number} told {brief.told} island {brief.island} parents {parents} seed {brief.seed}")

    def result(self, result: Result) -> None:
        digest = result.candidate.program.digest if result.candidate else ""
        self.lines.append(f"tell {result.number} {result.status} {digest} {result.val and result.val.values}")

    def decision(self, kind: str, *, number: int, detail: Mapping[str, object]) -> None:
        self.lines.append(f"{kind} {number} {detail}")

    def snapshot(self, snapshot: Snapshot) -> None:
        self.lines.append(f"snapshot {snapshot.told}")


Trouble = Callable[[int], Exception | None]


def no_trouble(number: int) -> Exception | None:
    """Nothing goes wrong."""
    del number
    return None


@dataclass
class Timed:
    """An evaluator whose scores follow from the program and whose time does not."""

    rng: random.Random
    running: int = 0
    most: int = 0
    trouble: Trouble = field(default_factory=lambda: no_trouble)
    usage: Usage = field(default_factory=Usage)

    async def __call__(
        self, program: Program, examples: tuple[Example, ...], *, candidate: int, before: Evaluation | None = None
    ) -> Evaluation:
        del before
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.rng.random() / 200)
        self.running -= 1
        if error := self.trouble(candidate):
            raise error
        values = [random.Random(f"{program.digest}/{e.id}").random() for e in examples]
        scored = evaluation(values)
        costing = replace(scored.judgements[0], outcome=replace(scored.judgements[0].outcome, usage=self.usage))
        return replace(scored, digest=program.digest, judgements=(costing, *scored.judgements[1:]))


def run(evaluator: Timed, *, budget: Budget, window: int = 6, stopping: threading.Event | None = None) -> tuple[Log, State, str]:
    """Run a whole search and give its log, its last state and why it ended."""
    strategy = Strategy(name="test", operators={"renumber": 1.0}, islands=2, archive_size=4, migrate_every=7, attempts=1)
    state, log = State.start(strategy, 3), Log()

    def known(digest: str, as_of: int) -> bool:
        return state.known(digest, as_of=as_of)

    variations: Mapping[str, Renumber] = {"renumber": Renumber()}
    writer = Writer(facts=FACTS, check=lambda _: (), known=known, variations=variations, rewriters={}, proposer=None, attempts=1)

    async def searching() -> str:
        search = Search(
            task=TASK,
            state=state,
            budget=budget,
            window=window,
            writer=writer,
            measuring=Measuring.of(TASK, strategy, 3, evaluator),
            recorder=log,
            on_told=lambda *_: None,
            stopping=stopping or threading.Event(),
        )
        await search.run_seed()
        return (await search.run()).reason

    reason = asyncio.run(searching())
    return log, state, reason


def test_the_lineage_is_the_same_however_evaluation_times_fall() -> None:
    first, state, _ = run(Timed(random.Random(1)), budget=Budget(candidates=60))
    second, other, _ = run(Timed(random.Random(2)), budget=Budget(candidates=60))
    assert [line for line in first.lines if not line.startswith("ask")] == [line for line in second.lines if not line.startswith("ask")]
    assert sorted(first.lines) == sorted(second.lines)
    assert state == other


def test_brief_k_is_made_from_the_results_before_k_less_the_window() -> None:
    log, _, _ = run(Timed(random.Random(1)), budget=Budget(candidates=20), window=4)
    told = {int(line.split()[1]): int(line.split()[3]) for line in log.lines if line.startswith("ask")}
    assert told == {number: max(1, number - 3) for number in range(1, 21)}


def test_a_window_of_work_is_in_flight() -> None:
    evaluator = Timed(random.Random(1))
    run(evaluator, budget=Budget(candidates=60), window=6)
    assert 3 <= evaluator.most <= 6


def test_every_brief_has_exactly_one_told_result() -> None:
    def trouble(number: int) -> Exception | None:
        return InfrastructureError("lost") if number % 5 == 0 and number else None

    log, state, reason = run(Timed(random.Random(1), trouble=trouble), budget=Budget(candidates=30))
    told = [int(line.split()[1]) for line in log.lines if line.startswith("tell")]
    assert told == list(range(31))
    assert reason == "candidates"
    assert state.statuses["abandoned"] >= 3


def test_a_result_is_recorded_before_the_brief_that_depends_on_it_is_asked() -> None:
    log, _, _ = run(Timed(random.Random(1)), budget=Budget(candidates=20), window=4)
    for number in range(5, 21):
        tell = next(place for place, line in enumerate(log.lines) if line.startswith(f"tell {number - 4} "))
        ask = next(place for place, line in enumerate(log.lines) if line.startswith(f"ask {number} "))
        assert tell < ask


def test_a_budget_that_holds_few_candidates_narrows_the_window_and_then_ends_the_run() -> None:
    usage = Usage(input_tokens=10, calls=1)
    budget = Budget(candidates=50, ceilings=Ceilings(tokens=300), caps=CandidateCaps(tokens=60))
    evaluator = Timed(random.Random(1), usage=usage)
    _, state, reason = run(evaluator, budget=budget)
    assert reason == "budget"
    assert evaluator.most <= 5
    assert 240 < state.spent.tokens + 60 <= 310


def test_the_runs_own_ceiling_ends_the_run_and_is_held_against_no_candidate() -> None:
    def trouble(number: int) -> Exception | None:
        return CeilingReached("spent") if number >= 10 else None

    log, state, reason = run(Timed(random.Random(1), trouble=trouble), budget=Budget(candidates=50))
    assert reason == "budget"
    assert state.statuses["abandoned"] == state.told - 10
    assert 1 <= state.statuses["abandoned"] <= 6
    assert [line for line in log.lines if line.startswith("tell 10 ")]


@pytest.mark.parametrize("stop_at", [1, 5])
def test_a_stop_from_outside_tells_what_is_in_flight_first(stop_at: int) -> None:
    stopping = threading.Event()

    def trouble(number: int) -> Exception | None:
        if number == stop_at:
            stopping.set()
        return None

    _, state, reason = run(Timed(random.Random(1), trouble=trouble), budget=Budget(candidates=500), stopping=stopping)
    assert reason == "interrupted"
    assert stop_at < state.told < 40


def test_the_clock_ends_the_search() -> None:
    _, state, reason = run(Timed(random.Random(1)), budget=Budget(candidates=100_000, seconds=0.2))
    assert reason == "seconds"
    assert state.told < 100_000


def test_a_candidate_that_was_judged_on_fewer_examples_than_others_is_abandoned() -> None:
    class Outage(Timed):
        async def __call__(
            self, program: Program, examples: tuple[Example, ...], *, candidate: int, before: Evaluation | None = None
        ) -> Evaluation:
            whole = await super().__call__(program, examples, candidate=candidate, before=before)
            if candidate != 3:
                return whole
            failure = Failure(kind="model", message="503")
            lost = replace(whole.judgements[1], outcome=replace(whole.judgements[1].outcome, failure=failure))
            return replace(whole, judgements=(whole.judgements[0], lost, *whole.judgements[2:]))

    log, state, _ = run(Outage(random.Random(1)), budget=Budget(candidates=5))
    assert any(line.startswith("tell 3 abandoned") for line in log.lines)
    assert all(member.candidate.number != 3 for island in state.islands for member in island)
