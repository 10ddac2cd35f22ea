"""The template process: exec'ed once with a clean environment, it imports what programs need and forks a child for every case.

Where a fork would be wrong, children are exec'ed, too (`spawning.py`). It runs no untrusted code itself, has one thread, and ends, with
all its children, when its worker closes the control socket.
Messages on the control socket (SOCK_SEQPACKET, one JSON object each):

| from → to         | message                                                                            |
|-------------------|------------------------------------------------------------------------------------|
| template → worker | `ready` rss_kb, scratch, apart (in namespaces of its own), user; or `failed` message |
| worker → template | `start` id, memory_mb, cpu_s, its socket, maybe a door, by SCM_RIGHTS; or `kill` id |
| template → worker | `exited` id, status, cpu_s, max_rss_kb, excess; or `unforked` id, message       |
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from .child import Confinement, profile_of, rehearse, serve
from .importing import OURS, bare_readable_paths, hide, import_all, readable_paths
from .lockdown import Rule, SystemCalls, address_space_mb, drop_privileges, file_ruleset, open_readable, prepare_rules, reap_orphans
from .namespaces import live_apart
from .places import Places, ReadyPlace
from .processes import children_of, resident_of, tasks_of_user, threads_of
from .scratch import MAX_UNNAMED, MAX_WRITTEN, REMOVE, bytes_written, files_kept_by_maps, make_root, remove_tree, sweep
from .spawning import Needs, Spawner, execute_again, has_threads, resident_kb

__all__ = ["MAX_MESSAGE_BYTES", "main"]

MAX_MESSAGE_BYTES: Final = 64 * 1024
_MAX_DESCRIPTORS: Final = 2
_ROUNDS: Final = 1_000
_LOOK_S: Final = 0.25
_MAX_THREADS: Final = 512  # `parallel` within `parallel` has at most 16 times 16; address space alone allows thousands


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the template until its control socket closes.

    Args:
        arguments: Control socket's file descriptor, and JSON: `locked`, the directory for `scratch`, the `packages` to import, whether
            children use the machine's GPU `devices`, and for children that run files alone, the `path` of packages and whether they are
            `asking` models.
    """
    control = socket.socket(fileno=int(arguments[0]))
    settings: dict[str, Any] = json.loads(arguments[1])
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if settings.get("needs") is None:
        settings["apart"] = live_apart(settings["scratch"])
        drop_privileges()
        _import(control, settings)
    reap_orphans()
    needs: Needs | None = settings["needs"]
    directory, bare = settings["scratch"], settings.get("path") is not None
    sweep(directory)
    scratch, _ = make_root(directory)  # the lock is held until we end
    confinement = _confinement(settings, bare=bare)
    hide(OURS if bare else f"{OURS}.evaluators")
    gc.collect()
    gc.freeze()
    spawner = None if needs is None else Spawner(settings, confinement, needs)
    template = _Template(control, confinement, scratch, spawner)
    rss_kb = resident_kb() if needs is None else needs["rss_kb"]
    _send(control, op="ready", rss_kb=rss_kb, scratch=str(scratch), apart=settings["apart"], user=os.getuid())
    try:
        template.run()
    finally:
        template.end()
    sys.exit(0)


def _import(control: socket.socket, settings: dict[str, Any]) -> None:
    """Import everything, for children to be forked; where they must not be from what did, execute this process anew, without."""
    if settings.get("path") is not None:
        sys.path.append(settings["path"])
    failed = import_all(settings["packages"])
    if failed:
        _send(control, op="failed", message=failed)
        sys.exit(1)
    settings["needs"] = None
    if settings["devices"] or has_threads():
        execute_again(control, settings, _readable(settings))
    if settings.get("path") is None:
        rehearse()


def _confinement(settings: Mapping[str, Any], *, bare: bool) -> Confinement:
    locked = settings["locked"]
    return Confinement(
        calls=SystemCalls(profile_of(asking=settings.get("asking", False), devices=False)) if locked else None,
        readable=prepare_rules(open_readable(_readable(settings))) if settings["needs"] is None else (),
        processes=None if locked else tasks_of_user(),
        base_mb=address_space_mb(),
        bare=bare,
    )


def _readable(settings: Mapping[str, Any]) -> set[str]:
    path = settings.get("path")
    return readable_paths(settings["packages"]) if path is None else bare_readable_paths(path)


