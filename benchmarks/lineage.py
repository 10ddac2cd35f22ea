"""What the record of a search costs: appending, disk, memory, a query while it is written, and going on with it.

python -m benchmarks.lineage                          # 100,000 synthetic candidates
python -m benchmarks.lineage --candidates 1000000     # a million; an hour or less

A candidate is a program of 4 KB that differs from its parent in one of ten components, three examples with two spans each, and two model
calls. `append` is the wall time that the search spends in the record's calls; `CPU` is that of all threads, making the values left out.
`memory` is what the process alone can hold; `mapped` is of files, which the machine may take back at any time. Who asks is another process.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from benchmarks.synthetic import SyntheticPrograms
from graftwork.evaluators.call_store import Reservation, Settlement
from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.load import make_task
from graftwork.evaluators.scorers import exact
from graftwork.evaluators.task import Score
from graftwork.programs.model import Reply, Usage
from graftwork.programs.program import Program
from graftwork.programs.trace import Span
from graftwork.search.candidate import Brief, Candidate, Member, Result
from graftwork.search.lineage import Lineage
from graftwork.search.past import Past
from graftwork.search.record import open_run
from graftwork.search.recorded_calls import LineageCallStore
from graftwork.search.segments import read_rows
from graftwork.search.snapshot import Snapshot, read_snapshot
from graftwork.search.state import State, ask, tell
from graftwork.search.strategy import Strategy

_SLICES: Final = 10
_COMMAND: Final = (sys.executable, "-m", "benchmarks.lineage")
_STRATEGY: Final = Strategy(name="synthetic", operators={"perturb": 1.0})
_EXAMPLES: Final = 3


class _Candidates:
    """Synthetic candidates, one after another, each the child of what the state chose."""

    def __init__(self) -> None:
        self._programs = SyntheticPrograms()
        self.seed = self._programs.seed
        self._rng = random.Random(0)

    def result(self, brief: Brief | None) -> Result:
        """The result of a brief, or the seed's."""
        number = 0 if brief is None else brief.number
        parents = () if brief is None else tuple(member.candidate.number for member in brief.parents)
        program = self.seed if brief is None else self._programs.child(brief.parents[0].candidate.program, number)
        candidate = Candidate(number=number, program=program, parents=parents, operator="perturb")
        score = self._rng.random()
        return Result(
            number=number,
            operator="perturb",
            island=0 if brief is None else brief.island,
            parents=parents,
            status="evaluated",
            candidate=candidate,
            val=_evaluation(program, score),
            train=replace(_evaluation(program, score), judgements=()),
            proposing=Usage(input_tokens=900, output_tokens=120, usd=0.0002, calls=1),
        )


def _evaluation(program: Program, score: float) -> Evaluation:
    spans = tuple(
        Span(path=str(n), component="solve", kind="function", inputs='{"x":1}', output='"' + "y" * 80 + '"', seconds=0.01) for n in range(2)
    )
    judgements = tuple(
        Judgement(outcome=Outcome(example_id=f"{n:032x}", output=n, spans=spans, seconds=0.1, cpu_s=0.01), score=Score(value=score))
        for n in range(_EXAMPLES)
    )
    return Evaluation(digest=program.digest, judgements=judgements, lo=0.0, n_chars=len(program.source))


