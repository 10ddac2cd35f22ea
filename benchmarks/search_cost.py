"""What a search costs besides its programs: CPU of a brief and of telling its result, and memory, for each archive.

python -m benchmarks.search_cost                                       # every archive, up to 300,000 candidates; some minutes each
python -m benchmarks.search_cost --archive grid --candidates 1000000

A candidate is a program of 4 KB with a prompt that differs from its parent in one of ten components, scored on 20 examples. Scores rise
steadily, so that archives change as often at the end as at the beginning. Islands migrate, are reset and are opened; the bandit and
novelty learn. CPU is what `ask`, `settle` and `tell` took of the last 1,000 candidates before each mark, or of the last tenth of all where
that is more, garbage collection included; memory is how much the process grew since the first mark, by candidate. Sources are freed with
the candidates that nobody keeps.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.synthetic import SyntheticPrograms
from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.program import Program
from graftwork.search.archives import ARCHIVES, with_archive
from graftwork.search.candidate import Brief, Candidate, Result, Traits
from graftwork.search.novelty import SKETCH_BYTES
from graftwork.search.state import State, ask, settle, tell
from graftwork.search.strategy import Strategy

_STRATEGY: Final = Strategy(
    name="synthetic",
    operators={"perturb": 3.0, "merge": 1.0},
    selection="estimate",
    reset_every=1_000,
    spawn_after=200,
    bandit=True,
    novelty=True,
)
_OPERATORS: Final = {"perturb": (3.0, 1), "merge": (1.0, 2)}
_MARKS: Final = (1_000, 10_000, 100_000, 300_000, 1_000_000)
_LEAST: Final = 1_000
_EXAMPLES: Final = 20
_RISE: Final = 1e-4
"""By how much each candidate is better than the last on average, beside scores that differ by 1."""


def main() -> None:
    """Run and print, at the end as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", choices=sorted(ARCHIVES), action="append", help="which; repeatable; else all")
    parser.add_argument("--candidates", type=int, default=300_000)
    chosen = parser.parse_args()
    print(f"{'archive':>12} {'candidates':>12} {'ask+tell us':>12} {'bytes each':>12} {'kept':>6} {'islands':>8}", flush=True)
    names = chosen.archive or sorted(ARCHIVES)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:  # memory is that of one archive
        rows = [row for rows in processes.map(_measured, names, [chosen.candidates] * len(names)) for row in rows]
    print(json.dumps(rows))


def _measured(name: str, n: int) -> list[dict[str, float | str]]:
    programs, rng = SyntheticPrograms(with_prompt=True, spread=300), random.Random(0)
    state = State.start(with_archive(_STRATEGY, name), 0, entry="solve")
    tell(state, _result(None, programs, rng))
    rows: list[dict[str, float | str]] = []
    spans = {mark: min(mark, max(_LEAST, mark // 10)) for mark in (*_MARKS, n) if mark <= n}
    begins = {mark - span: mark for mark, span in spans.items()}
    before: dict[int, float] = {}
    spent = first = 0.0
    for number in range(1, n + 1):
        if number - 1 in begins:
            before[begins[number - 1]] = spent
        began = time.thread_time()
        brief = ask(state, number, operators=_OPERATORS)
        spent += time.thread_time() - began
        result = _result(brief, programs, rng)
        began = time.thread_time()
        tell(state, settle(state, result), brief)
        spent += time.thread_time() - began
        if number in spans:
            resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
            first = first or resident
            each = (resident - first) / (number - _MARKS[0]) if number > _MARKS[0] else 0.0
            us, kept, islands = 1e6 * (spent - before[number]) / spans[number], sum(map(len, state.islands)), len(state.islands)
            rows.append({"archive": name, "candidates": number, "us": us, "bytes": each, "kept": kept, "islands": islands})
            print(f"{name:>12} {number:>12,} {us:>12.0f} {each:>12.0f} {kept:>6} {islands:>8}", flush=True)
    return rows


def _result(brief: Brief | None, programs: SyntheticPrograms, rng: random.Random) -> Result:
    """The result of a brief, or the seed's."""
    number = 0 if brief is None else brief.number
    program = programs.seed if brief is None else programs.child(brief.parents[0].candidate.program, number)
    val = _evaluation(program, number, rng)
    return Result(
        number=number,
        operator="seed" if brief is None else brief.operator,
        island=0 if brief is None else brief.island,
        parents=() if brief is None else tuple(member.candidate.number for member in brief.parents),
        status="evaluated",
        candidate=Candidate(number=number, program=program, traits=Traits(normal=program.digest, sketch=rng.randbytes(SKETCH_BYTES).hex())),
        val=val,
        train=replace(val, judgements=()),
        proposing=Usage(input_tokens=900, output_tokens=120, usd=0.0002, calls=1),
    )


def _evaluation(program: Program, number: int, rng: random.Random) -> Evaluation:
    """Scores around what the number is worth; some candidates fail now and then."""
    failing = rng.choice((0.0, 0.0, 0.1, 0.3))
    usage = Usage(input_tokens=100, output_tokens=10, usd=10 ** rng.uniform(-5, -2), calls=1)
    judgements = []
    for place in range(_EXAMPLES):
        fails = rng.random() < failing
        failure = Failure(kind="crash", message="now and then") if fails else None
        value = None if fails else number * _RISE + rng.random()
        outcome = Outcome(example_id=f"{place:032x}", output=number, failure=failure, usage=usage, seconds=0.1)
        judgements.append(Judgement(outcome=outcome, score=Score(value=value)))
    return Evaluation(digest=program.digest, judgements=tuple(judgements), lo=0.0, n_chars=len(program.source))


if __name__ == "__main__":
    main()
