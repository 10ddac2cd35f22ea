"""How fast candidates are told, and what each costs, against a mock endpoint with a set latency and programs with a set CPU time.

python -m benchmarks.throughput                  # every scenario, a table and a line of JSON each
python -m benchmarks.throughput --only "200ms"   # those whose names hold the text
python -m benchmarks.throughput --growth         # the same costs after 1,000, 2,000, … candidates

Each scenario runs in a process of its own. A candidate is one proposer call, a check, an evaluation on one example and its rows in the
lineage. The limit is the smaller of calls at the same time over latency and cores over CPU seconds. Rates are measured while all places
are taken: neither the first nor the last window counts. A rate is the slope of a least-squares line through what was told when, because
candidates are told a few at a time. CPU is that of all processes of the run, the mock endpoint's apart. A search does
not wait for Ray, whose start takes some 8 CPU seconds; what is said of it is said of its second half, when Ray is there. Programs take
CPU by their thread's clock: under RLIMIT_CPU, which children have, that of the process goes in ticks, and each would take 2 ms too many.
Calls wait for the disk that records them: `stalls s` sums the syncs of 20 ms or more while the rate was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import openai

from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.processes import tree_of
from graftwork.evaluators.scorers import exact
from graftwork.evaluators.task import Task
from graftwork.flows.background import BackgroundSearch
from graftwork.flows.engine import run_search
from graftwork.flows.prefect_local import LOCAL_SERVER
from graftwork.flows.prepare import prepare
from graftwork.flows.progress import Progress
from graftwork.flows.run import Report, Run
from graftwork.flows.settings import ModelSettings, RunSettings
from graftwork.search.strategy import Strategy

from .mock_endpoint import Mock, mocked

__all__ = ["main"]

_CORES: Final = os.cpu_count() or 1
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STALL_S: Final = 0.02
_PAGE_MB: Final = os.sysconf("SC_PAGE_SIZE") / 2**20
_WHO: Final = ("driver", "template", "child", "other", "mock")  # other: Ray's and Prefect's processes, and ours in them
_STRATEGY: Final = Strategy(name="throughput", operators={"rewrite_component": 1.0}, islands=1, migrate_every=0, attempts=1)
_PROGRAM: Final = '''"""Add something."""
import time


def solve(x: int) -> int:
    """Give x and something more."""
    ends = time.thread_time() + {cpu_s}
    while time.thread_time() < ends:
        pass
    return x + {{n}}
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is measured.

    Attributes:
        pool: `bare` (a loop over the client and nothing else; where programs take CPU, processes that take it and nothing else), `local`
            or `ray`.
        sandbox: Of the pool.
        latency_ms: Of the model.
        in_flight: Calls at the same time.
        cpu_ms: Of each program.
        candidates: How many.
        prefect: Whether it runs as a Prefect flow under a local server, which counts among the other processes.
    """

    pool: str
    sandbox: str = "standard"
    latency_ms: float
    in_flight: int
    cpu_ms: float = 0.0
    candidates: int
    prefect: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        work = f"{self.latency_ms:g}ms x{self.in_flight}" + (f" cpu {self.cpu_ms:g}ms" if self.cpu_ms else "")
        return f"{work} {self.pool}" + ("" if self.pool == "bare" else f" {self.sandbox}") + (" prefect" if self.prefect else "")

    @property
    def window(self) -> int:
        """Briefs that may be under way."""
        return self.in_flight + 2 * _CORES + self.in_flight // 4

    @property
    def slots(self) -> int:
        """Programs at the same time: one for each core where they compute, many where they are over in a moment."""
        return _CORES if self.cpu_ms else (2 if self.pool == "ray" else 8) * _CORES

    @property
    def marks(self) -> tuple[int, int]:
        """Between which candidates it is measured."""
        return self.candidates // 2 if self.pool == "ray" else self.window, self.candidates - self.window

    @property
    def limit(self) -> float:
        """Candidates per second that nothing can exceed."""
        by_model = self.in_flight / (self.latency_ms / 1000)
        return min(by_model, _CORES / (self.cpu_ms / 1000)) if self.cpu_ms else by_model


def _scenarios() -> list[Scenario]:
    pools = (("bare", "standard"), ("local", "weak"), ("local", "standard"), ("ray", "standard"))
    loads = ((200.0, 8, 0.0, 400), (1000.0, 64, 0.0, 800), (200.0, 64, 0.0, 1600), (10.0, 8, 200.0, 400))
    prefect = Scenario(pool="local", latency_ms=200.0, in_flight=8, candidates=400, prefect=True)
    return [prefect] + [
        Scenario(
            pool=pool,
            sandbox=sandbox,
            latency_ms=latency_ms,
            in_flight=in_flight,
            cpu_ms=cpu_ms,
            candidates=candidates * (3 if pool == "ray" else 1),
        )
        for latency_ms, in_flight, cpu_ms, candidates in loads
        for pool, sandbox in pools
    ]


