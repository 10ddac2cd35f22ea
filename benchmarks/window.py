"""Fixed lag: how much of the throughput limit is kept when results are told in the order of briefs, for windows of several widths.

python -m benchmarks.window                          # an evaluation is one run of a program
python -m benchmarks.window --cases 20               # 20 runs, side by side where slots are free
python -m benchmarks.window --batches 8 --cases 6    # races: batches of 6, one after another, 8 on average
python -m benchmarks.window --windows 8 16 32

A discrete-event simulation of the loop's rule: so many slots work at the same time, each on one run of a program, first come, first
served; brief k is asked as soon as results 0 … k−W have been told, and a result is told when it and all before it are there. The limit is
all slots busy without a pause; the share kept is the work done over slots times elapsed time. Times of runs are log-normal and independent;
the number of batches is geometric, 50 at most. Ten simulations with seeds of their own give the standard error.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import statistics
from collections import deque
from collections.abc import Sequence
from typing import Final

_WINDOWS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
_REPEATS: Final = 10
_MOST_BATCHES: Final = 50

Evaluation = Sequence[Sequence[float]]
"""What each run takes, by batch."""


def main() -> None:
    """Simulate and print, at the end as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, nargs="+", default=[2, 4, 8, 16, 64])
    parser.add_argument("--windows", type=int, nargs="+", help="widths in evaluations, instead of multiples of the slots")
    parser.add_argument("--sigma", type=float, default=1.0, help="of the logarithm of a run's time; its median is 1")
    parser.add_argument("--cases", type=int, default=1, help="runs of each batch")
    parser.add_argument("--batches", type=float, default=1.0, help="of each evaluation, on average")
    parser.add_argument("--evaluations", type=int, default=2_000, help="of each simulation")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    runs = [_evaluations(chosen, random.Random(chosen.seed + repeat)) for repeat in range(_REPEATS)]
    windows = {str(width): (width, 0.0) for width in chosen.windows or ()} or {f"{times:g}x": (0, times) for times in _WINDOWS}
    print("slots  " + "".join(f"{name:>15}" for name in windows))
    rows = []
    for slots in chosen.slots:
        row: dict[str, float] = {"slots": slots}
        for name, (width, times) in windows.items():
            shares = [share_kept(slots, width or round(times * slots), run) for run in runs]
            row[name], row[f"{name} error"] = statistics.mean(shares), statistics.stdev(shares) / math.sqrt(_REPEATS)
        rows.append(row)
        shown = ("{:.1%} ±{:.1%}".format(row[name], row[f"{name} error"]) for name in windows)
        print(f"{slots:>5}  " + "".join(f"{text:>15}" for text in shown), flush=True)
    print(json.dumps({**vars(chosen), "rows": rows}))


def share_kept(slots: int, window: int, evaluations: Sequence[Evaluation]) -> float:
    """The share of slots x elapsed time that work takes.

    Args:
        slots: Runs at the same time, at least 1.
        window: W, at least 1.
        evaluations: In the order of briefs.
    """
    now, n_asked, n_told, n_free = 0.0, 0, 0, slots
    batch, n_open = [0] * len(evaluations), [0] * len(evaluations)  # of each evaluation: where it is, and runs of that batch to come
    waiting: deque[tuple[int, float]] = deque()
    running: list[tuple[float, int]] = []

    def begin(number: int) -> None:
        times = evaluations[number][batch[number]]
        n_open[number] = len(times)
        waiting.extend((number, taken) for taken in times)

    while n_told < len(evaluations):
        while n_asked < min(len(evaluations), n_told + window):
            begin(n_asked)
            n_asked += 1
        while waiting and n_free:
            number, taken = waiting.popleft()
            heapq.heappush(running, (now + taken, number))
            n_free -= 1
        now, number = heapq.heappop(running)
        n_free += 1
        n_open[number] -= 1
        if not n_open[number]:
            batch[number] += 1
            if batch[number] < len(evaluations[number]):
                begin(number)
            while n_told < n_asked and batch[n_told] == len(evaluations[n_told]):
                n_told += 1
    return sum(sum(map(sum, one)) for one in evaluations) / (slots * now)


def _evaluations(chosen: argparse.Namespace, rng: random.Random) -> list[Evaluation]:
    def batches() -> int:
        more = 1 - 1 / chosen.batches  # the chance of one more
        return min(_MOST_BATCHES, 1 + int(math.log(1 - rng.random()) / math.log(more))) if more > 0 else 1

    return [
        [[rng.lognormvariate(0.0, chosen.sigma) for _ in range(chosen.cases)] for _ in range(batches())] for _ in range(chosen.evaluations)
    ]


if __name__ == "__main__":
    main()
