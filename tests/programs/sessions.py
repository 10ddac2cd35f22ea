"""A session that answers by a function and keeps what it was told, and programs to run in it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graftwork.programs.trace import Span

__all__ = ["Asked", "RecordingSession", "Script", "loaded", "text_of"]

Script: TypeAlias = Callable[["Asked"], str | Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, with what tells it apart."""

    body: Mapping[str, Any]
    component: str
    path: str
    occurrence: int
    span: str


def text_of(body: Mapping[str, Any]) -> str:
    """The last message of a request."""
    return str(body["messages"][-1]["content"])


@dataclass(slots=True, kw_only=True)
class RecordingSession:
    """A session in this process.

    Attributes:
        script: Answers a request with text, or with a whole reply.
        asked: The requests, in order of arrival.
        spans: The spans, in order of arrival.
    """

    script: Script
    asked: list[Asked] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def complete(self, body: Mapping[str, Any], *, component: str, path: str, occurrence: int, span: str) -> Mapping[str, Any]:
        """Answer by the script; every reply is 3 tokens for 5."""
        asked = Asked(body=body, component=component, path=path, occurrence=occurrence, span=span)
        self.asked.append(asked)
        answer = self.script(asked)
        reply = {"text": answer} if isinstance(answer, str) else answer
        return {"usage": {"input_tokens": 5, "output_tokens": 3, "usd": 0.0, "calls": 1}, **reply}

    def span(self, span: Span) -> None:
        """Keep a span."""
        self.spans.append(span)

    @property
    def tree(self) -> list[Span]:
        """The spans in the order of their paths."""
        return sorted(self.spans, key=lambda span: tuple(map(int, span.path.split("."))))


@contextmanager
def loaded(source: str) -> Iterator[Any]:
    """A program's text as a module, as the sandbox's child loads it."""
    module = types.ModuleType("program_under_test")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, "program.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the tests' own programs
        yield module
    finally:
        del sys.modules[module.__name__]