def main() -> None:
    """Run scenarios and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="scenarios whose names hold this")
    parser.add_argument("--growth", action="store_true", help="one long run, its costs by thousands of candidates")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(_measure(Scenario(**json.loads(chosen.one)), started=time.time())))
        return
    if chosen.growth:
        _print_growth(Scenario(pool="local", latency_ms=20.0, in_flight=32, candidates=8_000))
        return
    columns = ("per s", "share", "CPU ms", "driver", "child", "other", "first call s", "MiB", "stalls s")
    print(f"{'scenario':>34}  " + "  ".join(columns))
    for scenario in _scenarios():
        if chosen.only in scenario.name:
            row = _in_process(scenario)
            share, sandbox_ms = row["per_s"] / scenario.limit, row["template_ms"] + row["child_ms"]
            rest = (row["other_ms"], row["first_call_s"], row["peak_mb"], row["stalls_s"])
            cells = (row["per_s"], share, row["cpu_ms"], row["driver_ms"], sandbox_ms, *rest)
            print(f"{scenario.name:>34}  " + "  ".join(f"{_short(cell):>{len(name)}}" for name, cell in zip(columns, cells, strict=True)))
            print(json.dumps({**asdict(scenario), **row}))


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _in_process(scenario: Scenario) -> Mapping[str, Any]:
    command = [sys.executable, "-m", "benchmarks.throughput", "--one", json.dumps(asdict(scenario))]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True, timeout=600)
    row: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _measure(scenario: Scenario, *, started: float) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _mock(scenario, Path(folder)) as mock, _watched_disk() as syncs:
        course = _Course(mock, marks=scenario.marks)
        if scenario.pool != "bare":
            _search(scenario, mock, Path(folder) / "run", course.told, window=scenario.window)
        elif scenario.cpu_ms:
            _bare_cpu(scenario, course.told)
        else:
            _bare(scenario, mock, course.told)
        stats = mock.stats()
        first, last = (course.marks[number] for number in scenario.marks)
        per_s, spent_ms = course.between(first, last)
        return {
            "per_s": per_s,
            "cpu_ms": sum(spent_ms.values()) - spent_ms["mock"],
            **{f"{who}_ms": spent for who, spent in spent_ms.items()},
            "first_call_s": stats["first_at"] - started if stats["first_at"] else None,
            "peak_mb": max(first.rss_mb, last.rss_mb),
            "stalls_s": sum(took_s for at, took_s in syncs if took_s >= _STALL_S and first.at <= at <= last.at),
        }


@contextmanager
def _watched_disk() -> Iterator[list[tuple[float, float]]]:
    """When each sync of this process began, and the seconds that it took."""
    syncs: list[tuple[float, float]] = []
    sync = os.fdatasync

    def timed(fd: int) -> None:
        at = time.perf_counter()
        sync(fd)
        syncs.append((at, time.perf_counter() - at))

    with patch.object(os, "fdatasync", timed):
        yield syncs


class _Course:
    """How a run of this process goes: who told how many candidates when, and where it stood at some of them."""

    def __init__(self, mock: Mock, *, marks: Iterable[int]) -> None:
        self._mock, self._wanted = mock, set(marks)
        self._told: list[tuple[float, int]] = []
        self.marks: dict[int, _Mark] = {}

    def told(self, n: int) -> None:
        """Note that so many are told."""
        self._told.append((time.perf_counter(), n))
        due = {number for number in self._wanted if n >= number}
        if due:
            self._wanted -= due
            self.marks |= dict.fromkeys(due, _mark(self._mock))

    def between(self, first: _Mark, last: _Mark) -> tuple[float, Mapping[str, float]]:
        """Candidates per second, and CPU milliseconds for each by who used them."""
        at, told = np.array([point for point in self._told if first.at <= point[0] <= last.at]).T
        per_s = float(np.polynomial.Polynomial.fit(at, told, 1).convert().coef[1])
        seconds = last.at - first.at
        return per_s, {who: 1000 * (last.cpu_s[who] - first.cpu_s[who]) / seconds / per_s for who in _WHO}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """Where a run stood: wall and CPU seconds so far, the latter by who used them, and the memory of all its processes."""

    at: float
    cpu_s: Mapping[str, float]
    rss_mb: float


def _mark(mock: Mock) -> _Mark:
    """Where the run of this process stands now."""
    rss_mb = 0.0
    cpu_s: dict[str, float] = dict.fromkeys(_WHO, 0.0)
    for pid in (os.getpid(), *(process.pid for process in tree_of(os.getpid()))):
        try:
            stat, command = _stat(pid), Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        own_s, ended_s = (sum(map(int, stat[first : first + 2])) / _TICKS for first in (11, 13))
        rss_mb += int(stat[21]) * _PAGE_MB * (pid != mock.pid)
        if pid == mock.pid:
            cpu_s["mock"] += own_s
        elif pid == os.getpid():
            cpu_s["driver"] += own_s
        else:
            is_template = b"graftwork.evaluators.template" in command
            cpu_s["template" if is_template else "other"] += own_s
            cpu_s["child" if is_template else "other"] += ended_s
    return _Mark(at=time.perf_counter(), cpu_s=cpu_s, rss_mb=rss_mb)


@contextmanager
def _mock(scenario: Scenario, folder: Path) -> Iterator[Mock]:
    definition = _program(scenario).partition("\n\n\n")[2]
    with mocked(f"```python\n{definition}```\n", folder, latency_ms=scenario.latency_ms) as mock:
        yield mock


def _program(scenario: Scenario) -> str:
    return _PROGRAM.format(cpu_s=scenario.cpu_ms / 1000)


def _search(scenario: Scenario, mock: Mock, run_dir: Path, told: Callable[[int], None], *, window: int) -> None:
    def on_slice(progress: Progress) -> None:
        told(progress.told)

    settings = RunSettings.model_validate(
        {
            "candidates": scenario.candidates,
            "window": window,
            "in_flight": scenario.in_flight,
            "pool": scenario.pool,
            "sandbox": scenario.sandbox,
            "slots": scenario.slots,
            "proposer": ModelSettings(model="mock", base_url=f"{mock.url}/v1"),
        }
    )
    run = prepare(_task(scenario), settings, run_dir=run_dir)
    run = replace(run, strategy=_STRATEGY)
    if scenario.prefect:
        _under_prefect(run, on_slice, home=run_dir.parent)
    else:
        run_search(run, on_slice)


def _under_prefect(run: Run, told: Callable[[Progress], None], *, home: Path) -> None:
    """The search as the flow `search` runs it, with tasks that wait for slices of it."""
    os.environ |= {**LOCAL_SERVER, "PREFECT_HOME": str(home / "prefect")}
    from prefect import flow

    from graftwork.flows.search import run_in_slices

    @flow(name="throughput")
    def throughput() -> None:
        def search(run: Run, on_slice: Callable[[Progress], None], *, stopping: threading.Event) -> Report:
            def both(progress: Progress) -> None:
                told(progress)
                on_slice(progress)

            return run_search(run, both, stopping=stopping)

        run_in_slices(BackgroundSearch(run, search=search), candidates=run.settings.candidates)

    throughput()


def _task(scenario: Scenario) -> Task:
    return make_task(_program(scenario).replace("{n}", "0"), {"val": [({"x": 1}, 2)]}, exact, name="noop")


def _bare(scenario: Scenario, mock: Mock, told: Callable[[int], None]) -> None:
    """The same calls by a loop over the client."""
    message = {"role": "user", "content": "x" * 4_000}

    async def run() -> None:
        places, n_done = asyncio.Semaphore(scenario.in_flight), 0
        async with openai.AsyncOpenAI(base_url=f"{mock.url}/v1", api_key="none", max_retries=0) as client:

            async def call() -> None:
                nonlocal n_done
                async with places:
                    await client.chat.completions.create(model="mock", messages=[message], max_tokens=64)  # type: ignore[list-item] # a plain mapping
                n_done += 1
                told(n_done)

            await asyncio.gather(*(call() for _ in range(scenario.candidates)))

    asyncio.run(run())


def _bare_cpu(scenario: Scenario, told: Callable[[int], None]) -> None:
    """The same CPU time in a process for each core, without model calls: what this machine gives of its limit."""
    with ProcessPoolExecutor(_CORES) as processes:
        runs = processes.map(_spin, [scenario.cpu_ms / 1000] * scenario.candidates)
        for n, _ in enumerate(runs, 1):
            told(n)


def _spin(cpu_s: float) -> None:
    ends = time.thread_time() + cpu_s
    while time.thread_time() < ends:
        pass


def _stat(pid: int) -> list[str]:
    """Fields of `/proc/PID/stat` from the state on."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()


def _print_growth(scenario: Scenario) -> None:
    print(f"{scenario.name}: {'candidates':>10}  {'per s':>6}  {'CPU ms':>6}  {'MiB':>6}")
    with tempfile.TemporaryDirectory() as folder, _mock(scenario, Path(folder)) as mock:
        course = _Course(mock, marks=range(1_000, scenario.candidates, 1_000))
        _search(scenario, mock, Path(folder) / "run", course.told, window=scenario.in_flight * 2)
    for before, number in itertools.pairwise(sorted(course.marks)):
        per_s, spent_ms = course.between(course.marks[before], course.marks[number])
        print(f"{number:>10}  {per_s:6.1f}  {sum(spent_ms.values()):6.2f}  {course.marks[number].rss_mb:6.0f}")


if __name__ == "__main__":
    main()
