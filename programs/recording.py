"""Recording: the bookkeeping behind a trace: where in the call tree we are, what was returned before, and what fed what.

A run is one strand of calls, and `parallel` forks it into one strand per branch. A strand sees its own earlier outputs and those from
before the fork, never those of its siblings: so a trace does not depend on which branch was faster. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from .trace import Feed, Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .trace import FeedKind, SpanKind

__all__ = ["FRAME", "MAX_FUNCTION_SPANS", "MAX_SPANS_OF_ONE", "CallFrame", "Recording", "Session", "Strand", "bounded_json", "fork"]

T = TypeVar("T")
U = TypeVar("U")

MAX_FUNCTION_SPANS: Final = 200
MAX_SPANS_OF_ONE: Final = 8  # a span costs half a millisecond, and the hundredth call of a function tells little that the eighth did not
MAX_TEXT: Final = 4000
MAX_ITEMS: Final = 400
MAX_DEPTH: Final = 8
MAX_BITS: Final = 10_000  # longer numbers are slow to write, and Python refuses some
MAX_FEEDS: Final = 32
_SMALL: Final = 1 << 64
MIN_TELLING: Final = 8
MAX_KEPT: Final = 10_000
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)  # `json.dumps` would make one for each text


class Session(Protocol):
    """Who a running program talks to. Called from up to 16 threads at the same time."""

    def complete(self, body: Mapping[str, Any], *, component: str, path: str, occurrence: int, span: str) -> Mapping[str, Any]:
        """Answer one request.

        Args:
            body: Chat-completion body.
            component: The prompt that asks.
            path: Branch indices of the enclosing `parallel` and `vote` calls, such as `3.0`; empty outside of any. With
                `occurrence` it makes the draw, which stays the same when calls elsewhere in the program come or go.
            occurrence: How often this same body was asked on this path before, from 0.
            span: Path of this model call in the call tree: its span's.

        Returns:
            The fields of `model.Reply` as JSON: `text`, `tool_calls`, `finish_reason`, `usage`, `model`, `refusal`.

        Raises:
            PromptFailed: Nobody answered; its kind says whose fault that is.
        """
        ...

    def span(self, span: Span) -> None:
        """Take one finished call. Spans of one strand come in order of their end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What an earlier span returned, kept to recognise it as an argument."""

    path: str
    value: object
    text: str


@dataclass(slots=True, kw_only=True)
class Strand:
    """A part of a run in which calls follow each other.

    Attributes:
        session: Who is told.
        earlier: Outputs from before the fork.
        outputs: Outputs since.
        spans_left: How many more calls of plain functions may have a span.
        spanned: How many calls of each plain function have one.
        asked: How often each request was asked, by branch path and digest; shared by all strands, whose paths differ.
    """

    session: Session
    earlier: tuple[Output, ...] = ()
    outputs: list[Output] = field(default_factory=list)
    spans_left: int = MAX_FUNCTION_SPANS
    spanned: dict[str, int] = field(default_factory=dict)
    asked: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def occurrence(self, path: str, body: Mapping[str, Any]) -> int:
        """How often this body was asked on this path before; counts it."""
        digest = hashlib.blake2b(json.dumps(body, sort_keys=True).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        count = self.asked.get((path, digest), 0)
        self.asked[path, digest] = count + 1
        return count

    def keep(self, path: str, value: object, text: str) -> None:
        """Remember an output, and its JSON; not a large one, which would cost the program the memory that it has freed."""
        if _looked(lambda: _is_telling(value) and _size(value) <= MAX_KEPT, otherwise=False):
            self.outputs.append(Output(path=path, value=value, text=value if isinstance(value, str) else text))

    def feeds(self, arguments: Mapping[str, object], rendered: str = "") -> tuple[Feed, ...]:
        """Edges from earlier outputs into a call with these arguments, whose request reads `rendered`."""
        if not (self.earlier or self.outputs):
            return ()
        return _looked(lambda: self._edges(arguments, rendered), otherwise=())

    def _edges(self, arguments: Mapping[str, object], rendered: str) -> tuple[Feed, ...]:
        outputs = (*self.earlier, *self.outputs)
        parts = [_Part(parameter, value) for parameter, given in arguments.items() for value in _parts(given)]
        found = [edge for output in outputs if (edge := _edge(output, arguments, parts, rendered))]
        return tuple(found[-MAX_FEEDS:])


@dataclass(slots=True, kw_only=True)
class CallFrame:
    """Where a strand is in the call tree.

    Attributes:
        strand: The strand.
        path: Path of the enclosing span; empty at the root.
        depth: Plain functions and tools that enclose us.
        n_children: Places given out below this path.
    """

    strand: Strand
    path: str = ""
    depth: int = 0
    n_children: int = 0

    def next_path(self) -> str:
        """Path of the next call below."""
        index, self.n_children = self.n_children, self.n_children + 1
        return f"{self.path}.{index}" if self.path else str(index)


FRAME: Final[ContextVar[CallFrame | None]] = ContextVar("frame", default=None)


class Recording:
    """One call, from its arguments to its span. As a context manager it notes what is raised, and tells the session at the end.

    Args:
        outer: Where the call is made.
        component: Its component's name.
        kind: What is called.
        arguments: By parameter.
    """

    def __init__(self, outer: CallFrame, *, component: str, kind: SpanKind, arguments: Mapping[str, object]) -> None:
        self.frame = CallFrame(strand=outer.strand, path=outer.next_path(), depth=outer.depth + (kind != "prompt"))
        self._arguments = arguments
        self._feeds: tuple[Feed, ...] | None = None if kind == "prompt" else outer.strand.feeds(arguments)
        self._component = component
        self._kind: SpanKind = kind
        # Arguments are written down before the call, which may change them.
        self._inputs, self._output = bounded_json(arguments), ""
        self._input_tokens = self._output_tokens = 0
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        self._token = FRAME.set(self.frame)
        return self

    def asks(self, body: Mapping[str, Any]) -> None:
        """Note the request of a prompt; the first one shows what fed it."""
        if self._feeds is None:
            rendered = "\n".join(str(message.get("content", "")) for message in body["messages"])
            self._feeds = self.frame.strand.feeds(self._arguments, rendered)

    def used(self, usage: Mapping[str, Any]) -> None:
        """Add the tokens of a model call."""
        self._input_tokens += int(usage.get("input_tokens", 0))
        self._output_tokens += int(usage.get("output_tokens", 0))

    def returns(self, value: T) -> T:
        """Note the output, and hand it on."""
        self._output = bounded_json(value)
        self.frame.strand.keep(self.frame.path, value, self._output)
        return value

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        FRAME.reset(self._token)
        span = Span(
            path=self.frame.path,
            component=self._component,
            kind=self._kind,
            inputs=self._inputs,
            output=self._output,
            error=f"{type(error).__name__}: {_looked(lambda: str(error), otherwise='')}".split("\n", 1)[0][:400] if error else "",
            seconds=time.perf_counter() - self._started,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            feeds=self._feeds or (),
        )
        self.frame.strand.session.span(span)


@contextmanager
def fork(thunks: tuple[Callable[[], Any], ...]) -> Iterator[tuple[Callable[[], Any], ...]]:
    """Give every branch of a `parallel` call a strand of its own, and join them in the order of their indices."""
    frame = FRAME.get()
    if frame is None:
        yield thunks
        return
    strand, path = frame.strand, frame.next_path()
    share = strand.spans_left // max(1, len(thunks))
    earlier = (*strand.earlier, *strand.outputs)
    branches = [Strand(session=strand.session, earlier=earlier, spans_left=share, asked=strand.asked) for _ in thunks]
    strand.spans_left -= share * len(thunks)
    frames = [CallFrame(strand=branch, path=f"{path}.{index}", depth=frame.depth) for index, branch in enumerate(branches)]
    yield tuple(partial(_call_within, inner, thunk) for inner, thunk in zip(frames, thunks, strict=True))
    for branch in branches:
        strand.outputs += branch.outputs
        strand.spans_left += branch.spans_left


def _call_within(frame: CallFrame, thunk: Callable[[], Any]) -> Any:
    FRAME.set(frame)  # in the branch's own copy of the context
    return thunk()


def _looked(look: Callable[[], T], *, otherwise: U) -> T | U:
    """What a look at a program's values gives; `otherwise` where their own code, which it runs, raises: tracing changes no program."""
    try:
        return look()
    except Exception:
        return otherwise


