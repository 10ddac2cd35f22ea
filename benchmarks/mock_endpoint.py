"""A mock OpenAI-compatible endpoint with a set latency, as a process of its own, written to take little CPU.

python benchmarks/mock_endpoint.py --port 8900 --latency-ms 200 --reply reply.txt

Each reply is the text of a file, with `{n}` replaced by its number and `{request}` by that of its request. `GET /stats` tells how many
calls were served, their tokens, the most in flight, when the first came (seconds since the epoch), what each model used, and the CPU
seconds. `POST /mode` with `{"mode": M}` has it misbehave from then on: `ok`, `429` (with Retry-After), `500`, `garbage`, `half` (half a
body, then the end) or `nothing` (no answer).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["Mock", "MockEndpoint", "main", "mocked"]

_RETRY_AFTER_S: Final = 0.5


class MockEndpoint:
    """What all connections share.

    Args:
        reply: Text of each reply; `{n}` is its number, `{request}` a number that equal requests share.
        latency_s: From the request to its reply.
        tokens: Most output tokens that a reply says it took, drawn, as those of the input are, and counted by model; 0 says 100.
    """

    def __init__(self, reply: str, *, latency_s: float, tokens: int = 0) -> None:
        self._reply = reply
        self._tokens = tokens
        self._rng = random.Random(0)
        self.latency_s = latency_s
        self.mode = "ok"
        self.stats: dict[str, Any] = {"served": 0, "tokens": 0, "at_once": 0, "most_at_once": 0, "first_at": None, "by_model": {}}

    def completion(self, body: bytes) -> bytes:
        """The JSON of one reply; it counts as served."""
        self.stats["served"] += 1
        n_in, n_out = max(1, len(body) // 4), 100
        if self._tokens:
            n_in, n_out = self._rng.randint(1, n_in), self._rng.randint(1, self._tokens)
            model = json.loads(body)["model"]
            counted = self.stats["by_model"].setdefault(model, [0, 0])
            counted[:] = counted[0] + n_in, counted[1] + n_out
        self.stats["tokens"] += n_in + n_out
        text = json.dumps(self._reply.replace("{n}", str(self.stats["served"])).replace("{request}", str(zlib.crc32(body))))
        return (
            f'{{"id":"1","object":"chat.completion","created":1,"model":"mock","choices":[{{"index":0,"finish_reason":"stop",'
            f'"message":{{"role":"assistant","content":{text}}}}}],'
            f'"usage":{{"prompt_tokens":{n_in},"completion_tokens":{n_out},"total_tokens":{n_in + n_out}}}}}'
        ).encode()


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with kept connections, one request at a time."""

    def __init__(self, endpoint: MockEndpoint) -> None:
        self._endpoint = endpoint
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (it listens on TCP)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's name
        self._transport = None
        if self._waiting:
            self._endpoint.stats["at_once"] -= 1

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self._data = rest[length:]
        self._take(head.split(b"\r\n", 1)[0], rest[:length])

    def _take(self, line: bytes, body: bytes) -> None:
        endpoint, stats = self._endpoint, self._endpoint.stats
        if line.startswith(b"GET /stats"):
            used = resource.getrusage(resource.RUSAGE_SELF)
            self._send(b"200 OK", json.dumps({**stats, "cpu_s": used.ru_utime + used.ru_stime}).encode())
        elif line.startswith(b"GET"):
            self._send(b"200 OK", b'{"object":"list","data":[{"id":"mock","object":"model"}]}')
        elif line.startswith(b"POST /mode"):
            endpoint.mode = json.loads(body)["mode"]
            self._send(b"200 OK", b"{}")
        else:
            stats["first_at"] = stats["first_at"] or time.time()
            stats["at_once"] += 1
            stats["most_at_once"] = max(stats["most_at_once"], stats["at_once"])
            self._waiting = True
            asyncio.get_running_loop().call_later(endpoint.latency_s, self._answer, body)

    def _answer(self, body: bytes) -> None:
        if self._transport is None or self._endpoint.mode == "nothing":
            return
        self._waiting = False
        self._endpoint.stats["at_once"] -= 1
        mode = self._endpoint.mode
        if mode == "429":
            self._send(b"429 Too Many Requests\r\nretry-after: %.1f" % _RETRY_AFTER_S, b'{"error":{"message":"slow down"}}')
        elif mode == "500":
            self._send(b"500 Internal Server Error", b'{"error":{"message":"oh"}}')
        elif mode == "garbage":
            self._send(b"200 OK", b"<html>not what you wanted</html>")
        elif mode == "half":
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
            self._transport.close()
        else:
            self._send(b"200 OK", self._endpoint.completion(body))

    def _send(self, status: bytes, payload: bytes) -> None:
        assert self._transport is not None  # noqa: S101 (nothing is sent to nobody)
        head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(payload)
        self._transport.write(head + payload)


async def _serve(endpoint: MockEndpoint, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(endpoint), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Mock:
    """A running mock endpoint, as whoever started it sees it.

    Args:
        process: Its process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 (it is piped)
        self.pid = process.pid
        self.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"

    def stats(self) -> Mapping[str, Any]:
        """What it has counted."""
        with urllib.request.urlopen(f"{self.url}/stats") as answer:  # noqa: S310 (our own, on this machine)
            stats: Mapping[str, Any] = json.load(answer)
        return stats

    def misbehave(self, mode: str) -> None:
        """Have it answer in another way from now on."""
        request = urllib.request.Request(f"{self.url}/mode", data=json.dumps({"mode": mode}).encode())  # noqa: S310 (likewise)
        urllib.request.urlopen(request).close()  # noqa: S310 (likewise)


@contextmanager
def mocked(reply: str, folder: Path, *, latency_ms: float, tokens: int = 0) -> Iterator[Mock]:
    """A mock endpoint that runs until the block ends.

    Args:
        reply: Text of each reply, as in `MockEndpoint`.
        folder: Where a file can be put.
        latency_ms: From a request to its reply.
        tokens: As in `MockEndpoint`.
    """
    file = folder / "reply.txt"
    file.write_text(reply, encoding="utf-8")
    options = ("--latency-ms", latency_ms, "--tokens", tokens, "--reply", file)
    with subprocess.Popen([sys.executable, __file__, *map(str, options)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Mock(process)
        finally:
            process.kill()


def main() -> None:
    """Serve until killed; the port is printed first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--reply", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=0, help="most output tokens of a reply, drawn; 0 says 100 each")
    chosen = parser.parse_args()
    endpoint = MockEndpoint(chosen.reply.read_text(encoding="utf-8"), latency_s=chosen.latency_ms / 1000, tokens=chosen.tokens)
    asyncio.run(_serve(endpoint, chosen.port))


if __name__ == "__main__":
    main()
