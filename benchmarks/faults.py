"""What faults do to a search: each is injected while candidates run, and the scores are held to those of an undisturbed run.

python -m benchmarks.faults                            # every fault, for 60 s each
python -m benchmarks.faults --only 429 --seconds 5     # some of them, for less

The endpoint answers 429, 500, garbage, half a body or nothing; templates, their children and Ray's actors are killed, again and again; the
clock jumps back and forth; the disk that holds scratch is full (needs root, to mount one).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.processes import tree_of
from graftwork.evaluators.scorers import numeric
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare
from graftwork.flows.progress import Progress
from graftwork.flows.settings import ModelSettings, RunSettings
from graftwork.search.record import open_run

from .mock_endpoint import Mock, mocked

__all__ = ["main"]

_PROGRAM: Final = '''"""Guess a number."""


def solve(x: int) -> int:
    """Give a number that is near the target."""
    with open("note", "w") as note:
        note.write("x" * 4096)
    return x + 0
'''
_REPLY: Final = "```python\n" + _PROGRAM.partition("\n\n\n")[2].replace("x + 0", "x + {request} % 1000") + "```\n"
_MODES: Final = ("429", "500", "garbage", "half", "nothing")
_DISK_BYTES: Final = 8 * 2**20


def main() -> None:
    """Run once undisturbed and once with each fault, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults whose names hold this")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--pool", choices=("local", "ray"), default="local")
    chosen = parser.parse_args()
    faults: dict[str, Callable[[Mock, float], None]] = {mode: _misbehaving(mode) for mode in _MODES}
    faults |= {"worker killed": _killing, "clock jumps": _jumping, "disk full": _filling}
    plain, took = _scores(chosen.candidates, chosen.pool, None, 0.0)
    print(f"undisturbed: {len(plain)} scores, {took:.0f} s")
    for name, fault in faults.items():
        if chosen.only in name:
            with _small_disk() if fault is _filling else nullcontext():
                scores, took = _scores(chosen.candidates, chosen.pool, fault, chosen.seconds)
            differing = sum(scores.get(key) != value for key, value in plain.items()) + len(scores.keys() - plain.keys())
            print(f"{name}: {len(scores)} scores, {differing} differ, {took:.0f} s", flush=True)


def _scores(
    candidates: int, pool: str, fault: Callable[[Mock, float], None] | None, seconds: float
) -> tuple[Mapping[tuple[int, str], object], float]:
    """Every score of a run, by candidate and example, and how long it took."""
    injected: list[Future[None]] = []
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
        mocked(_REPLY, Path(folder), latency_ms=100) as mock,
        ThreadPoolExecutor(1) as thread,
    ):

        def inject(progress: Progress) -> None:
            if fault is not None and progress.told >= candidates // 4 and not injected:
                injected.append(thread.submit(fault, mock, seconds))

        settings = RunSettings.model_validate(
            {
                "candidates": candidates,
                "window": 16,
                "pool": pool,
                "slots": 4,
                "strategy": "model",
                "proposer": ModelSettings(model="mock", base_url=f"{mock.url}/v1", timeout_s=5.0),
            }
        )
        examples = {"val": [({"x": x}, x + 500) for x in range(3)], "train": [({"x": 9}, 509)]}
        task = make_task(_PROGRAM, examples, numeric(100), name="guess")
        began = time.monotonic()
        report = run_search(prepare(task, settings, run_dir=Path(folder) / "run"), inject)
        for injection in injected:
            injection.result()
        rows = open_run(report.run_dir).scores.to_pylist()
        return {(row["candidate"], row["example_id"]): (row["value"], row["failure_kind"]) for row in rows}, time.monotonic() - began


def _misbehaving(mode: str) -> Callable[[Mock, float], None]:
    def misbehave(mock: Mock, seconds: float) -> None:
        mock.misbehave(mode)
        time.sleep(seconds)
        mock.misbehave("ok")

    return misbehave


def _killing(_mock: Mock, seconds: float) -> None:
    """Kill some of this search's templates, their children and Ray's actors every other second."""
    ends, n_killed = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        workers = [process.pid for process in tree_of(os.getpid()) if _is_worker(process.pid)]
        for pid in random.sample(workers, random.randint(min(1, len(workers)), len(workers))):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                n_killed += 1
        time.sleep(random.uniform(1.0, 3.0))
    if not n_killed:
        raise RuntimeError("no worker of this search was found to be killed")


def _is_worker(pid: int) -> bool:
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return any(name in command for name in (b"graftwork.evaluators.template", b"ray::_Evaluator"))
    return False


def _jumping(_mock: Mock, seconds: float) -> None:
    """Have the clock jump by an hour, back and forth."""
    real, ends = time.time, time.monotonic() + seconds
    _CLOCK.offset_s = 0.0
    while time.monotonic() < ends:
        _CLOCK.offset_s = random.choice((-3600.0, 0.0, 3600.0))
        time.sleep(1.0)
    _CLOCK.offset_s = 0.0
    assert real() > 0  # noqa: S101 (it still goes)


class _Clock:
    offset_s = 0.0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def __call__(self) -> float:
        return self._clock() + self.offset_s


_CLOCK: Final = _Clock(time.time)
time.time = _CLOCK


@contextmanager
def _small_disk() -> Iterator[None]:
    """Temporary files on a small disk of their own."""
    before, folder = tempfile.tempdir, tempfile.mkdtemp(dir="/var/tmp")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=1777", "tmpfs", folder], check=True)  # noqa: S607 (root's own)
    Path(folder).chmod(0o1777)
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before
        subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607 (likewise)
        Path(folder).rmdir()


def _filling(_mock: Mock, seconds: float) -> None:
    """Fill the disk that holds scratch."""
    filler = Path(tempfile.gettempdir()) / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    time.sleep(seconds)
    filler.unlink()


if __name__ == "__main__":
    main()
