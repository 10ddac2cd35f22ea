"""Where a Ray pool's programs find a place: on what the cluster has, on nodes that join, and elsewhere when a node is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from graftwork.evaluators.ray_pool import RayPool
from graftwork.evaluators.task import Resources
from graftwork.programs.errors import ConfigError

from .pool_programs import EchoRelay, make_work

pytestmark = pytest.mark.slow

IDENTITY = "def solve(x):\n    return x\n"
SLOW = "import time\ndef solve(x):\n    time.sleep(1.0)\n    return x\n"


@pytest.mark.slow
def test_resources_that_the_machine_has_not_are_refused_with_what_it_has() -> None:
    async def run() -> None:
        pool = RayPool(EchoRelay(), slots=1, resources=Resources(custom={"gold": 2}))
        try:
            await pool.run(make_work(IDENTITY, {"x": 1}))
        finally:
            await pool.aclose()

    with pytest.raises(ConfigError, match=r"one slot asks for .*'gold': 2.* and the cluster has \d+ CPU, 0 GPU, 0 gold in all"):
        asyncio.run(run())


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster whose head has no processors, so that its nodes do all work."""
    handler = signal.getsignal(signal.SIGTERM)  # Ray puts its own in the place of it
    os.environ["RAY_AUTH_MODE"] = "disabled"  # several nodes on one machine share no token
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80_000_000})
    try:
        yield cluster
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
        signal.signal(signal.SIGTERM, handler)
        del os.environ["RAY_AUTH_MODE"]


def join(cluster: Any) -> Any:
    """Have a node with one processor join; Ray wants it done on the main thread."""
    return cluster.add_node(num_cpus=1, object_store_memory=80_000_000)


async def grown(pool: RayPool) -> None:
    """Wait until two actors work."""
    while pool.n_actors < 2:  # noqa: ASYNC110 - nobody tells when Ray has placed one
        await asyncio.sleep(0.1)


@pytest.mark.timeout(300)
def test_nodes_that_join_are_used_and_the_work_of_a_lost_one_is_done_elsewhere(cluster: Any, capfd: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        pool = RayPool(EchoRelay(), slots=2, address=cluster.address, slots_per_actor=1)
        try:
            await pool.ready()
            assert pool.n_actors == 1
            second = join(cluster)
            await grown(pool)
            running = asyncio.ensure_future(pool.run(make_work(SLOW, *({"x": n} for n in range(8)))))
            await asyncio.sleep(1.5)
            cluster.remove_node(second, False)
            outcomes = await running
            assert [(outcome.output, outcome.failure) for outcome in outcomes] == [(n, None) for n in range(8)]
            join(cluster)
            await grown(pool)
        finally:
            await pool.aclose()

    join(cluster)
    asyncio.run(run())
    capfd.readouterr()  # Ray tells at length of the node that was removed
