"""A real S3 server on this machine, and a way to it that can be cut and mended."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import pytest
from pyarrow import fs

__all__ = ["KEYS", "Store", "reachable_store", "running_store"]

KEYS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


class _Relay(socketserver.ThreadingTCPServer):
    """Passes connections on to a server."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, upstream: int) -> None:
        self.upstream, self.open = upstream, list[socket.socket]()
        super().__init__(("127.0.0.1", port), _Passed)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def cut(self) -> None:
        """End it, and every connection through it."""
        self.shutdown()
        self.server_close()
        for one in self.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Passed(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Relay)
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            self.server.open += [self.request, upstream]
            back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            back.start()
            _pump(self.request, upstream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@dataclass(slots=True)
class Store:
    """The server, as a client sees it.

    Attributes:
        port: Where it is reached.
        server: Where it listens itself.
    """

    port: int
    server: int
    _relay: _Relay | None = None

    def uri(self, prefix: str, *, bucket: str = "bucket") -> str:
        """The URI of a place in it."""
        return f"s3://{bucket}/{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def up(self) -> None:
        """Let clients reach it."""
        self._relay = _Relay(self.port, self.server)

    def down(self) -> None:
        """Refuse every connection, those that are open too."""
        if self._relay is not None:
            self._relay.cut()
            self._relay = None


@contextmanager
def running_store() -> Iterator[Store]:
    """A server with one bucket, whose keys are `KEYS`, which the environment must hold."""
    store = Store(port=_free_port(), server=_free_port())
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(store.server)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(store.server)
        keys = {"access_key": KEYS["AWS_ACCESS_KEY_ID"], "secret_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
        made = fs.S3FileSystem(
            **keys, endpoint_override=f"127.0.0.1:{store.server}", scheme="http", region="us-east-1", allow_bucket_creation=True
        )
        made.create_dir("bucket")
        store.up()
        yield store
        store.down()
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, "the S3 server does not start"
            time.sleep(0.05)
        else:
            return


@contextmanager
def reachable_store() -> Iterator[Store]:
    """A running store, with its keys in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        with running_store() as running:
            yield running
