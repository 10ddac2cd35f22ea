"""Children that are exec'ed: for packages that start threads when they are imported, and for GPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from graftwork.evaluators.case_run import CaseRun
from graftwork.evaluators.evaluation import Case, Outcome, Work
from graftwork.evaluators.sandbox import probe
from graftwork.evaluators.task import Limits
from graftwork.evaluators.template_client import Bareness, TemplateClient
from graftwork.evaluators.worker import Worker
from graftwork.programs.errors import ConfigError
from graftwork.programs.export import Hook

from .pool_programs import EchoRelay, children_left, kind_of, make_work, templates

needs_sandbox = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")
THREADED = """
import queue, threading

work, done = queue.Queue(), queue.Queue()

def serve():
    while True:
        done.put(attempt(work.get()))

def attempt(task):
    try:
        return task()
    except OSError as error:
        return type(error).__name__

threading.Thread(target=serve, daemon=True).start()
"""
USES_IT = """
import os, socket, threading
import threaded

def in_its_thread(task):
    threaded.work.put(task)
    return threaded.done.get(timeout=5)

def solve(secret):
    return [
        threading.active_count(),
        in_its_thread(lambda: open(secret).read()),
        in_its_thread(lambda: os.listdir("/")),
        in_its_thread(os.fork),
        in_its_thread(socket.socket),
        in_its_thread(lambda: open("note", "w").write("x")),
    ]
"""


async def run_alone(folder: Path, source: str, **inputs: object) -> Outcome:
    """What a program does that imports the package `threaded`, of a folder."""
    template = await TemplateClient.start(("threaded",), locked=True, bare=Bareness(path=str(folder)))
    try:
        hook = Hook()
        work = Work(candidate=1, source=source, digest="d", entry="solve", cases=(), hook=hook, limits=Limits(memory_mb=256))
        child = template.spawn(memory_mb=256, cpu_s=11)
        return await CaseRun(work, Case(example_id="e", inputs=inputs), child=child, relay=EchoRelay()).outcome()
    finally:
        await template.aclose()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def package(folder: Path, text: str = THREADED) -> Path:
    folder.chmod(0o755)  # for the user that the template becomes
    (folder / "threaded.py").write_text(text)
    return folder


@needs_sandbox
def test_a_package_that_starts_a_thread_runs_it_behind_the_walls(folder: Path) -> None:
    with tempfile.NamedTemporaryFile() as secret:
        Path(secret.name).chmod(0o644)
        outcome = uvloop.run(run_alone(package(folder), USES_IT, secret=secret.name))
    assert outcome.failure is None, outcome.failure
    denied = "PermissionError"
    assert outcome.output == [2, denied, denied, denied, denied, 1]
    assert templates() == []


def test_a_package_that_fails_when_it_is_imported_is_told_of(folder: Path) -> None:
    with pytest.raises(ConfigError, match="threaded"):
        uvloop.run(run_alone(package(folder, "raise ImportError('no')"), "def solve():\n    return 1\n"))


@needs_sandbox
@pytest.mark.parametrize("packages", [(), ("numpy",), ("pydantic",)])
def test_a_task_with_a_gpu_runs_each_case_in_a_process_of_its_own(packages: tuple[str, ...]) -> None:
    imports = "".join(f"import {name}\n" for name in packages)
    source = f"""{imports}import os
seen = []
def solve(n):
    seen.append(n)
    try:
        open("/etc/passwd")
    except PermissionError:
        return [len(seen), n, os.environ["HOME"] == os.getcwd()]
"""

    async def run() -> tuple[tuple[Outcome, ...], list[int]]:
        worker = Worker(EchoRelay(), slots=2)
        work = make_work(source, {"n": 1}, {"n": 2}, packages=packages, spawn=True)
        outcomes = await worker.run(work)
        left = children_left(*templates())
        await worker.aclose()
        return outcomes, left

    outcomes, left = uvloop.run(run())
    assert [outcome.failure for outcome in outcomes] == [None, None]
    assert [outcome.output for outcome in outcomes] == [[1, 1, True], [1, 2, True]]
    assert left == []


@needs_sandbox
def test_forked_and_spawned_children_fail_alike() -> None:
    bodies = ("while True:\n        pass", "import socket\n    socket.socket()", "os._exit(3)", "return open('/proc/self/environ').read()")

    async def run(*, spawn: bool) -> list[str]:
        worker = Worker(EchoRelay(), slots=2)
        kinds = []
        for body in bodies:
            work = make_work(f"import os\ndef solve():\n    {body}\n", limits=Limits(timeout_s=1.0), spawn=spawn)
            (outcome,) = await worker.run(work)
            kinds.append(kind_of(outcome))
        await worker.aclose()
        return kinds

    assert uvloop.run(run(spawn=True)) == uvloop.run(run(spawn=False)) == ["timeout", "forbidden", "crash", "forbidden"]


@needs_sandbox
def test_a_program_with_a_gpu_that_takes_too_much_of_the_machines_memory_is_ended() -> None:
    source = "import time\ndef solve(mb):\n    held = bytearray(b'x') * (mb << 20)\n    time.sleep(2)\n    return len(held) >> 20\n"

    async def run() -> list[object]:
        worker = Worker(EchoRelay(), slots=2)
        outcomes = await worker.run(make_work(source, {"mb": 32}, {"mb": 900}, limits=Limits(memory_mb=64, timeout_s=10.0), spawn=True))
        await worker.aclose()
        return [outcome.output if outcome.failure is None else outcome.failure.kind for outcome in outcomes]

    assert uvloop.run(run()) == [32, "memory"]
