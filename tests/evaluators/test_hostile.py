"""What a hostile program tries, one by one, and what stops it. One pool for all: no attack may reach the next case."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.sandbox import probe
from graftwork.evaluators.task import Limits
from graftwork.programs.failure import Failure

from .pool_programs import EchoRelay, children_left, kind_of, make_work, processes_with

pytestmark = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")

PRELUDE = """
import ctypes, json, os, stat, struct
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return [result, ctypes.get_errno()]

def wire():
    return next(fd for fd in range(3, 64) if is_socket(fd))

def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False

def send(text):
    os.write(wire(), struct.pack(">I", len(text)) + text.encode())

def answer():
    return json.loads(os.read(wire(), 4096)[4:])

def solve(there):
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A program's body, and how it ends.

    Attributes:
        body: Statements of `solve(there)`; `there` holds the paths, ports and processes to attack.
        stopped_by: The layer that stops it.
        kind: Of the failure, or `success`.
        message: Part of the failure's message.
        output: Of a success.
    """

    body: str
    stopped_by: str
    kind: str = "forbidden"
    message: str = ""
    output: object = None


EPERM, ENOSYS = [-1, 1], [-1, 38]
CALL = '{"kind":"call","id":1,"body":{"messages":[]},"component":"c","path":"%s","span":"0","occurrence":%s}'
ATTACKS = {
    "the environment's key": Attack(
        body="return [name for name in os.environ if 'KEY' in name]", stopped_by="clean environment", kind="success", output=[]
    ),
    "the driver's environment": Attack(body="return open(f'/proc/{there[\"driver\"]}/environ').read()", stopped_by="Landlock"),
    "the template's environment": Attack(body="return open(f'/proc/{os.getppid()}/environ').read()", stopped_by="Landlock"),
    "the template's memory": Attack(body="return len(open(f'/proc/{os.getppid()}/mem', 'rb').read(1))", stopped_by="Landlock"),
    "the task file": Attack(body="return open(there['secret']).read()", stopped_by="Landlock"),
    "the task file by a symlink": Attack(body="os.symlink(there['secret'], 'link')\n    return open('link').read()", stopped_by="Landlock"),
    "the task file by a hard link": Attack(
        body="os.link(there['secret'], 'link')", stopped_by="Landlock", kind="crash", message="cross-device link"
    ),
    "our own source": Attack(body="return open(there['source']).read()", stopped_by="Landlock"),
    "the home directory": Attack(body="return os.listdir(there['home'])", stopped_by="Landlock"),
    "the password file": Attack(body="return open('/etc/passwd').read()", stopped_by="Landlock"),
    "another child's directory": Attack(body="return os.listdir('..')", stopped_by="Landlock"),
    "a file outside": Attack(body="open(there['outside'], 'w').write('x')", stopped_by="Landlock"),
    "a file moved outside": Attack(body="open('x', 'w').write('x')\n    os.rename('x', there['outside'])", stopped_by="Landlock"),
    "a file outside deleted": Attack(body="os.remove(there['secret'])", stopped_by="Landlock"),
    "a file outside emptied": Attack(body="os.truncate(there['secret'], 0)", stopped_by="Landlock"),
    "a file's mode": Attack(body="os.chmod(there['secret'], 0o777)", stopped_by="seccomp"),
    "a file's times": Attack(body="os.utime(there['secret'], (0, 0))", stopped_by="seccomp"),
    "our modules": Attack(body="import graftwork.evaluators.worker", stopped_by="Landlock"),
    "a package that is not listed": Attack(
        body="import pydantic", stopped_by="path of imports", kind="crash", message="No module named 'pydantic'"
    ),
    "TCP": Attack(body="import socket\n    socket.create_connection(('127.0.0.1', there['port']))", stopped_by="seccomp"),
    "UDP": Attack(body="import socket\n    socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))", stopped_by="seccomp"),
    "a unix socket": Attack(body="import socket\n    socket.socket(socket.AF_UNIX).connect(there['unix'])", stopped_by="seccomp"),
    "an event loop's sockets": Attack(body="import asyncio\n    asyncio.run(asyncio.sleep(0))", stopped_by="seccomp"),
    "kill the template": Attack(body="os.kill(os.getppid(), 9)", stopped_by="seccomp"),
    "kill the driver": Attack(body="os.kill(there['driver'], 9)", stopped_by="seccomp"),
    "kill everybody": Attack(body="os.kill(-1, 9)", stopped_by="seccomp"),
    "a signal by way of a file's owner": Attack(
        body="import fcntl\n    fcntl.fcntl(wire(), fcntl.F_SETOWN, os.getppid())", stopped_by="seccomp"
    ),
    "the template's limits": Attack(
        body="import resource\n    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))", stopped_by="seccomp"
    ),
    "its own limits": Attack(
        body="import resource\n    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        stopped_by="hard limits",
        kind="crash",
        message="not allowed to raise maximum limit",
    ),
    "ptrace": Attack(body="return call(101, 16, os.getppid(), 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "process_vm_readv": Attack(body="return call(310, os.getppid(), 0, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "pidfd_open": Attack(body="return call(434, os.getppid(), 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
    "a new user namespace": Attack(body="return call(272, 0x10000000)", stopped_by="seccomp", kind="success", output=EPERM),
    "io_uring": Attack(body="return call(425, 8, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
    "bpf": Attack(body="return call(321, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "the kernel's keys": Attack(body="return call(250, 0, -3, 1)", stopped_by="seccomp", kind="success", output=EPERM),
    "to outlive the template": Attack(body="return call(157, 1, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "the calls of 32 bits": Attack(body="return call(0x40000000 | 39)", stopped_by="seccomp", message="system call", output=None),
    "a fork bomb": Attack(body="while True:\n        os.fork()", stopped_by="seccomp"),
    "a daemon by two forks": Attack(body="if os.fork() == 0:\n        os.setsid()\n        os.fork()", stopped_by="seccomp"),
    "vfork by clone": Attack(body="return call(56, 0x4111, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "clone3": Attack(body="return call(435, 0, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
    "a shell": Attack(body="os.execv('/bin/sh', ['sh', '-c', 'true'])", stopped_by="seccomp"),
    "a spawned shell": Attack(body="os.posix_spawn('/bin/sh', ['sh', '-c', 'true'], {})", stopped_by="seccomp"),
    "a file in memory": Attack(body="os.memfd_create('x')", stopped_by="seccomp"),
    "shared memory": Attack(body="return call(29, 1, 4096, 0o1666)", stopped_by="seccomp", kind="success", output=EPERM),
    "a thread bomb": Attack(
        body="import threading, time\n    while True:\n        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        stopped_by="address space",
        kind="crash",
        message="can't start new thread",
    ),
    "a file without end": Attack(
        body="file = open('x', 'wb')\n    while True:\n        file.write(bytes(1 << 20))",
        stopped_by="file size limit",
        kind="crash",
        message="File too large",
    ),
    "space beyond a file's end": Attack(
        body="return call(285, os.open('x', os.O_RDWR | os.O_CREAT), 1, 0, 1 << 30)", stopped_by="seccomp", kind="success", output=EPERM
    ),
    "files without names": Attack(
        body="files = []\n    for _ in range(40):\n        files.append(open('x', 'wb'))\n        os.remove('x')",
        stopped_by="limit of open files",
        kind="crash",
        message="Too many open files",
    ),
    "files that are mapped, removed and closed": Attack(
        body="""libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    while True:
        with open('x', 'w+b') as file:
            file.write(bytes(16 << 20))
            libc.mmap(None, 4096, 1, 2, file.fileno(), 0)
            os.remove('x')""",
        stopped_by="watch over what is written",
        message="512 MiB",
    ),
    "to be looked at by nobody": Attack(body="return call(157, 4, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "pages pinned by a pipe": Attack(body="return call(278, os.pipe()[1], 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    "a larger pipe": Attack(body="import fcntl\n    fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20)", stopped_by="seccomp"),
    "a lock that siblings see": Attack(
        body="import fcntl\n    fcntl.flock(open(os.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)", stopped_by="seccomp"
    ),
    "a lock that siblings see, of the other kind": Attack(
        body="import fcntl\n    fcntl.lockf(open(os.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)", stopped_by="seccomp"
    ),
    "the network's interfaces": Attack(body="import fcntl\n    return list(fcntl.ioctl(wire(), 0x8912, bytes(16)))", stopped_by="seccomp"),
    "a full disk": Attack(
        body="for n in range(10**9):\n        with open(str(n), 'wb') as file:\n            file.write(bytes(1 << 20))",
        stopped_by="watch over the directory",
        message="MiB",  # of the folder's size or of what was written: whichever watch looks first
    ),
    "a directory too deep to look into, and closed to its owner": Attack(
        body="for _ in range(3000):\n        os.mkdir('d', 0)\n        os.mkdir('e' * 99)\n        os.chdir('e' * 99)\n"
        "    while True:\n        pass",
        stopped_by="watch over the directory",
        message="1000 files",
    ),
    "a second result": Attack(
        body='send(\'{"kind":"result","id":0,"output":1,"stdout":""}\')\n    return 2', stopped_by="protocol", kind="success", output=1
    ),
    "to linger after its result": Attack(
        body='send(\'{"kind":"result","id":0,"output":1,"stdout":""}\')\n    while True:\n        pass',
        stopped_by="protocol",
        kind="success",
        output=1,
    ),
    "an output that is nested without end": Attack(
        body="import sys\n    sys.setrecursionlimit(10**5)\n    v = []\n    for _ in range(700):\n        v = [v]\n    return v",
        stopped_by="check of outputs",
        kind="invalid",
        message="nested deeper than 64 levels",
    ),
    "a call that is nested without end": Attack(
        body=f"send({CALL!r}.replace('[]', '[' * 700 + ']' * 700) % ('0', 0))\n    return answer()['failure']['kind']",
        stopped_by="check of calls",
        kind="success",
        output="invalid",
    ),
    "an infinite number": Attack(
        body='send(\'{"kind":"result","id":0,"output":[1e999],"stdout":""}\')\n    os._exit(0)',
        stopped_by="check of outputs",
        kind="invalid",
        message="finite",
    ),
    "text that is none": Attack(body="return '\\ud800'", stopped_by="check of outputs", kind="invalid", message="valid text"),
    "the model's fault": Attack(
        body='send(\'{"kind":"result","id":0,"failure":{"kind":"model","message":"503"},"stdout":""}\')\n    os._exit(0)',
        stopped_by="protocol",
        kind="invalid",
        message="nobody else saw",
    ),
    "our fault": Attack(
        body='send(\'{"kind":"result","id":0,"failure":{"kind":"infrastructure","message":"x"},"stdout":""}\')\n    os._exit(0)',
        stopped_by="protocol",
        kind="invalid",
        message="nobody else saw",
    ),
    "a giant frame": Attack(
        body="os.write(wire(), struct.pack('>I', 1 << 31))\n    while True:\n        os.write(wire(), bytes(1 << 20))",
        stopped_by="protocol",
        kind="invalid",
        message="announces",
    ),
    "a frame that is no JSON": Attack(body="send('{')\n    return 1", stopped_by="protocol", kind="invalid", message="must be JSON"),
    "a frame of another's": Attack(
        body='send(\'{"kind":"reply","id":1}\')\n    return 1', stopped_by="protocol", kind="invalid", message="no frame 'reply'"
    ),
    "a draw of another purpose": Attack(
        body=f"send({CALL % ('../../test/0', 0)!r})\n    return 1", stopped_by="protocol", kind="invalid", message="call path"
    ),
    "an occurrence that is none": Attack(
        body=f"send({CALL % ('0', '-1')!r})\n    return 1", stopped_by="protocol", kind="invalid", message="expected an integer"
    ),
    "a flood of calls": Attack(
        body=f"""for n in range(10**6):
        send({CALL!r}.replace('"span":"0"', f'"span":"{{n}}"') % ('0', n))
        answer()""",
        stopped_by="protocol",
        kind="invalid",
        message="1005 model calls",
    ),
    "a flood of calls whose answers nobody reads": Attack(
        body=f'for n in range(10**6):\n        send({CALL!r}.replace(\'"span":"0"\', f\'"span":"{{n}}"\') % (\'0\', n))',
        stopped_by="wall clock",
        kind="timeout",
        message="more than 3 s",
    ),
    "a flood of calls that cannot be sent on": Attack(
        body=f"""text = {CALL!r}.replace('[]', '[1e999]') % ('0', 0)
    for n in range(10**6):
        send(text)
        answer()""",
        stopped_by="protocol",
        kind="invalid",
        message="model calls",
    ),
    "a flood of small spans": Attack(
        body="""text = json.dumps({'kind': 'span', 'id': 0, 'span': {'path': '0', 'component': '', 'kind': 'tool', 'inputs': '',
            'output': '', 'error': '', 'seconds': 0.1, 'input_tokens': 0, 'output_tokens': 0, 'feeds': []}})
    frame = struct.pack(">I", len(text)) + text.encode()
    while True:
        os.write(wire(), frame * 3000)""",
        stopped_by="protocol",
        kind="invalid",
        message="601 spans",
    ),
    "a flood of spans": Attack(
        body="""text = json.dumps({'kind': 'span', 'id': 0, 'span': {'path': '0', 'component': 'c', 'kind': 'tool', 'inputs': 'x' * 10**6,
            'output': '', 'error': '', 'seconds': 0.1, 'input_tokens': 0, 'output_tokens': 0, 'feeds': []}})
    while True:
        send(text)""",
        stopped_by="protocol",
        kind="invalid",
        message="more than a program can have to say",
    ),
    "silence": Attack(
        body="os.close(wire())\n    while True:\n        pass", stopped_by="wall clock", kind="timeout", message="more than 3 s"
    ),
}


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, object]]:
    """Things worth attacking, all there and all open to everybody."""
    folder = tmp_path_factory.mktemp("targets")
    (folder / "secret").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(folder / "unix"))
        unix.listen()
        yield {
            "driver": os.getpid(),
            "secret": str(folder / "secret"),
            "outside": str(folder / "outside"),
            "source": str(Path(__file__).resolve().parents[2] / "evaluators" / "worker.py"),
            "home": str(Path.home()),
            "port": tcp.getsockname()[1],
            "unix": str(folder / "unix"),
        }


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    os.environ["OPENAI_API_KEY"] = "sk-secret"
    pool = LocalPool(EchoRelay(), slots=2)
    run(pool, "return 1", {})
    (template,) = templates()
    yield pool
    assert templates() == [template], "the template was lost"
    assert children_left(template) == []
    asyncio.run(pool.aclose())
    del os.environ["OPENAI_API_KEY"]


def templates() -> list[int]:
    return processes_with(parent=os.getpid(), title="graftwork.evaluators.template")


def run(pool: LocalPool, body: str, there: Mapping[str, object]) -> Outcome:
    limits = Limits(timeout_s=3.0, memory_mb=256, calls=4)
    (outcome,) = asyncio.run(pool.run(make_work(f"{PRELUDE}    {body}\n", {"there": dict(there)}, limits=limits)))
    return outcome


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}: {attack.stopped_by}") for name, attack in ATTACKS.items()])
def test_an_attack_is_stopped(name: str, pool: LocalPool, targets: Mapping[str, object]) -> None:
    attack = ATTACKS[name]
    outcome = run(pool, attack.body, targets)
    assert kind_of(outcome) == attack.kind, outcome.failure
    assert outcome.output == attack.output
    assert attack.message in (outcome.failure or Failure(kind="crash", message="")).message
    assert Path(str(targets["secret"])).read_text() == "secret"
    assert not Path(str(targets["outside"])).exists()
    assert len(outcome.spans) <= 600


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "result", "id": 0},
        {"kind": "result", "id": 0, "output": 1},
        {"kind": "result", "id": 0, "output": 1, "stdout": None},
        {"kind": "result", "id": 0, "failure": [], "stdout": ""},
        {"kind": "result", "id": 0, "failure": {"kind": ["crash"], "message": "m"}, "stdout": ""},
        {"kind": "result", "id": 0, "failure": {"kind": "crash", "message": {}}, "stdout": ""},
        {"kind": "call", "id": 1},
        {"kind": "call", "id": 1, "body": [], "component": "c", "path": "0", "span": "0", "occurrence": 0},
        {"kind": "call", "id": 1, "body": {"messages": {}}, "component": "c", "path": "0", "span": "0", "occurrence": 0},
        {"kind": "call", "id": 1, "body": {"messages": []}, "component": 1, "path": "0", "span": "0", "occurrence": 0},
        {"kind": "call", "id": 1, "body": {"messages": []}, "component": "c", "path": [], "span": {}, "occurrence": 0},
        {"kind": "span", "id": 1},
        {"kind": "span", "id": 1, "span": []},
        {"kind": "span", "id": 1, "span": {"feeds": [None], "path": "0"}},
        {"kind": "step", "id": 1},
        {"kind": "case", "id": 1},
    ],
)
def test_a_frame_that_makes_no_sense_is_the_programs_fault(frame: Mapping[str, object], pool: LocalPool) -> None:
    outcome = run(pool, f"send({json.dumps(frame)!r})\n    os._exit(0)", {})
    assert kind_of(outcome) == "invalid"
    assert "broke the protocol" in (outcome.failure or Failure(kind="crash", message="")).message


def test_after_the_attacks_a_good_program_runs_as_ever(pool: LocalPool) -> None:
    assert run(pool, "return sum(range(10))", {}).output == 45
