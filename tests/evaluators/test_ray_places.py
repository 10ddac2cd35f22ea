"""Where a Ray pool's programs find a place: on what the cluster has, on nodes that join, and elsewhere when a node is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from graftwork.evaluators.ray_pool import RayPool
from graftwork.evaluators.task import Resources
from graftwork.programs.errors import ConfigError

from .pool_programs import EchoRelay, make_work

pytestmark = pytest.mark.slow

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