class _Template:
    """The loop: starts, kills and reaps children.

    Args:
        control: Socket to the worker.
        confinement: What children are confined to.
        scratch: Directory whose subdirectories are the children's.
        spawner: What executes children; None where they are forked.
    """

    def __init__(self, control: socket.socket, confinement: Confinement, scratch: Path, spawner: Spawner | None) -> None:
        self._control = control
        self._confinement = confinement
        self._scratch = scratch
        self._spawner = spawner
        prepared = confinement.calls is not None and spawner is None
        self._places = Places(str(scratch), functools.partial(_ruleset, confinement.readable) if prepared else None)
        self._children: dict[int, tuple[int, ReadyPlace]] = {}  # id and directory by process
        self._removers: set[int] = set()
        self._excesses: dict[int, str] = {}  # by process
        self._most_resident_kb: dict[int, int] = {}  # by process, of those that the kernel does not bound
        self._looks: dict[int, float] = {}  # when each process is looked at next, the first one first
        self._wakeup, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve the worker until it is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        while True:
            due = next(iter(self._looks.values()), None)
            readable, _, _ = select.select([self._control.fileno(), self._wakeup], [], [], due and max(0.0, due - time.monotonic()))
            self._stop_excesses()
            if self._wakeup in readable:
                os.read(self._wakeup, 4096)
                self._reap()
            if self._control.fileno() in readable and not self._obey():
                return

    def _stop_excesses(self) -> None:
        """Kill children that take more than they may of what the kernel does not bound; each is looked at four times a second."""
        now = time.monotonic()
        for pid in [pid for pid, due in self._looks.items() if due <= now]:
            del self._looks[pid]
            self._looks[pid] = now + _LOOK_S
            if excess := _excess(pid):
                self._excesses[pid] = excess
            if excess or resident_of(pid) > self._most_resident_kb.get(pid, math.inf):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill and reap every child and remove all scratch."""
        signal.set_wakeup_fd(-1)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        self._kill_orphans()
        for pid in self._children:
            os.waitpid(pid, 0)
        remove_tree(self._scratch)

    def _obey(self) -> bool:
        """Do what one message says; False when the worker is gone."""
        message, fds, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, _MAX_DESCRIPTORS)
        if not message:
            return False
        order = json.loads(message)
        if order["op"] == "start":
            self._start(order, fds)
        for pid, (number, _) in self._children.items():
            if order["op"] == "kill" and number == order["id"]:
                os.kill(pid, signal.SIGKILL)
        return True

    def _start(self, order: dict[str, int], descriptors: Sequence[int]) -> None:
        template = os.getpid()
        try:
            place = self._places.give(order["id"])
            pid = _fork() if self._spawner is None else self._spawner.spawn(descriptors, place=place, limits=order)
        except OSError as error:
            _send(self._control, op="unforked", id=order["id"], message=str(error))
            _close(descriptors)
            return
        if pid == 0:
            try:
                serve(*descriptors, confinement=self._confinement, place=place, limits=order, template=template)
            finally:
                os._exit(70)
        _close(descriptors)
        self._children[pid] = (order["id"], place)
        self._looks[pid] = time.monotonic() + _LOOK_S
        if self._spawner is not None and (most_kb := self._spawner.most_resident_kb(order)) is not None:
            self._most_resident_kb[pid] = most_kb

    def _reap(self) -> None:
        while self._children or self._removers:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            self._removers.discard(pid)
            ended = self._children.pop(pid, None)
            if ended is None:
                continue
            del self._looks[pid]
            number, place = ended
            self._kill_orphans()
            cpu_s = usage.ru_utime + usage.ru_stime
            excess = self._excesses.pop(pid, "")
            self._most_resident_kb.pop(pid, None)
            _send(self._control, op="exited", id=number, status=status, cpu_s=cpu_s, max_rss_kb=usage.ru_maxrss, excess=excess)
            if not self._places.take_back(place):
                # Beside our other work: a hostile program can make it take seconds.
                self._removers.add(os.posix_spawn(REMOVE[0], [*REMOVE, place.outer], os.environ))

    def _kill_orphans(self) -> None:
        """Kill what a child left behind; under seccomp it cannot leave anything."""
        if self._confinement.calls is not None:
            return
        for _ in range(_ROUNDS):
            # A process that is killed leaves its own children to us: they come with the next round. Twice, as one look may miss some.
            children = children_of(os.getpid()) | children_of(os.getpid())
            orphans = children - self._children.keys() - self._removers
            if not orphans:
                return
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _excess(pid: int) -> str:
    """What a child takes more of than it may, in words; empty where there is nothing."""
    if bytes_written(pid) > MAX_WRITTEN or files_kept_by_maps(pid) > MAX_UNNAMED:
        return f"it wrote more than {MAX_WRITTEN >> 20} MiB to files"
    return f"it ran more than {_MAX_THREADS} threads" if threads_of(pid) > _MAX_THREADS else ""


def _ruleset(readable: Sequence[Rule], writable: str) -> int:
    return file_ruleset(readable=readable, writable=writable)


def _fork() -> int:
    """Fork as the C library does.

    What Python and its modules do besides would mend locks that other threads held, of which there are none here, and seed random numbers,
    which every case does; a child would pay for it with some hundred pages.

    Raises:
        OSError: If the kernel refuses.
    """
    pid = int(_c_library().fork())
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return pid


@functools.cache
def _c_library() -> ctypes.PyDLL:
    return ctypes.PyDLL(None, use_errno=True)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _send(control: socket.socket, **message: object) -> None:
    try:
        control.send(json.dumps(message).encode())
    except OSError:
        # The worker is gone; the loop sees that next.
        return
