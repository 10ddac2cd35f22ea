"""The worker: templates, levels, the clock, and what a case leaves behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.pool import ProgramCall, Relayed
from graftwork.evaluators.sandbox import SandboxLevel, probe, require
from graftwork.evaluators.task import Limits
from graftwork.evaluators.template_client import TemplateClient
from graftwork.evaluators.worker import Worker
from graftwork.programs.errors import InfrastructureError, TaskError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage

from .pool_programs import EchoRelay, FailingRelay, children_left, kind_of, make_work, templates

T = TypeVar("T")

ASKS = """
from graftwork.programs import prompt

@prompt
def ask(text: str) -> str:
    '''Say: {text}'''

def solve(texts):
    return [ask(text) for text in texts]
"""
RAW = """
import functools, json, os, stat, struct

@functools.cache
def wire():
    return next(fd for fd in range(3, 4096) if is_socket(fd))

def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False

def framed(**frame):
    text = json.dumps(frame).encode()
    return struct.pack(">I", len(text)) + text

def send_call(n):
    place = {"component": "c", "path": "", "span": str(n), "occurrence": 0}
    os.write(wire(), framed(kind="call", id=n, body={"messages": [{"content": "x"}]}, **place))
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


class FlakyRelay(EchoRelay):
    """Fails, by the endpoint's fault, calls whose text begins with `fail`; others are answered, later."""

    async def call(self, call: ProgramCall) -> Relayed:
        messages = call.body["messages"]
        assert isinstance(messages, list)
        if str(messages[-1]["content"]).startswith("Say: fail"):
            self.calls.append(call)
            return Relayed(failure=Failure(kind="model", message="503"), usage=Usage())
        await asyncio.sleep(0.2)
        return await super().call(call)


def use(body: Callable[[Worker], Coroutine[Any, Any, T]], *, sandbox: SandboxLevel = "standard", relay: EchoRelay | None = None) -> T:
    async def run() -> T:
        worker = Worker(relay or EchoRelay(), slots=2, sandbox=sandbox)
        try:
            return await body(worker)
        finally:
            await worker.aclose()
            assert templates() == []

    return uvloop.run(run())


def run_one(source: str, sandbox: SandboxLevel = "standard", relay: EchoRelay | None = None, **inputs: object) -> Outcome:
    async def run(worker: Worker) -> Outcome:
        (outcome,) = await worker.run(make_work(source, inputs))
        return outcome

    return use(run, sandbox=sandbox, relay=relay)


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


def test_where_the_kernel_gives_namespaces_weak_has_no_network_and_no_other_processes() -> None:
    if not probe("weak").apart:
        pytest.skip("this machine gives an ordinary user no namespaces")
    source = """
import os, socket

def solve(port, driver):
    tried = [lambda: socket.create_connection(("127.0.0.1", port)), lambda: os.kill(driver, 0)]
    return [*map(said, tried), os.path.exists(f"/proc/{driver}")]

def said(attempt):
    try:
        return str(attempt())
    except OSError as error:
        return error.strerror
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = run_one(source, "weak", port=server.getsockname()[1], driver=2**22 - 1)
        own = run_one(source, "weak", port=server.getsockname()[1], driver=os.getpid())
    assert outcome.output == own.output == ["Network is unreachable", "No such process", False]


def test_scratch_in_shared_memory_is_watched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    source = "def solve():\n    for n in range(10**9):\n        open(str(n), 'w').close()\n"
    outcome = run_one(source)
    assert outcome.failure is not None
    assert "1000 files" in outcome.failure.message


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


def test_siblings_find_nothing_of_each_other() -> None:
    source = """
import os, time

def note_of(n):
    for place in (f"../{n}", f"../../{n}"):
        try:
            return os.readlink(place + "/note")
        except OSError:
            continue

def solve(x):
    os.symlink(f"from {x}", "note")
    time.sleep(0.5)
    return [note for n in range(100) if (note := note_of(n)) is not None and note != f"from {x}"]
"""

    async def run(worker: Worker) -> list[object]:
        return [outcome.output for outcome in await worker.run(make_work(source, {"x": 0}, {"x": 1}))]

    assert use(run) == [[], []]


def test_scratch_is_removed_also_after_a_template_was_killed() -> None:
    async def run(worker: Worker) -> tuple[Path, bool]:
        work = make_work("import os\ndef solve():\n    return os.getcwd()\n")
        (outcome,) = await worker.run(work)
        root = next(parent for parent in Path(str(outcome.output)).parents if parent.parent == Path(tempfile.gettempdir()))
        os.kill(templates()[0], signal.SIGKILL)
        await worker.run(work)
        return root, root.exists()

    root, is_there = use(run)
    assert root.name.startswith("graftwork-scratch-")
    assert not is_there


def test_a_flood_does_not_hold_up_the_loop() -> None:
    source = f"""{RAW}
def solve():
    span = {{"path": "0", "component": "", "kind": "tool", "inputs": "", "output": "", "error": "", "seconds": 0.1,
        "input_tokens": 0, "output_tokens": 0, "feeds": []}}
    frames = framed(kind="span", id=0, span=span) * 3000
    while True:
        os.write(wire(), frames)
