"""Threads in the place of children: a search whose programs run in the test's own process, for tests of what it decides and records.

What stands behind a `TemplateClient` is all that differs: worker, relay and gateway are the real ones, and so are the frames. Nothing is
confined, bounded or printed, and a search takes half its CPU. For programs that the tests wrote themselves.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import signal
import socket
import tempfile
import threading
import time
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from graftwork.evaluators import running
from graftwork.evaluators.channel import Channel
from graftwork.evaluators.child import CONFINED
from graftwork.evaluators.running import FILE, encodable, failure_of, load, run_in_session
from graftwork.evaluators.template_client import Child, Exit
from graftwork.evaluators.worker import Worker
from graftwork.programs.wire import encode_frame

__all__ = ["CHILDREN", "Threads", "threads_for_children"]

CHILDREN: Final = Worker._template  # noqa: SLF001 - how a worker comes to real ones

_LOADING = threading.Lock()


@contextmanager
def threads_for_children() -> Iterator[None]:
    """Workers have threads in the place of children."""

    async def template(worker: Worker, packages: tuple[str, ...], *, devices: bool) -> object:
        templates = worker._templates  # noqa: SLF001 - the worker closes what it finds there
        return templates.setdefault((packages, devices), Threads())  # type: ignore[arg-type]  # what stands in for one

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Worker, "_template", template)
        patched.setattr(running, "load", _loaded)
        yield


class Threads:
    """What a `TemplateClient` is to a worker."""

    def __init__(self) -> None:
        self.scratch = Path(tempfile.gettempdir())
        self._sockets: dict[int, socket.socket] = {}
        self._last_number = 0

    def spawn(self, **_limits: int) -> Child:
        """A child that is a thread; there are no limits."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._last_number += 1
        number, child = self._last_number, Child(self, self._last_number, ours)  # type: ignore[arg-type]  # what stands in for one
        self._sockets[number] = theirs
        loop = asyncio.get_running_loop()

        def run() -> None:
            began, status = time.thread_time(), 0
            try:
                os.write(theirs.fileno(), CONFINED)
                _serve(Channel(theirs.fileno()))
            except (EOFError, OSError):
                status = signal.SIGKILL
            cpu_s = time.thread_time() - began
            loop.call_soon_threadsafe(self._ended, number, child, Exit(status=status, cpu_s=cpu_s, grown_kb=0))

        threading.Thread(target=run, daemon=True).start()
        return child

    def _ended(self, number: int, child: Child, ended: Exit) -> None:
        self._sockets.pop(number).close()
        if not child.exited.done():
            child.exited.set_result(ended)

    def tell(self, **message: Any) -> None:
        """End a child: its socket breaks."""
        if message["id"] in self._sockets:
            self._sockets[message["id"]].shutdown(socket.SHUT_RDWR)

    async def aclose(self) -> None:
        """Break the sockets of those that are left, and wait for their ends."""
        for number in tuple(self._sockets):
            self.tell(op="kill", id=number)
        while self._sockets:  # noqa: ASYNC110 - it is a millisecond
            await asyncio.sleep(0.001)


def _loaded(case: Mapping[str, Any]) -> types.ModuleType:
    with _LOADING:
        return load(case)


def _serve(channel: Channel) -> None:
    case = channel.receive()
    try:
        outcome = encodable(run_in_session(case, channel), case["limits"]["output_bytes"])
    except EOFError:
        raise
    except BaseException as error:  # noqa: BLE001 - as in a child
        source = str(case["source"])
        with _LOADING:  # a traceback shows the lines of whoever was loaded last
            linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
            outcome = {"failure": failure_of(error)}
    channel.send(encode_frame({"kind": "result", "id": 0, "stdout": "", **outcome}))
