"""Work for pools, a relay that answers it, and a look at the processes that are left."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

from graftwork.evaluators.evaluation import Case, Outcome, Work
from graftwork.evaluators.pool import ProgramCall, Relay, Relayed
from graftwork.evaluators.task import Limits
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Usage

__all__ = ["EchoRelay", "FailingRelay", "Switch", "children_left", "kind_of", "live_children", "make_work", "processes_with", "templates"]


def make_work(
    source: str,
    *inputs: Mapping[str, object],
    limits: Limits | None = None,
    packages: tuple[str, ...] = (),
    repeats: int = 1,
    purpose: str = "search",
    spawn: bool = False,
) -> Work:
    """One case for each set of inputs and each repeat; without any, one case without arguments."""
    sets = inputs or ({},)
    cases = [Case(example_id=f"e{n}", inputs=given, repeat=repeat) for repeat in range(repeats) for n, given in enumerate(sets)]
    return Work(
        candidate=7,
        source=source,
        digest="d" * 32,
        entry="solve",
        cases=tuple(cases),
        packages=packages,
        limits=limits or Limits(timeout_s=10.0),
        purpose=purpose,
        spawn=spawn,
    )


class EchoRelay:
    """Answers every call with the text of its last message, in capitals; keeps the calls."""

    def __init__(self, *, wait_s: float = 0.0) -> None:
        self.calls: list[ProgramCall] = []
        self._wait_s = wait_s

    async def call(self, call: ProgramCall) -> Relayed:
        self.calls.append(call)
        await asyncio.sleep(self._wait_s)
        messages = call.body["messages"]
        assert isinstance(messages, list)
        text = str(messages[-1]["content"]).upper() if messages else ""
        return Relayed(reply=Reply(text=text), usage=Usage(input_tokens=3, output_tokens=2, usd=0.1, calls=1), seconds=self._wait_s)


class FailingRelay:
    """Answers every call with the same failure, or raises the same error."""

    def __init__(self, failure: Failure | Exception) -> None:
        self._failure = failure

    async def call(self, call: ProgramCall) -> Relayed:
        assert call.max_calls > 0
        if isinstance(self._failure, Exception):
            raise self._failure
        return Relayed(failure=self._failure, usage=Usage())


class Switch:
    """Passes calls on to another relay, which each test sets."""

    def __init__(self) -> None:
        self.relay: Relay = EchoRelay()

    async def call(self, call: ProgramCall) -> Relayed:
        return await self.relay.call(call)


def kind_of(outcome: Outcome) -> str:
    """The failure's kind, or `success`."""
    return outcome.failure.kind if outcome.failure is not None else "success"


def children_left(*parents: int, within_s: float = 10.0) -> list[int]:
    """Children of some processes, once those that are about to end have ended."""
    deadline = time.monotonic() + within_s
    while (left := live_children(*parents)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def templates() -> list[int]:
    """The template processes of this one."""
    return processes_with(parent=os.getpid(), title="graftwork.evaluators.template")


def live_children(*parents: int) -> list[int]:
    """Children of some templates that run now."""
    return [child for parent in parents for child in _children(parent)]


def _children(parent: int) -> list[int]:
    """Children of a process, or those of its child that is the first in namespaces of its own."""
    children = processes_with(parent=parent)
    firsts = [child for child in children if _is_first(child)]
    return [child for child in children if child not in firsts] + [child for first in firsts for child in processes_with(parent=first)]


def _is_first(pid: int) -> bool:
    try:
        ids = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid:")).split()[1:]
    except OSError:
        return False
    return len(ids) > 1 and ids[-1] == "1"


def processes_with(*, parent: int | None = None, title: str = "", variable: str = "") -> list[int]:
    """Processes by their parent, a part of their command line, and a part of the environment that they started with."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            state, mother = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if state != "Z" and parent in (None, int(mother)) and title.encode() in command and variable.encode() in environment:
            found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]