def main() -> None:
    """Run and print, at the end as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--query", type=Path, metavar="RUN", help="ask a run that is being written, and print the seconds")
    chosen = parser.parse_args()
    if chosen.query is not None:
        print(_query_s(chosen.query))
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.toml").write_text("schema = 1\n", encoding="utf-8")
        print(json.dumps({"candidates": chosen.candidates, **_append(Path(folder), chosen.candidates), **_going_on(Path(folder))}))


def _append(run_dir: Path, n: int) -> dict[str, float]:
    synthetic, state = _Candidates(), State.start(_STRATEGY, 0)
    columns = ("candidates", "append us", "CPU us", "memory MB", "mapped MB", "query s")
    print("  ".join(f"{name:>12}" for name in columns))
    rows: list[tuple[float, ...]] = []
    with Lineage(run_dir) as lineage:
        calls = LineageCallStore(lineage)
        tell(state, synthetic.result(None))
        lineage.result(synthetic.result(None))
        size, number = max(1, n // _SLICES), 1
        for _ in range(_SLICES):
            making_s, append_s, cpu_s = 0.0, [], time.process_time()
            for _ in range(size):
                began = time.thread_time()
                brief = ask(state, number, operators={"perturb": (1.0, 1)})
                result = synthetic.result(brief)
                making_s += time.thread_time() - began
                append_s.append(_appended(lineage, calls, brief, result))
                began = time.thread_time()
                tell(state, result)
                making_s += time.thread_time() - began
                if state.told % 1_000 == 0:
                    lineage.snapshot(Snapshot.of(state, ()))
                number += 1
            lineage.commit()
            cpu_us = 1e6 * (time.process_time() - cpu_s - making_s) / size
            asked = subprocess.run([*_COMMAND, "--query", str(run_dir)], check=True, capture_output=True, text=True)
            rows.append((number - 1, 1e6 * sum(append_s) / size, cpu_us, *_memory_mb(), float(asked.stdout)))
            print("  ".join(f"{value:12.4g}" for value in rows[-1]), flush=True)
    n_bytes = {
        path.name: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in (run_dir / "lineage").iterdir()
    }
    print("MB on disk: " + ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sorted(n_bytes.items()) if size > 1e5))
    return {
        "append_us": statistics.median(row[1] for row in rows),
        "cpu_us_first": rows[0][2],
        "cpu_us_last": rows[-1][2],
        "memory_mb": rows[-1][3],
        "mapped_mb": rows[-1][4],
        "query_s": rows[-1][5],
        "mb": sum(n_bytes.values()) / 1e6,
        "programs_mb": (n_bytes["texts"] + n_bytes["candidates"]) / 1e6,
    }


def _appended(lineage: Lineage, calls: LineageCallStore, brief: Brief, result: Result) -> float:
    """Record one candidate as a search does; the seconds that it waited."""
    began = time.perf_counter()
    lineage.brief(brief)
    for role in ("proposer", "task"):
        usage = Usage(input_tokens=900, output_tokens=120, usd=0.0002, calls=1)
        identity = f"{role}{brief.number}"
        calls.reserve(Reservation(id=identity, role=role, key=f"{brief.number:032x}", draw=role, candidate=brief.number, reserved=usage))
        calls.settle(Settlement(id=identity, reply=Reply(text=f"answer {brief.number} " * 20, usage=usage), usage=usage, seconds=0.5))
    lineage.result(result)
    return time.perf_counter() - began


def _memory_mb() -> tuple[float, float]:
    """Resident memory of this process, in MB: its own, and that of files."""
    status = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), flags=re.MULTILINE))
    own, files = int(status["RssAnon"]) + int(status["RssShmem"]), int(status["RssFile"])
    return own * 1024 / 1e6, files * 1024 / 1e6


def _query_s(run_dir: Path) -> float:
    """Seconds for the best candidate of each island, while the record is being written."""
    began = time.perf_counter()
    table = read_rows(run_dir / "lineage", "candidates", pc.field("status") == "evaluated", columns=["island", "score", "number"])
    table.group_by("island").aggregate([("score", "max"), ("number", "count")])
    return time.perf_counter() - began


def _going_on(run_dir: Path) -> dict[str, float]:
    task = make_task(_Candidates().seed.source, {"val": [({"x": n}, n) for n in range(_EXAMPLES)]}, exact, name="synthetic")
    began = time.perf_counter()
    with Lineage(run_dir) as lineage:
        LineageCallStore(lineage)
        snapshot = read_snapshot(lineage.directory, strategy=_STRATEGY, seed=0, told=lineage.n_durable)
        past = Past(open_run(run_dir), task, snapshot)
        restored = past.restored(_STRATEGY)
        if restored is None:
            raise SystemExit("there is no snapshot: take 10,000 candidates or more")
        state, _ = restored
        for number in range(state.told, past.told):
            parents = tuple(_known(state, parent) for parent in past.row(number)["parents"])  # type: ignore[index]  # it is told
            result = past.result(Brief(number=number, told=0, operator="perturb", parents=parents, island=0, seed=0))
            tell(state, result)  # type: ignore[arg-type]  # it is told
        ask(state, past.told, operators={"perturb": (1.0, 1)})
    seconds = time.perf_counter() - began
    print(f"going on: {seconds:.2f} s to the next brief, {past.told - snapshot.told if snapshot else past.told} results told again")
    return {"going_on_s": seconds}


def _known(state: State, number: int) -> Member:
    return next((m for archive in state.islands for m in archive if m.candidate.number == number), next(iter(state.islands[0])))


if __name__ == "__main__":
    main()
