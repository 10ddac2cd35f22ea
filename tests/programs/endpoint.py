"""A small OpenAI-compatible endpoint on 127.0.0.1: real sockets, scripted answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "Endpoint", "completion", "serving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the endpoint says: a status, a JSON body and headers."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[dict[str, Any]], Answer]


def completion(text: str | None, *, tool_calls: object = None, usage: bool = True) -> Answer:
    """A chat completion of 7 input and 3 output tokens."""
    message = {"role": "assistant", "content": text, "tool_calls": tool_calls}
    body: dict[str, object] = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "small-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if tool_calls else "stop"}],
    }
    if usage:
        body["usage"] = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return Answer(body=body)


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """A running endpoint.

    Attributes:
        url: Its base URL.
        script: Answers a chat completion's body.
        models: Answer to a listing of models.
        requests: Bodies received, in order of arrival.
        keys: Authorization headers received.
    """

    url: str = ""
    script: Script
    models: Answer = field(default_factory=lambda: Answer(body={"object": "list", "data": [{"id": "small", "object": "model"}]}))
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def answer(self, key: str, body: dict[str, Any] | None) -> Answer:
        """What a request gets; None asks for the models."""
        self.keys.append(key)
        if body is None:
            return self.models
        self.requests.append(body)
        return self.script(body)


@contextmanager
def serving(script: Script) -> Iterator[Endpoint]:
    """An endpoint that answers until the block ends."""
    endpoint = Endpoint(script=script)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

        def do_GET(self) -> None:
            self._send(endpoint.answer(self.headers.get("authorization", ""), None))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._send(endpoint.answer(self.headers.get("authorization", ""), body))

        def _send(self, answer: Answer) -> None:
            payload = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", "content-length": str(len(payload)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