def _is_telling(value: object) -> bool:
    """Whether meeting this very object again means that it came from where it was seen: small constants are shared by all."""
    if isinstance(value, str | bytes | tuple):
        return len(value) > 1
    return value is not None and not isinstance(value, bool) and not (isinstance(value, int) and -6 < value < 257)


def _size(value: object) -> int:
    """Items in a container or an array; 1 for anything else."""
    # What an object answers to, its type may not have; and an array without dimensions has a length that cannot be asked for.
    size = getattr(value, "size", None) if hasattr(type(value), "size") else None
    return size if isinstance(size, int) else len(value) if isinstance(value, Sized) else 1


class _Part:
    """An argument, or an item of one, and its text, which is made when an output asks for it."""

    def __init__(self, parameter: str, value: object) -> None:
        self.parameter, self.value = parameter, value

    @cached_property
    def text(self) -> str:
        """As the text of an output."""
        return self.value if isinstance(self.value, str) else bounded_json(self.value)


def _parts(value: object) -> tuple[object, ...]:
    return (value, *value) if isinstance(value, list | tuple) and len(value) <= MAX_ITEMS else (value,)


def _edge(output: Output, arguments: Mapping[str, object], parts: Sequence[_Part], rendered: str) -> Feed | None:
    """The strongest edge from an output into a call, or None."""
    # What is shown in part or by its type alone equals too much.
    whole = isinstance(output.value, str) or not ("…" in output.text or '"<' in output.text)
    telling = whole and MIN_TELLING <= len(output.text) <= MAX_KEPT
    kind: FeedKind = "exact"
    for part in parts:
        if part.value is output.value or (telling and type(part.value) is type(output.value) and part.text == output.text):
            return Feed(path=output.path, parameter=part.parameter, kind=kind)
    kind = "contains"
    for parameter, value in arguments.items() if telling else ():
        if isinstance(value, str) and output.text in value:
            return Feed(path=output.path, parameter=parameter, kind=kind)
    return Feed(path=output.path, parameter="", kind=kind) if telling and output.text in rendered else None


