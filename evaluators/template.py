"""The template process: exec'ed once with a clean environment, it imports what programs need and forks a child for every case.

It runs no untrusted code itself, has one thread, and ends, with all its children, when its worker closes the control socket.
Messages on the control socket (SOCK_SEQPACKET, one JSON object each):

| from → to         | message                                                                            |
|-------------------|------------------------------------------------------------------------------------|
| template → worker | `ready` rss_kb, scratch, apart (in namespaces of its own), user; or `failed` message |
| worker → template | `start` id, memory_mb, cpu_s, its socket, maybe a door, by SCM_RIGHTS; or `kill` id |
| template → worker | `exited` id, status, cpu_s, max_rss_kb, excess; or `unforked` id, message       |
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from .child import Confinement, serve
from .lockdown import drop_privileges, open_readable, prepare_rules, reap_orphans
from .namespaces import live_apart
from .processes import children_of, tasks_of_user, threads_of
from .scratch import MAX_UNNAMED, MAX_WRITTEN, REMOVE, bytes_written, files_kept_by_maps, make_root, remove_tree, sweep
from .seccomp import bpf_program

__all__ = ["MAX_MESSAGE_BYTES", "main"]

MAX_MESSAGE_BYTES: Final = 64 * 1024
_OURS: Final = "graftwork"
_MAX_DESCRIPTORS: Final = 2
_ROUNDS: Final = 1_000
_LOOK_S: Final = 0.25
_MAX_THREADS: Final = 512  # `parallel` within `parallel` has at most 16 times 16; address space alone allows thousands
_DEVICES: Final = ("/dev/null", "/dev/urandom")
_PACKAGES_IN: Final = ("site-packages", "dist-packages")
_INSTALLERS: Final = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence", "README", "__pycache__")
# What programs import late: a child can no longer read the shared libraries that these need.
_PRELOADED: Final = (
    *("abc", "array", "ast", "base64", "bisect", "bz2", "calendar", "cmath", "collections.abc", "colorsys", "concurrent.futures"),
    *("contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools"),
    *("encodings.ascii", "encodings.idna", "encodings.latin_1", "graphlib", "hashlib", "heapq", "hmac", "html", "inspect", "io"),
    *("itertools", "json", "linecache", "locale", "lzma", "math", "numbers", "operator", "pprint", "queue", "random", "re", "secrets"),
    *("statistics", "string", "struct", "textwrap", "threading", "time", "traceback", "types", "typing", "unicodedata", "urllib.parse"),
    *("uuid", "warnings", "weakref", "xml.etree.ElementTree", "zlib", "zoneinfo"),
)
# What packages import of themselves, and of packages beside them that a child no longer finds, only when it is used.
_LATE_PARTS: Final = {
    "numpy": ("numpy.random",),
    "pydantic": ("pydantic.main", "pydantic.fields", "pydantic.types", "pydantic.type_adapter"),
}


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the template until its control socket closes.

    Args:
        arguments: Control socket's file descriptor, and JSON: `locked`, the directory for `scratch`, the `packages` to import, and for
            children that run files alone, the `path` of packages and whether they are `asking` models.
    """
    control = socket.socket(fileno=int(arguments[0]))
    settings = json.loads(arguments[1])
    locked, directory, packages, path = settings["locked"], settings["scratch"], settings["packages"], settings.get("path")
    if path is not None:
        sys.path.append(path)
    os.umask(0o077)
    apart = live_apart()
    drop_privileges()
    reap_orphans()
    failed = _import_all(packages)
    if failed:
        _send(control, op="failed", message=failed)
        sys.exit(1)
    sweep(directory)
    scratch, _ = make_root(directory)  # the lock is held until we end
    processes = None if locked else tasks_of_user()
    readable = prepare_rules(open_readable(_readable(packages) if path is None else _bare_readable(path)))
    bare = path is not None
    confinement = Confinement(locked=locked, readable=readable, processes=processes, bare=bare, asking=settings.get("asking", False))
    if locked:
        bpf_program(os.getpid(), confinement.profile)  # children inherit it but for the process
    _hide(_OURS if bare else f"{_OURS}.evaluators")
    gc.collect()
    gc.freeze()
    template = _Template(control, confinement, scratch)
    rss_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _send(control, op="ready", rss_kb=rss_kb, scratch=str(scratch), apart=apart, user=os.getuid())
    try:
        template.run()
    finally:
        template.end()
    sys.exit(0)


