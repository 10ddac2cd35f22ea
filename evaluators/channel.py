"""Channel: the child's end of its socket, shared by the threads of a program. Standard library only.

Plain `read` and `write`: the sandbox forbids the socket calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from graftwork.programs.errors import WireError
from graftwork.programs.runtime import PromptFailed
from graftwork.programs.trace import Span
from graftwork.programs.wire import FrameReader, encode_frame, to_json

__all__ = ["MAX_CALL_BYTES", "MAX_SPANS", "Channel"]

_CHUNK: Final = 64 * 1024
MAX_CALL_BYTES: Final = 1024 * 1024
MAX_SPANS: Final = 500
_FIELDS: Final = tuple(field.name for field in fields(Span))


class Channel:
    """Frames to and from the worker; the session of a program (`runtime.Session`).

    Args:
        descriptor: A connected stream socket; blocking.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._frames = FrameReader()
        self._sending = threading.Lock()
        self._n_spans = 0
        self._arrival = threading.Condition()
        self._replies: dict[int, Mapping[str, Any]] = {}
        self._last_id = 0
        self._someone_reads = False

    def send(self, frame: bytes) -> None:
        """Send one whole frame, encoded."""
        with self._sending:
            rest = memoryview(frame)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def receive(self) -> dict[str, Any]:
        """The next frame; for the case, before the program runs.

        Raises:
            EOFError: If the worker closed the socket.
        """
        while True:
            for frame in self._frames.feed(self._read()):
                return frame

    def complete(self, body: Mapping[str, Any], *, component: str, path: str, occurrence: int, span: str) -> Mapping[str, Any]:
        """Have a model call made, and wait for its reply; up to 16 threads at once.

        Raises:
            PromptFailed: With the kind of failure that the worker names, or `invalid` if the request is no JSON.
        """
        with self._arrival:
            self._last_id += 1
            number = self._last_id
        place = {"component": component, "path": path, "occurrence": occurrence, "span": span}
        try:
            frame = encode_frame({"kind": "call", "id": number, "body": body, **place}, max_bytes=MAX_CALL_BYTES)
        except WireError as error:
            raise PromptFailed("invalid", f"the request cannot be sent: {error}", component=component) from None
        self.send(frame)
        answer = self._wait_for(number)
        failure = answer.get("failure")
        if isinstance(failure, Mapping):
            raise PromptFailed(failure["kind"], str(failure["message"]), component=component)
        reply: Mapping[str, Any] = answer["reply"]
        return reply

    def step(self, action: object, *, span: str) -> tuple[object, bool]:
        """Act, and wait for what the environment shows then, and whether the episode is over."""
        with self._arrival:
            self._last_id += 1
            number = self._last_id
        self.send(encode_frame({"kind": "step", "id": number, "action": action, "span": span}))
        answer = self._wait_for(number)
        return answer["observation"], answer["ended"]

    def span(self, span: Span) -> None:
        """Report one span; after `MAX_SPANS` none: tools and prompts that a loop calls have no bound of their own."""
        with self._sending:
            self._n_spans += 1
        if self._n_spans > MAX_SPANS:
            return
        told = {name: getattr(span, name) for name in _FIELDS}
        if span.feeds:
            told["feeds"] = to_json(span.feeds)
        self.send(encode_frame({"kind": "span", "id": 0, "span": told}))

    def _wait_for(self, number: int) -> Mapping[str, Any]:
        """The reply to one call. Whoever waits and finds nobody reading reads for all."""
        while True:
            with self._arrival:
                while number not in self._replies and self._someone_reads:
                    self._arrival.wait()
                if number in self._replies:
                    return self._replies.pop(number)
                self._someone_reads = True
            arrived: list[dict[str, Any]] = []
            try:
                arrived = list(self._frames.feed(self._read()))
            finally:
                with self._arrival:
                    self._replies.update((frame["id"], frame) for frame in arrived)
                    self._someone_reads = False
                    self._arrival.notify_all()

    def _read(self) -> bytes:
        data = os.read(self._descriptor, _CHUNK)
        if not data:
            raise EOFError("the worker closed the socket")
        return data