"""
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.01)
            gaps.append(time.perf_counter() - started)

    async def run(worker: Worker) -> str:
        await worker.run(make_work("def solve():\n    return 1\n"))
        ticking = asyncio.create_task(tick())
        (outcome,) = await worker.run(make_work(source))
        ticking.cancel()
        return kind_of(outcome)

    assert use(run) == "invalid"
    assert max(gaps) < 1.0


def test_a_tool_that_is_called_all_the_time_breaks_no_rule() -> None:
    source = """
from graftwork.programs import tool

@tool
def one() -> int:
    '''One.'''
    return 1

def solve():
    return sum(one() for _ in range(2000))
"""
    outcome = run_one(source)
    assert (outcome.output, len(outcome.spans)) == (2000, 500)


def test_what_follows_a_result_is_neither_waited_for_nor_paid_for() -> None:
    source = f"""{RAW}
def solve():
    os.write(wire(), framed(kind="result", id=0, output="first", stdout=""))
    for n in range(4):
        send_call(n)
    while True:
        pass
"""
    relay = EchoRelay()
    outcome = run_one(source, relay=relay)
    assert (outcome.output, outcome.usage.calls, relay.calls) == ("first", 0, [])
    assert outcome.seconds < 3.0


def test_a_program_has_a_bounded_number_of_calls_under_way() -> None:
    source = f"""{RAW}
import time

def solve():
    for n in range(100):
        send_call(n)
    time.sleep(60)
"""
    relay = EchoRelay(wait_s=60.0)

    async def run(worker: Worker) -> int:
        running = asyncio.create_task(worker.run(make_work(source, limits=Limits(calls=100, timeout_s=30.0))))
        while len(relay.calls) < 32:  # noqa: ASYNC110 - the relay tells nobody; the test's own timeout ends it
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # for more, if there were more
        running.cancel()
        await asyncio.wait([running])
        return len(relay.calls)

    assert use(run, relay=relay) == 32


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("return ask('fail')", "model"),
        ("return parallel(lambda: ask('fail'), lambda: ask(ask('one')), lambda: ask('two'))", "model"),
        ("return parallel(lambda: keep('fail'), lambda: ask('one')) and fail()", "model"),
        ("keep('fail')\n    ask('one')\n    fail()", "invalid"),
        ("parallel(lambda: keep('fail'), lambda: ask('one'))\n    ask('two')\n    fail()", "invalid"),
        ("parallel(lambda: keep('fail'))\n    parallel(lambda: ask('one'))\n    fail()", "invalid"),
    ],
)
def test_a_failure_of_the_model_excuses_a_program_until_it_has_gone_on(body: str, kind: str) -> None:
    source = f"""{ASKS}
from graftwork.programs import parallel

KEPT = []

def keep(text):
    try:
        return ask(text)
    except Exception as error:
        KEPT.append(error)
        return "went on"

def fail():
    raise KEPT[0]

def solve(texts):
    {body}
"""
    assert kind_of(run_one(source, relay=FlakyRelay(), texts=[])) == kind


def test_what_a_program_says_moves_no_cursor() -> None:
    outcome = run_one("def solve():\n    print('\\x1b[2Jone\\ttwo')\n    raise ValueError('\\x1b]0;title\\x07\\x9b1mno')\n")
    assert outcome.failure is not None
    assert (outcome.stdout, outcome.failure.message) == ("[2Jone\ttwo\n", "ValueError: ]0;title1mno")
    assert "\x1b" not in outcome.failure.detail


def test_the_library_works_under_the_lock() -> None:
    source = """
import os, shutil, tempfile
import numpy as np

def solve():
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        file.write(b"x")
        np.save(os.path.join(folder, "a.npy"), np.random.default_rng(0).random(3))
        shutil.copyfile(os.path.join(folder, "a.npy"), "b.npy")
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_inheritable(read, True)
    return [len(np.load("b.npy", mmap_mode="r")), os.isatty(0), shutil.get_terminal_size((80, 24)).columns, len(os.listdir("."))]
"""

    async def run(worker: Worker) -> object:
        (outcome,) = await worker.run(make_work(source, packages=("numpy",)))
        return outcome.failure or outcome.output

    assert use(run) == [3, False, 80, 1]


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
        uvloop.run(run())


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


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.05])  # it takes 0.1 s to start on a fast machine
def test_a_template_that_nobody_waits_for_any_more_is_ended(after_s: float) -> None:
    async def run() -> None:
        starting = asyncio.create_task(TemplateClient.start((), locked=False))
        await asyncio.sleep(after_s)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    uvloop.run(run())
    assert templates() == []
    gc.collect()  # a socket or process that was let go of would be told of here


def test_who_closes_after_one_whose_closing_was_cancelled_waits_for_the_templates_end() -> None:
    async def run(worker: Worker) -> None:
        await worker.run(make_work("def solve():\n    return 1\n"))
        closing = asyncio.create_task(worker.aclose())
        await asyncio.sleep(0.0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing

    use(run)
    gc.collect()  # a process that nobody waited for would be told of here