def _shrunk_scalar(item: object) -> object:
    if isinstance(item, str) and len(item) > MAX_TEXT:
        return item[:MAX_TEXT] + "…"
    if isinstance(item, int) and item.bit_length() > MAX_BITS:
        return "<int>"
    return str(item) if isinstance(item, float) and not math.isfinite(item) else item


def _is_small_number(item: object) -> bool:
    """Whether it is written as it is: most of what arrays and long lists hold."""
    return (type(item) is int and -_SMALL < item < _SMALL) or (type(item) is float and math.isfinite(item))


def _is_small(item: object) -> bool:
    return _is_small_number(item) or item is None or type(item) is bool or (type(item) is str and len(item) <= MAX_TEXT)


def bounded_json(value: object) -> str:
    """A value as JSON text of at most 4,000 characters; what is left out shows as `…`, what is not JSON as `<its type>`."""
    is_short = type(value) is dict and len(value) < MAX_ITEMS and all(type(key) is str and _is_small(item) for key, item in value.items())
    text = _ENCODER.encode(value if is_short or _is_small(value) else _shrunk(value))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _shrunk(value: object) -> object:
    """What is written of a value: JSON of at most 400 items, 8 levels deep."""
    left = MAX_ITEMS

    def shrink(item: object, depth: int) -> object:
        return _looked(lambda: shrunk(item, depth), otherwise=f"<{type(item).__name__}>")

    def shrunk(item: object, depth: int) -> object:
        nonlocal left
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            return "…"
        if item is None or isinstance(item, bool | str | int | float):
            return _shrunk_scalar(item)
        if isinstance(item, Mapping):
            return {str(key): shrink(item[key], depth + 1) for key, _ in zip(item, range(max(1, left)), strict=False)}
        if isinstance(item, list | tuple):
            return shrunk_parts(item[: max(1, left)], depth)
        if is_dataclass(item) and not isinstance(item, type):
            return {part.name: shrink(getattr(item, part.name), depth + 1) for part in fields(item)}
        if callable(convert := getattr(type(item), "tolist", None)) and _size(item) < MAX_ITEMS:
            return shrink(convert(item), depth + 1)
        return f"<{type(item).__name__}>"

    def shrunk_parts(parts: Sequence[object], depth: int) -> list[object]:
        nonlocal left
        if depth < MAX_DEPTH and len(parts) <= left and all(map(_is_small_number, parts)):
            left -= len(parts)
            return list(parts)
        return [shrink(part, depth + 1) for part in parts]

    return shrink(value, 0)
