"""Where a Ray pool's programs find a place: on what the cluster has, on nodes that join, and elsewhere when a node is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from graftwork.evaluators.errands import RemoteWorker
from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.loop_thread import LoopThread
from graftwork.evaluators.ray_cluster import Cluster
from graftwork.evaluators.ray_pool import RayPool
from graftwork.evaluators.task import Resources
from graftwork.programs.errors import ConfigError

from .pool_programs import EchoRelay, make_work

pytestmark = pytest.mark.slow

SLOW = "import time\ndef solve(x):\n    time.sleep(x)\n    return x\n"
IDENTITY = "def solve(x):\n    return x\n"


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


def test_nodes_that_join_are_used_and_the_work_of_a_lost_one_is_done_elsewhere() -> None:
    command = [sys.executable, "-m", "tests.evaluators.ray_nodes"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_is_given_to_this_process_as_the_first_actor_arrives_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    thread, begin = LoopThread("ray-pool"), Cluster.begin
    given: list[asyncio.Task[tuple[Outcome, ...]]] = []

    async def begin_and_give(cluster: Cluster, host: RemoteWorker) -> None:
        await begin(cluster, host)
        for seconds in (0.2, 1.0):
            given.append(asyncio.create_task(pool.run(make_work(SLOW, {"x": seconds}))))
            await asyncio.sleep(0.1 if seconds < 1.0 else 0.0)  # one is under way, and one has not begun, when it takes over

    async def run() -> None:
        try:
            await pool.ready()
            async with asyncio.timeout(20.0):
                outcomes = await asyncio.gather(*given)
        finally:
            await pool.aclose()
        assert [outcome.output for (outcome,) in outcomes] == [0.2, 1.0]

    monkeypatch.setattr(Cluster, "begin", begin_and_give)
    pool = RayPool(EchoRelay(), slots=2, thread=thread)
    try:
        thread.run(run())
    finally:
        thread.close()
