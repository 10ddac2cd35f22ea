"""What a hostile program tries under a foreign evaluator, where processes are allowed, and what stops it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop

from graftwork.evaluators.evaluation import Case, Outcome, Work
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.sandbox import probe
from graftwork.evaluators.task import Foreign, Limits

from .pool_programs import EchoRelay, kind_of, processes_with

pytestmark = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")

EVALUATOR = """
import importlib.util, json, os

def evaluate(path):
    spec = importlib.util.spec_from_file_location("candidate", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    with open(os.path.join(os.path.dirname(__file__), "there.json")) as file:
        return {"combined_score": float(program.attack(json.load(file)) or 0.0)}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A program's body, and how it ends.

    Attributes:
        body: Statements of `attack(there)`; `there` holds the paths and ports to attack.
        kind: Of the failure, or `success`.
        message: Part of the failure's message.
        score: Of a success.
        timeout_s: How long it may take, where it is not time that stops it.
    """

    body: str
    kind: str = "forbidden"
    message: str = ""
    score: float = 0.0
    timeout_s: float = 3.0


ATTACKS = {
    "the environment's key": Attack(body="return sum('KEY' in name for name in os.environ)", kind="success"),
    "a secret": Attack(body="open(there['secret']).read()"),
    "a secret through a shell": Attack(
        body="return len(subprocess.run(['cat', there['secret']], capture_output=True).stdout)", kind="success"
    ),
    "our own source": Attack(body="open(there['source']).read()"),
    "the driver's environment": Attack(body="open(f'/proc/{there[\"driver\"]}/environ').read()"),
    "the host's environment": Attack(body="open(f'/proc/{os.getppid()}/environ').read()"),
    "the password file": Attack(body="open('/etc/passwd').read()"),
    "the folder": Attack(body="open(there['folder'] + '/evaluator.py', 'w').write('x')"),
    "a file outside": Attack(body="open(there['outside'], 'w').write('x')"),
    "a file's mode, which is not changed": Attack(body="os.chmod(there['secret'], 0o777)", kind="success"),
    "TCP": Attack(body="socket.create_connection(('127.0.0.1', there['port']))"),
    "UDP": Attack(body="socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', there['port']))"),
    "a unix socket": Attack(body="socket.socket(socket.AF_UNIX).connect(there['unix'])"),
    "a pair of datagram sockets": Attack(body="socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)"),
    "a socket in another process": Attack(
        body="return subprocess.run([sys.executable, '-c', 'import socket; socket.socket()'], capture_output=True).returncode == 0",
        kind="success",
    ),
    "a program of its own making": Attack(
        body="open('x', 'w').write('#!/bin/sh\\n')\n    os.chmod('x', 0o755)\n    subprocess.run(['./x'])", message="Permission denied"
    ),
    "ptrace": Attack(body="return ctypes.CDLL(None).syscall(101, 16, os.getppid(), 0, 0) + 1", kind="success"),
    "a new user namespace": Attack(body="return ctypes.CDLL(None).syscall(272, 0x10000000) + 1", kind="success"),
    "a user namespace by clone": Attack(body="return ctypes.CDLL(None).syscall(56, 0x10000011, 0, 0, 0, 0) + 1", kind="success"),
    "8 GB": Attack(body="bytearray(8 << 30)", kind="memory"),
    "memory in many processes": Attack(
        body="while os.fork():\n        time.sleep(0.01)\n    held = b'x' * (40 << 20)\n    time.sleep(60)",
        kind="memory",
        message="together",
        timeout_s=60.0,
    ),
    "an endless loop": Attack(body="while True:\n        pass", kind="timeout", message="more than 3 s"),
    "an exit that looks good": Attack(body="os._exit(0)", kind="crash", message="exited with code 0"),
    "a gigabyte printed": Attack(body="line = 'x' * (1 << 20)\n    for _ in range(1 << 10):\n        print(line)\n    return 1", kind="*"),
    "a reply without end": Attack(
        body="fd = next(fd for fd in range(3, 64) if is_pipe(fd))\n    while True:\n        os.write(fd, b'x' * 65536)",
        kind="invalid",
        message="more than",
    ),
    "a fork bomb": Attack(
        body="while True:\n        try:\n            os.fork()\n        except OSError:\n            time.sleep(1)", kind="*"
    ),
    "a disk filled": Attack(
        body="for name in range(40):\n        open(str(name), 'wb').write(bytes(32 << 20))\n    time.sleep(60)",
        message="it wrote more than",
    ),
    "kill the host": Attack(
        body="try:\n        os.kill(there['driver'], 9)\n    except OSError:\n        return 0\n    return 1", kind="success"
    ),
    "kill everybody": Attack(body="os.kill(-1, 9)\n    return 1", kind="*"),
    "shared memory that stays": Attack(body="open('/dev/shm/graftwork-left', 'w').write('x')", kind="*"),
}
PRELUDE = """
import ctypes, os, socket, stat, subprocess, sys, time

def is_pipe(fd):
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False

def attack(there):
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where attacks take place.

    Attributes:
        folder: Of the evaluator.
        pool: What runs it.
        secret: A file that is open to all.
        unix: A socket that listens.
    """

    folder: Path
    pool: LocalPool
    secret: Path
    unix: socket.socket

    def evaluate(self, body: str, *, n_cases: int = 1, timeout_s: float = 3.0) -> tuple[Outcome, ...]:
        """Outcomes of a program of that body."""

        async def run() -> tuple[Outcome, ...]:
            return await self.pool.run(self.work(body, n_cases=n_cases, timeout_s=timeout_s))

        return uvloop.run(run())

    def work(self, body: str, *, n_cases: int = 1, timeout_s: float = 3.0) -> Work:
        """A program of that body, to be evaluated."""
        return Work(
            candidate=1,
            source=f"{PRELUDE}{body}\n",
            digest="d" * 32,
            entry="",
            cases=tuple(Case(example_id=f"e{n}", inputs={}) for n in range(n_cases)),
            limits=Limits(timeout_s=timeout_s, memory_mb=512),
            foreign=Foreign(folder=str(self.folder)),
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A folder with an evaluator, things to attack, and a pool."""
    folder, elsewhere = tmp_path_factory.mktemp("folder"), tmp_path_factory.mktemp("elsewhere")
    secret = elsewhere / "secret"
    secret.write_text("secret", encoding="utf-8")
    secret.chmod(0o644)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(elsewhere / "socket"))
    unix.listen()
    there = {
        "secret": str(secret),
        "outside": str(elsewhere / "outside"),
        "source": str(Path(__file__).parents[2] / "evaluators" / "worker.py"),
        "folder": str(folder),
        "unix": str(elsewhere / "socket"),
        "driver": os.getpid(),
        "port": 9,
    }
    (folder / "there.json").write_text(json.dumps(there), encoding="utf-8")
    (folder / "evaluator.py").write_text(EVALUATOR, encoding="utf-8")
    os.environ["GRAFTWORK_TEST_KEY"] = "secret"
    pool = LocalPool(EchoRelay(), slots=2)
    yield Scene(folder=folder, pool=pool, secret=secret, unix=unix)
    del os.environ["GRAFTWORK_TEST_KEY"]
    unix.close()
    uvloop.run(pool.aclose())


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_stopped_and_leaves_nothing(scene: Scene, name: str) -> None:
    attack = ATTACKS[name]
    (outcome,) = scene.evaluate(attack.body, timeout_s=attack.timeout_s)
    kind = kind_of(outcome)
    assert attack.kind in (kind, "*"), outcome
    if outcome.failure is not None:
        assert attack.message in outcome.failure.message
    elif attack.kind != "*":
        assert outcome.output == {"metrics": {"combined_score": attack.score}, "artifacts": {}}
    assert scene.secret.read_text(encoding="utf-8") == "secret"
    assert scene.secret.stat().st_mode & 0o777 == 0o644
    assert (scene.folder / "evaluator.py").read_text(encoding="utf-8") == EVALUATOR
    assert not (scene.secret.parent / "outside").exists()
    assert not Path("/dev/shm/graftwork-left").exists()
    assert len(outcome.stdout) < 40_000
    assert gone("evaluators.foreign_host import")


