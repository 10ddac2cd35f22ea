"""What a child claims, as our values: every field checked, every text bounded. A claim that makes no sense is a `WireError`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar, get_args

from graftwork.programs.errors import WireError
from graftwork.programs.failure import FAILURE_KINDS, Failure
from graftwork.programs.trace import Feed, FeedKind, Span, SpanKind

__all__ = ["bounded", "call_path", "claimed_failure", "claimed_span", "small_count", "trouble_with"]

T = TypeVar("T")

_TEXT_CHARACTERS: Final = 4_000
_NAME_CHARACTERS: Final = 200
_MAX_COUNT: Final = 1_000_000_000
_MAX_FEEDS: Final = 64
# Deeper values are nobody's honest output, and would exhaust the stack of whoever walks them by recursion.
_MAX_DEPTH: Final = 64
# Each takes some 60 bytes of our memory for 3 of text, and outputs of all examples are held together.
_MAX_CONTAINERS: Final = 250_000
# A terminal obeys them. New lines and tabs are left.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PATH: Final = re.compile(r"(\d{1,6}(\.\d{1,6}){0,63})?", re.ASCII)


def bounded(value: object, max_characters: int = _TEXT_CHARACTERS) -> str:
    """A text that can be stored and shown: cut, without lone surrogates, and without control characters but new lines and tabs.

    Raises:
        WireError: If it is no text.
    """
    if not isinstance(value, str):
        raise WireError(f"expected a text, not {type(value).__name__}")
    return _CONTROL.sub("", value[:max_characters]).encode("utf-8", errors="replace").decode()


def call_path(value: object) -> str:
    """A path in the call tree: numbers with dots between them; may be empty.

    Raises:
        WireError: If it is none.
    """
    if not isinstance(value, str) or _PATH.fullmatch(value) is None:
        raise WireError("expected a call path such as 0.2.1")
    return value


def small_count(value: object, most: int = _MAX_COUNT) -> int:
    """A count from 0 to `most`.

    Raises:
        WireError: If it is none.
    """
    if type(value) is not int or not 0 <= value <= most:
        raise WireError(f"expected an integer from 0 to {most}")
    return value


def claimed_failure(value: object) -> Failure:
    """The failure that a child reports.

    Raises:
        WireError: If it is none.
    """
    if not isinstance(value, Mapping):
        raise WireError("expected a failure")
    kind, component = value.get("kind"), value.get("component")
    return Failure(
        kind=_one_of(kind, FAILURE_KINDS),
        message=bounded(value.get("message")),
        component=None if component is None else bounded(component, _NAME_CHARACTERS),
        detail=bounded(value.get("detail", "")),
    )


def claimed_span(value: object) -> Span:
    """The span that a child reports, marked as claimed.

    Raises:
        WireError: If it is none.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("feeds"), list):
        raise WireError("expected a span with its feeds")
    kinds: tuple[SpanKind, ...] = get_args(SpanKind)
    return Span(
        path=call_path(value.get("path")),
        component=bounded(value.get("component"), _NAME_CHARACTERS),
        kind=_one_of(value.get("kind"), tuple(kind for kind in kinds if kind not in {"model_call", "step"})),
        inputs=bounded(value.get("inputs")),
        output=bounded(value.get("output")),
        error=bounded(value.get("error"), 2 * _NAME_CHARACTERS),
        seconds=_seconds(value.get("seconds")),
        input_tokens=small_count(value.get("input_tokens")),
        output_tokens=small_count(value.get("output_tokens")),
        feeds=tuple(_claimed_feed(feed) for feed in value["feeds"][:_MAX_FEEDS]),
        claimed=True,
    )


def trouble_with(value: object, max_bytes: int) -> str:
    """Why a decoded value cannot be used; empty when it can. Python reads numbers such as 1e999 as infinity."""
    if sprawl := _sprawl(value):
        return sprawl
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except ValueError as error:
        return f"expected finite numbers and valid text: {error}"
    return f"{size} bytes are more than {max_bytes}" if size > max_bytes else ""


def _sprawl(value: object) -> str:
    """Why a value takes more to hold or to walk than its text; empty if it does not."""
    level: list[Any] = [value]
    containers = 0
    for _ in range(_MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return ""
        containers += len(level)
        if containers > _MAX_CONTAINERS:
            return f"it holds more than {_MAX_CONTAINERS} lists and objects"
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return f"it is nested deeper than {_MAX_DEPTH} levels"


def _seconds(value: object) -> float:
    if not isinstance(value, float) or not math.isfinite(value) or value < 0:
        raise WireError("expected seconds, at least 0.0")
    return value


def _claimed_feed(value: object) -> Feed:
    if not isinstance(value, Mapping):
        raise WireError("expected a feed")
    kinds: tuple[FeedKind, ...] = get_args(FeedKind)
    return Feed(
        path=call_path(value.get("path")),
        parameter=bounded(value.get("parameter"), _NAME_CHARACTERS),
        kind=_one_of(value.get("kind"), kinds),
    )


def _one_of(value: object, kinds: tuple[T, ...]) -> T:
    for kind in kinds:
        if value == kind:
            return kind
    raise WireError(f"expected one of {', '.join(map(str, kinds))}")
