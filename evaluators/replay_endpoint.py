"""ReplayEndpoint: an OpenAI-compatible endpoint that answers from recorded calls, by request and draw, and asks nobody.

It listens nowhere: it speaks HTTP on connections that it is given. Whoever asks is an untrusted file: requests are capped, and can bring
back nothing but what was recorded.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, BaseServer
from typing import Any, Final

from graftwork.programs.errors import CallFailed
from graftwork.programs.model import Reply

from .call_store import RecordedCall, call_key
from .channel import MAX_CALL_BYTES
from .chat_request import sanitise_request
from .draws import HEADER

__all__ = ["VARIABLES", "Answered", "ReplayEndpoint", "Replayed"]

UNNAMED: Final = "graftwork-unnamed"
"""The model that a file names where its program names none: the file is told so, and it is taken out again."""
VARIABLES: Final[Mapping[str, str]] = {
    "OPENAI_BASE_URL": "http://replay.invalid/v1",
    "OPENAI_API_KEY": "none-needed",
    "GRAFTWORK_MODEL": UNNAMED,
}
"""Environment of a file whose connections come here, whatever address it asks for."""
_PATH: Final = "/v1/chat/completions"
_SILENCE_S: Final = 20.0
# Whoever asks without end fills no memory of ours: a hostile file is through with thousands of requests a second.
_MOST_ANSWERED: Final = 100_000
_MOST_UNRECORDED: Final = 1_000
_MOST_TOLD: Final = 2_000
_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The run whose calls are answered again.

    Attributes:
        find: The recorded call of a key and a draw, or None.
        alias: The task model's, part of the keys.
        max_tokens: The run's cap of one call.
        models: What a request may name.
    """

    find: Callable[[str, str], RecordedCall | None]
    alias: str
    max_tokens: int
    models: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One request that a recorded reply answered.

    Attributes:
        example_id: On which example it was made.
        draw: Which draw it was.
        request: Digest of the body as the program made it.
        reply: The answer.
    """

    example_id: str
    draw: str
    request: str
    reply: Reply


class ReplayEndpoint:
    """The endpoint, with a thread for each connection.

    Attributes:
        answered: Requests with a recorded reply, in order of arrival.
        unrecorded: What is to be said of requests that the run did not record: of each, up to a thousand.
    """

    def __init__(self, run: Replayed) -> None:
        self._run = run
        self.answered: list[Answered] = []
        self.unrecorded: list[str] = []

    def serve(self, connection: socket.socket) -> threading.Thread:
        """Answer what comes on a connection, which is blocking, on a thread that lives until it has ended."""
        thread = threading.Thread(target=self._handle, args=(connection,), name="replay-endpoint", daemon=True)
        thread.start()
        return thread

    def _handle(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, RecursionError):  # whoever asks may break off as it likes, and nest as deeply
            _Handler(connection, self)

    def answer(self, told: str | None, body: bytes) -> tuple[int, Mapping[str, object]]:
        """Status and JSON for one request.

        Args:
            told: The header that tells the draw.
            body: As it came.
        """
        try:
            request: dict[str, Any] = dict(json.loads(body))
            place = {name: str(value) for name, value in dict(json.loads((told or "")[:_MOST_TOLD])).items()}
            example_id, draw, digest = place["example"], place["draw"], place["request"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return self._unknown("a request without its draw: it was made while the file was imported, or not by a prompt")
        if request.get("model") == UNNAMED:
            del request["model"]
        try:
            sane = sanitise_request(request, max_tokens=self._run.max_tokens, models=self._run.models)
        except CallFailed as error:
            return 400, _error(error.failure.message)  # the run refused it, too
        recorded = self._run.find(call_key("task", alias=self._run.alias, body=sane.body), draw)
        if recorded is None:
            asked = str(request["messages"][-1].get("content"))
            return self._unknown(f"on example {example_id}, draw {draw}, a request that ends with {asked[-120:]!r}")
        if len(self.answered) >= _MOST_ANSWERED:
            return self._unknown(f"more than {_MOST_ANSWERED} requests")
        if recorded.reply is None:
            return 400, _error("the run recorded that this request was refused")
        self.answered.append(Answered(example_id=example_id, draw=draw, request=digest, reply=recorded.reply))
        return 200, _completion(recorded.reply)

    def _unknown(self, what: str) -> tuple[int, Mapping[str, object]]:
        if len(self.unrecorded) < _MOST_UNRECORDED:
            self.unrecorded.append(what)
        return 404, _error(f"the run has no reply to {what}")


def _error(message: str) -> Mapping[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


def _completion(reply: Reply) -> Mapping[str, object]:
    calls = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in reply.tool_calls]
    message = {"role": "assistant", "content": reply.text, "refusal": reply.refusal, "tool_calls": calls or None}
    return {
        "id": "replayed",
        "object": "chat.completion",
        "created": 0,
        "model": reply.model,
        "choices": [{"index": 0, "finish_reason": reply.finish_reason, "message": message}],
        "usage": {
            "prompt_tokens": reply.usage.input_tokens,
            "completion_tokens": reply.usage.output_tokens,
            "total_tokens": reply.usage.tokens,
        },
    }


class _Handler(BaseHTTPRequestHandler):
    timeout = _SILENCE_S

    def __init__(self, connection: socket.socket, endpoint: ReplayEndpoint) -> None:
        self._endpoint = endpoint
        super().__init__(connection, "", BaseServer("", BaseRequestHandler))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer one chat completion."""
        length = self.headers.get("content-length", "")
        if self.path != _PATH or not length.isdecimal() or len(length) > _MOST_DIGITS or int(length) > 2 * MAX_CALL_BYTES:
            self.send_error(404)
            return
        status, said = self._endpoint.answer(self.headers.get(HEADER), self.rfile.read(int(length)))
        payload = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
