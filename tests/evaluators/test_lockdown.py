"""Each layer of the lockdown by itself, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graftwork.evaluators.lockdown import has_seccomp, landlock_abi

needs_landlock = pytest.mark.skipif(landlock_abi() == 0, reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not has_seccomp(), reason="no seccomp here, or not x86_64")

PRELUDE = """
import json, os, resource, sys, threading
from graftwork.evaluators import lockdown

def outcome(attempt):
    try:
        return attempt() or "done"
    except BaseException as error:
        return type(error).__name__
"""


def run(script: str, *arguments: str) -> Any:
    """What a script prints as JSON."""
    done = subprocess.run([sys.executable, "-c", PRELUDE + script, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_limits_hold_for_memory_files_and_descriptors(tmp_path: Path) -> None:
    script = """
lockdown.set_limits(memory_mb=lockdown.address_space_mb() + 64, cpu_s=7)
def fill():
    with open(sys.argv[1], "wb", buffering=0) as file:
        while file.write(bytes(1 << 20)):
            pass
files = []
def open_all():
    while True:
        files.append(open(os.devnull))
n_open = [outcome(open_all), files[-1].fileno()]
files.clear()
before = outcome(lambda: bytearray(80 << 20) and "got it")
lockdown.use_memory_reserve()
print(json.dumps([before, outcome(lambda: bytearray(80 << 20) and "got it"), outcome(fill), resource.getrlimit(resource.RLIMIT_CPU),
    resource.getrlimit(resource.RLIMIT_CORE), outcome(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (65, 65))), n_open]))
"""
    before, after, fill, cpu, core, more, n_open = run(script, str(tmp_path / "file"))
    assert (before, after) == ("MemoryError", "got it")
    assert (fill, cpu) == ("OSError", [7, 8])
    assert core in ([1, 1], [0, 0])  # 0 only where the machine has it: 1 also stops the program that core dumps are piped to
    assert more in {"ValueError", "done"}  # root may raise a limit until it has given up its capabilities
    assert (tmp_path / "file").stat().st_size == 16 << 20
    assert n_open == ["OSError", 31]


def test_privileges_are_gone_for_good() -> None:
    script = """
lockdown.drop_privileges()
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({name: status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs")}))
"""
    status = run(script)
    assert status.pop("NoNewPrivs") == "1"
    assert {int(value, 16) for value in status.values()} == {0}


@needs_landlock
def test_files_are_reached_only_where_that_is_allowed(tmp_path: Path) -> None:
    for name in ("open", "closed", "scratch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    script = """
root = sys.argv[1]
readable = lockdown.prepare_rules(lockdown.open_readable([root + "/open", root + "/not_there"]))
lockdown.restrict_files(lockdown.file_ruleset(readable=readable, writable=root + "/scratch"))
print(json.dumps([outcome(lambda: open(root + "/open/file").read()), outcome(lambda: open(root + "/closed/file").read()),
    outcome(lambda: open(root + "/open/file", "w")), outcome(lambda: os.truncate(root + "/open/file", 0)),
    outcome(lambda: os.remove(root + "/closed/file")), outcome(lambda: open(root + "/scratch/new", "w").write("x") and "wrote"),
    outcome(lambda: os.execv(root + "/scratch/file", ["file"])), outcome(lambda: os.rename(root + "/scratch/file", root + "/open/moved"))]))
"""
    denied = "PermissionError"
    assert run(script, str(tmp_path)) == ["open", denied, denied, denied, denied, "wrote", denied, denied]


@needs_seccomp
def test_system_calls_that_reach_others_are_refused_and_threads_work() -> None:
    script = """
import socket
def in_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.append("ran"))
    thread.start(); thread.join()
    return seen[0]
lockdown.SystemCalls().restrict()
print(json.dumps([outcome(in_thread), outcome(os.fork), outcome(socket.socket), outcome(lambda: os.execv("/bin/true", ["true"])),
    outcome(lambda: os.kill(os.getppid(), 0)), outcome(lambda: os.kill(os.getpid(), 0)), outcome(lambda: os.chmod("/tmp", 0o777))]))
"""
    denied = "PermissionError"
    assert run(script) == ["ran", denied, denied, denied, denied, "done", denied]


def test_a_process_dies_with_its_parent() -> None:
    script = """
import select, signal, time
read, write = os.pipe()
middle = os.fork()
if middle == 0:
    parent = os.getpid()
    if os.fork() == 0:
        lockdown.die_with_parent(parent)
        os.write(write, b"x")
        time.sleep(60)
    time.sleep(60)
os.close(write)
os.read(read, 1)
os.kill(middle, signal.SIGKILL)
os.waitpid(middle, 0)
select.select([read], [], [], 20)
print(json.dumps(os.read(read, 1) == b""))
"""
    assert run(script) is True


def test_every_descriptor_but_those_that_are_kept_is_closed() -> None:
    script = """
many = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
lockdown.close_others({0, 1, 2, many[7], many[30]})
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
print(json.dumps([[place for place, number in enumerate(many) if is_open(number)], [number for number in range(3) if is_open(number)]]))
"""
    assert run(script) == [[7, 30], [0, 1, 2]]
