"""A cluster that gains and loses nodes under a pool, as a process of its own: Ray's ways of a process last as long as it does.

python -m tests.evaluators.ray_nodes
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from graftwork.evaluators.ray_pool import RayPool

from .pool_programs import EchoRelay, make_work

__all__ = ["main"]

SLOW = "import time\ndef solve(x):\n    time.sleep(0.5)\n    return x\n"


def main() -> None:
    """Raise where a node that joins is not used, or the work of a lost one is lost."""
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")  # several nodes on one machine share no token
    from ray.cluster_utils import Cluster

    # A head without processors: its nodes do all work.
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80_000_000})
    try:
        join(cluster)
        asyncio.run(run(cluster))
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray leaves it untyped


async def run(cluster: Any) -> None:
    """Two nodes, one of which is lost while it works, and another in its place."""
    pool = RayPool(EchoRelay(), slots=2, address=cluster.address, slots_per_actor=1)
    try:
        await pool.ready()
        assert pool.n_actors == 1
        second = join(cluster)
        await grown(pool)
        running = asyncio.ensure_future(pool.run(make_work(SLOW, *({"x": n} for n in range(8)))))
        await asyncio.sleep(0.8)
        cluster.remove_node(second, False)
        outcomes = await running
        assert [(outcome.output, outcome.failure) for outcome in outcomes] == [(n, None) for n in range(8)]
        join(cluster)
        await grown(pool)
    finally:
        await pool.aclose()


def join(cluster: Any) -> Any:
    """Have a node with one processor join; Ray wants it done on the main thread."""
    return cluster.add_node(num_cpus=1, object_store_memory=80_000_000)


async def grown(pool: RayPool) -> None:
    """Wait until two actors work."""
    while pool.n_actors < 2:  # noqa: ASYNC110 - nobody tells when Ray has placed one
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