def gone(title: str, within_s: float = 5.0) -> bool:
    """Whether every process of that command line ends."""
    deadline = time.monotonic() + within_s
    while (left := processes_with(title=title)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not left


def begun(title: str) -> None:
    """Wait for a process of that command line."""
    while not processes_with(title=title):
        time.sleep(0.05)


def test_a_daemon_of_two_forks_dies_with_its_tree(scene: Scene) -> None:
    daemon = "subprocess.Popen(['sleep', '1234.5'], start_new_session=True)"
    (outcome,) = scene.evaluate(f"if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            {daemon}\n    return 1")
    assert kind_of(outcome) == "success"
    assert gone("1234.5")


def test_a_tree_dies_when_its_evaluation_is_cancelled(scene: Scene) -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(scene.pool.run(scene.work("subprocess.run(['sleep', '1234.7'])")))
        await asyncio.to_thread(begun, "1234.7")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    uvloop.run(cancelled())
    assert gone("1234.7")


def test_evaluations_beside_each_other_share_nothing(scene: Scene) -> None:
    body = "open('mine', 'w').write('x')\n    time.sleep(0.3)\n    return len(os.listdir('.'))"
    outcomes = scene.evaluate(body, n_cases=2)
    assert [outcome.output for outcome in outcomes] == [{"metrics": {"combined_score": 2.0}, "artifacts": {}}] * 2


def test_an_attack_costs_no_more_than_its_timeout(scene: Scene) -> None:
    started = time.monotonic()
    scene.evaluate("signal = __import__('signal')\n    [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]\n    time.sleep(100)")
    assert time.monotonic() - started < 15
