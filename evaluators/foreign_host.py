"""The foreign host: a process exec'ed for one evaluation. It starts the child in a world of its own, watches the tree, ends it, reports.

It runs no untrusted code, is the parent of whatever the tree leaves behind, and ends the tree when its worker closes standard input.
One line of JSON comes in (`foreign_child.Order`), one object goes out: `reply`, `said`, `stopped`, `status`, `cpu_s`, `max_rss_kb`, or
`unstarted` with a reason. Standard library only.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from .bounded_text import BoundedText
from .foreign_child import LOCKED_IN, Order, Pipes, be_child
from .lockdown import die_with_parent, drop_privileges, reap_orphans
from .namespaces import isolate
from .processes import tasks_of_user, tree_of
from .scratch import MAX_BYTES, MAX_FILES, MAX_WRITTEN, bytes_written, is_overfull, make_root, remove_tree, sweep

__all__ = ["MAX_REPLY_BYTES", "main"]

MAX_REPLY_BYTES: Final = 256 * 1024
_CHUNK: Final = 64 * 1024
_LOOK_S: Final = 0.1
_SCRATCH_S: Final = 0.5
_MAX_PROCESSES: Final = 64
_ROUNDS: Final = 1_000
_NAME_BYTES: Final = 16
_STAND_IN: Final = Path(__file__).parent / "foreign_result.py"

Stopped = tuple[str, str]
"""Kind and message of the failure for which a tree was ended."""


def main() -> NoReturn:
    """Take one order, evaluate, report, end."""
    order = json.loads(_line())
    os.umask(0o077)
    reap_orphans()
    if not os.access(f"{order['folder']}/evaluator.py", os.R_OK):
        _finish({"unstarted": f"user {os.getuid()} cannot read {order['folder']}"})
    sweep(order["directory"])
    root, _ = make_root(order["directory"])  # the lock is held until we end
    try:
        report = _Evaluation(order, root).run()
    finally:
        remove_tree(root)
    _finish(report)


class _Evaluation:
    """One tree, from its start to its end.

    Args:
        order: What is asked for.
        root: A directory for it.
    """

    def __init__(self, order: Order, root: Path) -> None:
        self._order = order
        self._scratch = root / os.urandom(_NAME_BYTES).hex()
        self._scratch.mkdir()
        self._library = root / "library"
        _write_stand_in(self._library)
        self._said = BoundedText(order["stdout_bytes"])
        self._reply = self._report = b""
        self._looked_at_scratch = 0.0

    def run(self) -> dict[str, Any]:
        """Start the tree, wait for its end or make one."""
        said, reply, report = os.pipe(), os.pipe(), os.pipe()
        own = os.getpid()
        if os.fork() == 0:
            try:
                die_with_parent(own)
                self._enter(Pipes(said=said[1], reply=reply[1], report=report[1]))
            finally:
                os._exit(70)
        drop_privileges()
        for _, theirs in (said, reply, report):
            os.close(theirs)
        for ours, _ in (said, reply, report):
            os.set_blocking(ours, False)
        stopped = self._watch(said[0], reply[0], report[0])
        _end_tree()
        self._drain(said[0], reply[0], report[0])
        return self._outcome(stopped)

    def _enter(self, pipes: Pipes) -> None:
        """Enter namespaces where that is possible, as root while it may; what is forked from here on lives in them."""
        isolated = bool(self._order["locked"]) and isolate()
        drop_privileges()
        # Threads of this user now, or those that a user has in a new namespace: this process, the first one and the child.
        processes = None if os.getuid() == 0 else 3 if isolated else tasks_of_user()
        if isolated and os.fork() != 0:
            for pipe in (pipes.said, pipes.reply, pipes.report):
                os.close(pipe)
            os.wait()
            os._exit(0)
        if isolated:
            die_with_parent(0)  # it is not seen from here
        self._be_first(pipes, processes, isolated=isolated)

    def _be_first(self, pipes: Pipes, processes: int | None, *, isolated: bool) -> None:
        """Be the first process of the tree: start the child, reap whatever ends, and report how the child did."""
        child = os.fork()
        if child == 0:
            try:
                be_child(
                    self._order,
                    pipes,
                    scratch=str(self._scratch),
                    library=str(self._library),
                    isolated=isolated,
                    processes=processes,
                )
            finally:
                os._exit(70)
        os.close(pipes.said)
        os.close(pipes.reply)
        while True:
            pid, status, usage = os.wait4(-1, 0)
            if pid == child:
                ended = {"status": status, "cpu_s": usage.ru_utime + usage.ru_stime, "max_rss_kb": usage.ru_maxrss, "isolated": isolated}
                os.write(pipes.report, json.dumps(ended).encode())
                os._exit(0)

    def _watch(self, said: int, reply: int, report: int) -> Stopped | None:
        """Take what the tree says until the child has ended; why it has to be ended before that, or None."""
        ends_at = time.monotonic() + self._order["timeout_s"]
        looked = time.monotonic()
        open_pipes = {0, said, reply, report}
        while True:
            readable, _, _ = select.select(open_pipes, [], [], _LOOK_S)
            if 0 in readable and not os.read(0, _CHUNK):
                return "infrastructure", "the worker is gone"
            for pipe in (said, reply, report):
                if pipe in readable and not self._take(pipe, said=said, reply=reply):
                    open_pipes.discard(pipe)
            if len(self._reply) > MAX_REPLY_BYTES:
                return "invalid", f"it replied with more than {MAX_REPLY_BYTES >> 10} KiB"
            if report not in open_pipes:
                return None
            now = time.monotonic()
            if now > ends_at:
                return "timeout", f"it ran for more than {self._order['timeout_s']:g} s"
            if now - looked > _LOOK_S:
                looked = now
                if (reason := self._excess(now)) is not None:
                    return reason

    def _take(self, pipe: int, *, said: int, reply: int) -> bool:
        """Read once; False at the end of the pipe."""
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return True
        if pipe == said:
            self._said.write(data)
        elif pipe == reply:
            self._reply += data
        else:
            self._report += data
        return bool(data)

    def _drain(self, *pipes: int) -> None:
        """Read what is left in the pipes of a tree that has ended, within bounds."""
        said, reply, _ = pipes
        for pipe in pipes:
            size = -1
            while size != (size := len(self._reply) + len(self._report) + self._said.written) and len(self._reply) <= MAX_REPLY_BYTES:
                self._take(pipe, said=said, reply=reply)

    def _excess(self, now: float) -> Stopped | None:
        """What the tree takes more of than it may."""
        tree = tree_of(os.getpid())
        if len(tree) > _MAX_PROCESSES + 1:
            return "forbidden", f"it started more than {_MAX_PROCESSES} processes"
        if sum(process.resident_kb for process in tree) > self._order["memory_mb"] * 1024:
            return "memory", f"its processes used more than {self._order['memory_mb']} MiB together"
        if sum(bytes_written(process.pid) for process in tree) > MAX_WRITTEN:
            return "forbidden", f"it wrote more than {MAX_WRITTEN >> 20} MiB"
        if now - self._looked_at_scratch > _SCRATCH_S:
            self._looked_at_scratch = now
            if is_overfull(self._scratch):
                return "forbidden", f"it wrote more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB to its directory"
        return None

    def _outcome(self, stopped: Stopped | None) -> dict[str, Any]:
        word, ended = self._report[:1], self._report[1:]
        if word != LOCKED_IN and stopped is None:
            reason = ended.partition(b"{")[0].decode(errors="replace")
            return {"unconfined": reason or "it ended before it was locked in"}
        reply = self._reply.decode("utf-8", "replace") if len(self._reply) <= MAX_REPLY_BYTES else ""
        return {
            **(json.loads(ended) if ended else {"status": 0, "cpu_s": 0.0, "max_rss_kb": 0, "isolated": False}),
            "reply": reply,
            "said": self._said.text,
            "stopped": stopped,
        }


def _end_tree() -> None:
    """Kill every descendant and wait until none is left."""
    for _ in range(_ROUNDS):
        tree = tree_of(os.getpid())
        # Stopped first, or they make new ones while the others are killed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in tree:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.001)
        except ChildProcessError:
            return


def _write_stand_in(library: Path) -> None:
    """The module that evaluators import their result from, under the name that they import it by."""
    package = library / "openevolve"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "evaluation_result.py").write_text(_STAND_IN.read_text(encoding="utf-8"), encoding="utf-8")


def _line() -> bytes:
    """Standard input up to the end of its first line: what follows is its end, and means that the worker is gone."""
    text = b""
    while not text.endswith(b"\n"):
        data = os.read(0, _CHUNK)
        if not data:
            sys.exit(1)
        text += data
    return text


def _finish(report: dict[str, Any]) -> NoReturn:
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)
