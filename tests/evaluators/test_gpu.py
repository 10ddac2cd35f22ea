"""Programs that use a GPU, behind every wall. Run where there is one: `python -m pytest tests/evaluators/test_gpu.py`."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.sandbox import probe
from graftwork.evaluators.task import Limits
from graftwork.evaluators.worker import Worker

from .pool_programs import EchoRelay, make_work

pytestmark = [
    pytest.mark.skipif(not Path("/dev/nvidia0").exists(), reason="this machine has no NVIDIA GPU"),
    pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine"),
]
DRIVER = """
import ctypes, time

def solve(idle_s):
    cuda, found = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
    context, memory = ctypes.c_void_p(), ctypes.c_void_p()
    said = [
        cuda.cuInit(0),
        cuda.cuDeviceGet(ctypes.byref(found), 0),
        cuda.cuCtxCreate_v2(ctypes.byref(context), 0, found),
        cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(1 << 20)),
    ]
    time.sleep(idle_s)
    return said
"""
PRODUCTS = {
    "torch": "torch.ones(n, n, device='cuda')",
    "cupy": "cupy.ones((n, n), dtype=cupy.float32)",
}
WALLS = """
import ctypes, os, socket

def attempt(task):
    try:
        return repr(task())
    except OSError as error:
        return type(error).__name__

def connected():
    own = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return own.connect("{path}")

def solve():
    ctypes.CDLL("libcuda.so.1").cuInit(0)
    tasks = [
        lambda: open("/etc/passwd"), lambda: os.listdir("/"), lambda: open("/proc/1/environ"), lambda: open("/tmp/mine", "w"),
        lambda: open("/dev/shm/mine", "w"), lambda: socket.socket(), lambda: socket.socket(socket.AF_UNIX), connected, os.fork,
        lambda: os.kill(1, 0), lambda: os.execv("/bin/true", ["true"]),
    ]
    return sorted({{attempt(task) for task in tasks}})
"""


def outcomes_of(source: str, *inputs: dict[str, object], packages: tuple[str, ...] = ()) -> tuple[Outcome, ...]:
    async def run() -> tuple[Outcome, ...]:
        worker = Worker(EchoRelay(), slots=2)
        try:
            return await worker.run(
                make_work(source, *inputs, packages=packages, spawn=True, limits=Limits(timeout_s=60.0, memory_mb=2048))
            )
        finally:
            await worker.aclose()

    return asyncio.run(run())


def test_a_program_asks_the_driver_and_costs_nothing_while_it_waits() -> None:
    busy, idle = (outcomes_of(DRIVER, {"idle_s": idle_s})[0] for idle_s in (0, 3))
    assert (busy.failure, busy.output, idle.output) == (None, [0, 0, 0, 0], [0, 0, 0, 0])
    assert idle.cpu_s < busy.cpu_s + 1.0


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(name, marks=pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"{name} is not installed"))
        for name in PRODUCTS
    ],
)
def test_a_package_computes_on_the_gpu_for_two_programs_at_once(package: str) -> None:
    source = f"import {package}\ndef solve(n):\n    x = {PRODUCTS[package]}\n    return float((x @ x).sum())\n"
    outcomes = outcomes_of(source, {"n": 256}, {"n": 512}, packages=(package,))
    assert [outcome.failure for outcome in outcomes] == [None, None]
    assert [outcome.output for outcome in outcomes] == [256.0**3, 512.0**3]


def test_the_walls_stand_beside_the_driver(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        path = tmp_path / "socket"
        listening.bind(str(path))
        listening.listen()
        path.chmod(0o777)
        (outcome,) = outcomes_of(WALLS.format(path=path))
    assert outcome.failure is None
    assert outcome.output == ["FileNotFoundError", "PermissionError"]