class _Template:
    """The loop: starts, kills and reaps children.

    Args:
        control: Socket to the worker.
        confinement: What children are confined to.
        scratch: Directory whose subdirectories are the children's.
    """

    def __init__(self, control: socket.socket, confinement: Confinement, scratch: Path) -> None:
        self._control = control
        self._confinement = confinement
        self._scratch = scratch
        self._children: dict[int, int] = {}  # id by process
        self._removers: set[int] = set()
        self._excesses: dict[int, str] = {}  # by process
        self._wakeup, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve the worker until it is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        looked = time.monotonic()
        while True:
            readable, _, _ = select.select([self._control.fileno(), self._wakeup], [], [], _LOOK_S if self._children else None)
            if time.monotonic() - looked > _LOOK_S:
                self._stop_excesses()
                looked = time.monotonic()
            if self._wakeup in readable:
                os.read(self._wakeup, 4096)
                self._reap()
            if self._control.fileno() in readable and not self._obey():
                return

    def _stop_excesses(self) -> None:
        """Kill children that take more than they may of what the kernel does not bound."""
        for pid in self._children:
            if excess := _excess(pid):
                self._excesses[pid] = excess
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
        for pid, number in self._children.items():
            if order["op"] == "kill" and number == order["id"]:
                os.kill(pid, signal.SIGKILL)
        return True

    def _start(self, order: dict[str, int], descriptors: Sequence[int]) -> None:
        scratch = self._scratch / str(order["id"])
        scratch.mkdir()
        template = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _send(self._control, op="unforked", id=order["id"], message=str(error))
            _close(descriptors)
            return
        if pid == 0:
            try:
                serve(*descriptors, confinement=self._confinement, scratch=str(scratch), limits=order, template=template)
            finally:
                os._exit(70)
        _close(descriptors)
        self._children[pid] = order["id"]

    def _reap(self) -> None:
        while self._children or self._removers:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            self._removers.discard(pid)
            number = self._children.pop(pid, None)
            if number is None:
                continue
            self._kill_orphans()
            cpu_s = usage.ru_utime + usage.ru_stime
            excess = self._excesses.pop(pid, "")
            _send(self._control, op="exited", id=number, status=status, cpu_s=cpu_s, max_rss_kb=usage.ru_maxrss, excess=excess)
            self._tidy(self._scratch / str(number))

    def _tidy(self, scratch: Path) -> None:
        """Remove a child's directory; a full one beside our other work, for a hostile program can make it take seconds."""
        try:
            for own in scratch.iterdir():
                own.rmdir()
            scratch.rmdir()
        except OSError:
            self._removers.add(os.posix_spawn(REMOVE[0], [*REMOVE, str(scratch)], os.environ))

    def _kill_orphans(self) -> None:
        """Kill what a child left behind; under seccomp it cannot leave anything."""
        if self._confinement.locked:
            return
        for _ in range(_ROUNDS):
            # A process that is killed leaves its own children to us: they come with the next round.
            orphans = children_of(os.getpid()) - self._children.keys() - self._removers
            if not orphans:
                return
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _import_all(packages: Sequence[str]) -> str:
    """Import everything that children need; why that failed, or an empty string."""
    for name in (*_PRELOADED, *packages):
        try:
            importlib.import_module(name)
        except ImportError as error:
            if name in packages:
                return f"the package {name!r} cannot be imported: {error}"
    for package, parts in _LATE_PARTS.items():
        if package in packages or package in sys.modules:
            for part in parts:
                importlib.import_module(part)
    return ""


def _hide(package: str) -> None:
    """Leave nothing of a package, nor of what is installed, to be imported by children; here, so that none of them has to."""
    sys.path[:] = [path for path in sys.path if not path.endswith(_PACKAGES_IN)]
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _readable(packages: Sequence[str]) -> set[str]:
    """Files and directories that children may read: the standard library, and what importing the packages loaded, with its libraries."""
    paths = {*_DEVICES}
    for library in _libraries():
        paths |= _without_packages(library) if _has_packages(library) else {library}
    loaded = {name.partition(".")[0] for name in (*sys.modules, *packages)} - sys.stdlib_module_names - {_OURS, "__main__"}
    for name in loaded:
        module = sys.modules.get(name)
        for place in (*getattr(module, "__path__", ()), getattr(module, "__file__", None)):
            if place and Path(place).name != "__init__.py":
                paths |= {place, f"{place}.libs"}
    return paths


def _bare_readable(path: str) -> set[str]:
    """Files and directories that children may read: the standard library without what is installed beneath it, and what `path` holds."""
    return {*_DEVICES, path, *(entry.path for entry in os.scandir(path))}.union(*map(_without_packages, _libraries()))


def _libraries() -> set[str]:
    return {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}


def _has_packages(library: str) -> bool:
    """Whether more than what installs packages is installed beneath a library: beneath that of an environment, everything is."""
    for folder in _PACKAGES_IN:
        with suppress(OSError), os.scandir(f"{library}/{folder}") as entries:
            if any(not entry.name.startswith(_INSTALLERS) for entry in entries):
                return True
    return False


def _without_packages(library: str) -> set[str]:
    """Each entry by itself, which costs a child half a millisecond."""
    return {entry.path for entry in os.scandir(library) if entry.name not in _PACKAGES_IN}


def _excess(pid: int) -> str:
    """What a child takes more of than it may, in words; empty where there is nothing."""
    if bytes_written(pid) > MAX_WRITTEN or files_kept_by_maps(pid) > MAX_UNNAMED:
        return f"it wrote more than {MAX_WRITTEN >> 20} MiB to files"
    return f"it ran more than {_MAX_THREADS} threads" if threads_of(pid) > _MAX_THREADS else ""


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _send(control: socket.socket, **message: object) -> None:
    try:
        control.send(json.dumps(message).encode())
    except OSError:
        # The worker is gone; the loop sees that next.
        return
