"""Exported files in the bare interpreter: what they reach, what they ask, and what a hostile one tries."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from graftwork.evaluators.bare import run_bare
from graftwork.evaluators.call_store import RecordedCall
from graftwork.evaluators.replay_endpoint import Replayed, ReplayEndpoint
from graftwork.evaluators.sandbox import probe
from graftwork.programs.model import Reply, Usage

from .bare_files import answering, exported_work, run_asking

pytestmark = pytest.mark.skipif(bool(probe().missing), reason="this machine has not the walls behind which a file is run")

ASKING = '''
from graftwork.programs import prompt, vote

@prompt
def number(text: str) -> int:
    """Give a number."""

def solve(text: str):
    return vote(3, number, text), number(text), number(text)
'''
# One of them asks, so that the client is there to be misused.
HOSTILE = '''
import os, socket
from graftwork.programs import prompt

@prompt
def number(text: str) -> int:
    """Give a number."""

def way():
    return socket.create_connection(("anywhere", 1))

SOCKETS = []  # what it was started with; kept, or they would be closed

def find_sockets():
    for descriptor in range(1024):
        try:
            SOCKETS.append(socket.socket(fileno=descriptor))
        except OSError:
            continue
    return SOCKETS

def connect_each(address):
    assert len(SOCKETS) == 2
    for connection in SOCKETS:
        connection.connect(address)

def ended(attack):
    try:
        attack()
    except OSError as error:  # it is connected already
        raise PermissionError from error

def solve(there: dict):
    assert number("x") == 4
    find_sockets()
    {body}
'''


def test_a_file_asks_through_its_own_client_each_request_on_the_draw_that_the_run_gave_it() -> None:
    draws = {"search/0/0#0": "1", "search/0/1#0": "2", "search/0/2#0": "2", "search/0/#0": "3", "search/0/#1": "4"}
    (outcome,), endpoint = run_asking(exported_work(ASKING, {"text": "a"}), draws.get)
    assert (outcome.output, outcome.failure) == ([2, 3, 4], None)
    assert sorted(answered.draw for answered in endpoint.answered) == sorted(draws)
    assert {answered.example_id for answered in endpoint.answered} == {"e0"}
    assert endpoint.unrecorded == []


def test_a_request_that_the_run_did_not_record_is_an_error_and_is_named() -> None:
    (outcome,), endpoint = run_asking(exported_work(ASKING, {"text": "this"}), lambda draw: None)
    assert outcome.failure is not None
    assert "NotFoundError" in outcome.failure.message
    assert "on example e0, draw search/0/0#0, a request that ends with" in str(sorted(endpoint.unrecorded))
    assert "this" in endpoint.unrecorded[0]


def test_a_request_made_while_the_file_is_imported_has_no_draw_and_gets_no_reply() -> None:
    source = ASKING.replace("def solve", "FIRST = number('early')\n\ndef solve")
    (outcome,), endpoint = run_asking(exported_work(source, {"text": "a"}), lambda draw: "4")
    assert outcome.failure is not None
    assert "without its draw" in endpoint.unrecorded[0]


def test_nothing_can_be_imported_but_the_client_and_what_it_needs() -> None:
    body = """import importlib
    for module in ("graftwork", "graftwork.programs", "numpy", "pyarrow", "pytest", "rich", "openai"):
        try:
            return importlib.import_module(module).__name__
        except ModuleNotFoundError:
            continue"""
    (outcome,), _ = run_asking(exported_work(HOSTILE.replace("{body}", body), {"there": {}}), lambda draw: "4")
    assert (outcome.output, outcome.failure) == ("openai", None)


def test_a_file_that_asks_nobody_has_the_tasks_packages_and_no_client() -> None:
    source = """import importlib.util
import numpy

def solve(x):
    return importlib.util.find_spec("openai") is None, float(numpy.sqrt(x))
