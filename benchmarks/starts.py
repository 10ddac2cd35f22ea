"""How soon a candidate's program runs where its pool is warm: to its first line, and to its outcome.

python -m benchmarks.starts                  # LocalPool at both levels of the sandbox, and Ray: medians, and what 95 of 100 are under
python -m benchmarks.starts --cases 5000

Cases are handed to the pool one at a time, and counted from there; the program says when its first line ran, by the machine's monotonic
clock. All that is in between is in it: the way to the pool's thread and, on Ray, to the actor, the child, and its walls.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from graftwork.evaluators.evaluation import Case, Work
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.pool import Pool, ProgramCall, Relayed
from graftwork.evaluators.ray_pool import RayPool
from graftwork.evaluators.task import Limits
from graftwork.programs.errors import InfrastructureError

__all__ = ["main"]

_PROGRAM: Final = "import time\nBEGAN = time.monotonic()\ndef solve():\n    return BEGAN\n"
_WORK: Final = Work(candidate=1, source=_PROGRAM, digest="0" * 32, entry="solve", cases=(Case(example_id="e", inputs={}),), limits=Limits())
_WARM_UP: Final = 50


class _Nobody:
    """Answers no call; these programs make none."""

    async def call(self, call: ProgramCall) -> Relayed:
        raise InfrastructureError(f"candidate {call.candidate} asked, and nobody is there")


_POOLS: Final[Mapping[str, Callable[[], Pool]]] = {
    "local weak": lambda: LocalPool(_Nobody(), slots=1, sandbox="weak"),
    "local standard": lambda: LocalPool(_Nobody(), slots=1),
    "ray standard": lambda: RayPool(_Nobody(), slots=1),
}


def main() -> None:
    """Print a line for each pool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000)
    chosen = parser.parse_args()
    columns = ("first line ms", "of 95 %", "outcome ms", "of 95 %")
    print(f"{'pool':>14}  " + "  ".join(columns))
    for name, made in _POOLS.items():
        times = asyncio.run(_times_ms(made(), chosen.cases))
        cells = np.quantile(times, (0.5, 0.95), axis=0).T.ravel()
        print(f"{name:>14}  " + "  ".join(f"{cell:>{len(column)}.2f}" for column, cell in zip(columns, cells, strict=True)), flush=True)


async def _times_ms(pool: Pool, n_cases: int) -> list[tuple[float, float]]:
    """Of each case, the milliseconds to the program's first line and to its outcome."""
    times = []
    try:
        if isinstance(pool, RayPool):
            await pool.ready()
        for _ in range(_WARM_UP + n_cases):
            handed = time.monotonic()
            (outcome,) = await pool.run(_WORK)
            ended = time.monotonic()
            match outcome.output:
                case float(began):
                    times.append((1000 * (began - handed), 1000 * (ended - handed)))
                case _:
                    raise RuntimeError(f"a case failed: {outcome.failure}")
    finally:
        await pool.aclose()
    return times[_WARM_UP:]


if __name__ == "__main__":
    main()
