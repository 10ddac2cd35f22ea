"""The worker: templates, levels, the clock, and what a case leaves behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.sandbox import SandboxLevel, probe, require
from graftwork.evaluators.worker import Worker
from graftwork.programs.errors import InfrastructureError, TaskError

from .pool_programs import EchoRelay, FailingRelay, children_left, kind_of, make_work, processes_with

T = TypeVar("T")

ASKS = """
from graftwork.programs import prompt

@prompt
def ask(text: str) -> str:
    '''Say: {text}'''

def solve(texts):
    return [ask(text) for text in texts]
"""
LEAVES_A_GRANDCHILD = """
import os, time

def solve():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    return "done"
"""


def use(body: Callable[[Worker], Coroutine[Any, Any, T]], *, sandbox: SandboxLevel = "standard", relay: EchoRelay | None = None) -> T:
    async def run() -> T:
        worker = Worker(relay or EchoRelay(), slots=2, sandbox=sandbox)
        try:
            return await body(worker)
        finally:
            await worker.aclose()
            assert templates() == []

    return asyncio.run(run())


def templates() -> list[int]:
    return processes_with(parent=os.getpid(), title="graftwork.evaluators.template")


def run_one(source: str, sandbox: SandboxLevel = "standard", **inputs: object) -> Outcome:
    async def run(worker: Worker) -> Outcome:
        (outcome,) = await worker.run(make_work(source, inputs))
        return outcome

    return use(run, sandbox=sandbox)


def test_the_standard_sandbox_holds_here_and_weak_asks_for_nothing() -> None:
    assert probe().missing == ""
    require("standard")
    require("weak")


def test_weak_kills_the_whole_tree_that_a_program_leaves() -> None:
    async def run(worker: Worker) -> tuple[str, list[int]]:
        (outcome,) = await worker.run(make_work(LEAVES_A_GRANDCHILD))
        return str(outcome.output), children_left(*templates())

    assert use(run, sandbox="weak") == ("done", [])


def test_weak_keeps_the_environment_clean_and_the_limits() -> None:
    source = (
        "import os\ndef solve():\n    names = sorted(os.environ)\n    return names if 'KEY' in str(names) else len(bytearray(8 << 30))\n"
    )
    os.environ["SOME_KEY"] = "secret"
    try:
        assert kind_of(run_one(source, "weak")) == "memory"
    finally:
        del os.environ["SOME_KEY"]


def test_each_set_of_packages_has_a_template_and_old_ones_are_retired() -> None:
    async def run(worker: Worker) -> list[int]:
        counts = []
        for package in ("json", "csv", "html", "queue", "string", "json"):
            await worker.run(make_work("def solve():\n    return 1\n", packages=(package,)))
            counts.append(len(templates()))
        return counts

    assert use(run) == [1, 2, 3, 4, 4, 4]


def test_a_childs_directory_is_its_own_and_is_removed() -> None:
    source = """
import os, tempfile
def solve():
    with open("file", "w") as file, tempfile.NamedTemporaryFile(delete=False) as other:
        file.write("x")
    return [os.getcwd(), os.environ["HOME"], os.path.dirname(other.name), sorted(os.listdir("."))]
"""
    output = run_one(source).output
    assert isinstance(output, list)
    here, home, temporary, names = output
    assert here == home == temporary
    assert len(names) == 2
    assert Path(here).is_relative_to(tempfile.gettempdir())
    assert not Path(here).exists()


def test_the_trace_names_the_component_and_shows_the_programs_own_lines() -> None:
    source = "import json\ndef read(text):\n    return json.loads(text)\ndef solve(text):\n    return read(text)\n"
    failure = run_one(source, text="{").failure
    assert failure is not None
    assert failure.component == "read"
    assert failure.message.startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert "return json.loads(text)" in failure.detail
    assert "decoder.py" not in failure.detail


def test_dataclasses_and_modules_work_as_in_a_file() -> None:
    source = """
from __future__ import annotations
import sys
from dataclasses import dataclass

@dataclass
class Point:
    x: int

def solve():
    assert sys.modules[__name__].Point is Point
    return [Point(x=1), (2, 3)]
"""
    assert run_one(source).output == [{"x": 1}, [2, 3]]


def test_what_is_printed_before_a_failure_is_kept() -> None:
    outcome = run_one("import sys\ndef solve():\n    print('one')\n    print('two', file=sys.stderr)\n    raise ValueError('no')\n")
    assert (kind_of(outcome), outcome.stdout) == ("crash", "one\ntwo\n")


def test_a_request_that_cannot_be_sent_is_the_programs_fault() -> None:
    relay = EchoRelay()

    async def run(worker: Worker) -> list[str]:
        outcomes = await worker.run(make_work(ASKS, {"texts": ["x" * 2_000_000]}, {"texts": ["fine"]}))
        return [kind_of(outcome) for outcome in outcomes]

    assert use(run, relay=relay) == ["invalid", "success"]
    assert len(relay.calls) == 1


def test_calls_that_nobody_waits_for_are_counted_all_the_same() -> None:
    source = f"""{ASKS}
import contextvars, threading, time

def solve(texts):
    threading.Thread(target=contextvars.copy_context().run, args=(ask, "x"), daemon=True).start()
    time.sleep(0.3)
    return 1
"""

    async def run(worker: Worker) -> Outcome:
        (outcome,) = await worker.run(make_work(source, {"texts": []}))
        return outcome

    outcome = use(run, relay=EchoRelay(wait_s=1.0))
    assert (outcome.output, outcome.usage.calls) == (1, 1)


def test_a_programs_failures_do_not_end_the_others() -> None:
    async def run(worker: Worker) -> list[str]:
        outcomes = await worker.run(make_work("def solve(x):\n    return 1 // x\n", {"x": 0}, {"x": 1}, {"x": 0}))
        return [kind_of(outcome) for outcome in outcomes]

    assert use(run) == ["crash", "success", "crash"]


def test_inputs_that_are_too_large_are_the_tasks_mistake() -> None:
    with pytest.raises(TaskError, match="example e0"):
        run_one("def solve(x):\n    return 1\n", x="x" * 20_000_000)


def test_a_gateway_that_is_gone_is_infrastructure() -> None:
    async def run() -> None:
        worker = Worker(FailingRelay(InfrastructureError("the gateway is gone")), slots=1)
        try:
            await worker.run(make_work(ASKS, {"texts": ["x"]}))
        finally:
            await worker.aclose()

    with pytest.raises(InfrastructureError, match=r"lost 3 times, .* the gateway is gone"):
        asyncio.run(run())


def test_threads_share_the_wire() -> None:
    source = ASKS.replace("[ask(text) for text in texts]", "list(parallel(*[lambda text=text: ask(text) for text in texts]))")
    source = source.replace("import prompt", "import parallel, prompt")

    async def run(worker: Worker) -> tuple[object, float]:
        started = time.perf_counter()
        (outcome,) = await worker.run(make_work(source, {"texts": list("abcdefgh")}))
        assert outcome.failure is None
        return outcome.output, time.perf_counter() - started

    output, seconds = use(run, relay=EchoRelay(wait_s=0.5))
    assert output == [f"SAY: {letter}" for letter in "ABCDEFGH"]
    assert seconds < 4.0