"""
    (outcome,) = uvloop.run(run_bare(exported_work(source, {"x": 9}, packages=("numpy",)), endpoint=None, sandbox="standard"))
    assert (outcome.output, outcome.failure) == ([True, 3.0], None)


FOUR = RecordedCall(reply=Reply(text="4"), usage=Usage())
ATTACKS = {
    "to connect what it has elsewhere": "connect_each(there['unix'])",
    "a socket of TCP": "socket.socket()",
    "UDP": "socket.socket(type=socket.SOCK_DGRAM)",
    "IPv6": "socket.socket(socket.AF_INET6)",
    "a unix socket": "socket.socket(socket.AF_UNIX)",
    "a socket pair": "socket.socketpair()",
    "to connect a connection elsewhere": "way().connect(there['unix'])",
    "to send from a connection to elsewhere": "ended(lambda: way().sendto(b'x', there['unix']))",
    "to bind a connection": "way().bind('name')",
    "to listen on a connection": "way().listen()",
    "a message with descriptors": "way().sendmsg([b'x'])",
    "a secret file": "open(there['secret']).read()",
    "our source": "open(there['source']).read()",
    "the parent's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "the driver's environment": "open(f'/proc/{there[\"driver\"]}/environ').read()",
    "the machine's certificates": "os.listdir('/etc/ssl')",
    "to fork": "os.fork()",
    "a shell": "os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "to kill the driver": "os.kill(there['driver'], 9)",
    "to write beside the packages": "open(os.path.join(os.environ['SSL_CERT_DIR'], 'x'), 'w')",
}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """What is attacked: open to all, so that only the confinement keeps a file away."""
    folder = tmp_path_factory.mktemp("there")
    folder.chmod(0o755)
    (folder / "secret").write_text("secret")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "unix"))
        other.listen()
        yield {
            "unix": str(folder / "unix"),
            "secret": str(folder / "secret"),
            "source": str(Path(run_bare.__code__.co_filename)),
            "driver": os.getpid(),
        }


def test_a_hostile_file_reaches_nothing_but_the_endpoint(there: dict[str, object]) -> None:
    attempts = "\n".join(f"        {name!r}: lambda: {attack}," for name, attack in ATTACKS.items())
    body = f"""attacks = {{
{attempts}
        "the endpoint": lambda: way().close(),
    }}
    done = []
    for name, attack in attacks.items():
        try:
            attack()
        except PermissionError:
            continue
        except FileNotFoundError as error:
            if not error.filename.startswith("/proc/"):  # in namespaces other processes are not even there
                raise
            continue
        done.append(name)
    return done"""
    (outcome,), _ = run_asking(exported_work(HOSTILE.replace("{body}", body), {"there": there}), lambda draw: "4")
    assert outcome.failure is None, outcome.failure
    assert outcome.output == ["the endpoint"]


def test_connections_that_a_file_asks_for_and_does_not_take_are_bounded() -> None:
    body = """door, = (one for one in SOCKETS if one.type == socket.SOCK_SEQPACKET)
    try:
        for _ in range(2_000):
            door.send(b"?")
    except (BrokenPipeError, ConnectionResetError):
        return True"""
    served: list[threading.Thread] = []

    class Counting(ReplayEndpoint):
        def serve(self, connection: socket.socket) -> threading.Thread:
            served.append(super().serve(connection))
            return served[-1]

    endpoint = Counting(Replayed(find=lambda key, draw: FOUR, alias="model", max_tokens=64))
    work = exported_work(HOSTILE.replace("{body}", body), {"there": {}})
    (outcome,) = uvloop.run(run_bare(work, endpoint=endpoint, sandbox="standard"))
    assert outcome.output is True, outcome.failure
    assert 32 < len(served) < 200
    for thread in served:
        thread.join(10)
        assert not thread.is_alive()


def n_descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_that_ends_without_taking_a_connection_leaves_no_descriptor_with_us() -> None:
    body = """door, = (one for one in SOCKETS if one.type == socket.SOCK_SEQPACKET)
    door.send(b"?")
    return bool(select.select([door], [], []))"""
    work = exported_work("import select\n" + HOSTILE.replace("{body}", body), {"there": {}})

    async def descriptors() -> int:
        (outcome,) = await run_bare(work, endpoint=answering(lambda draw: FOUR), sandbox="standard")
        assert outcome.output is True, outcome.failure
        await asyncio.sleep(0.1)
        return n_descriptors()

    async def twice() -> tuple[int, int]:
        return await descriptors(), await descriptors()

    first, second = uvloop.run(twice())
    assert first == second


def test_a_client_that_breaks_off_is_not_told_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    ours, client = socket.socketpair()
    with client:
        answering(lambda draw: None).serve(ours)
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
    time.sleep(0.3)
    assert ours.fileno() == -1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "\u0661", "1e3", "99999999"])
def test_a_length_that_is_none_is_refused_without_a_word(length: str, capfd: pytest.CaptureFixture[str]) -> None:
    ours, client = socket.socketpair()
    with client:
        thread = answering(lambda draw: None).serve(ours)
        client.sendall(f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {length}\r\n\r\n".encode())
        assert b" 404 " in client.recv(1000)
    thread.join(10)
    assert capfd.readouterr() == ("", "")


def test_requests_without_end_fill_no_memory_of_ours() -> None:
    endpoint = answering(lambda draw: None)
    told = '{"example": "e", "draw": "d", "request": "r"}'
    body = b'{"messages": [{"role": "user", "content": "x"}]}'
    for _ in range(1_500):
        assert endpoint.answer(told, body)[0] == 404
    assert len(endpoint.unrecorded) == 1_000
    assert endpoint.answer(told.replace('"d"', f'"{"d" * 60_000}"'), body)[0] == 404
    assert max(map(len, endpoint.unrecorded)) < 5_000
