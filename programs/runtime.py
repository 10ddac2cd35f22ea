"""Runtime: what `@prompt` and `@tool` do when a program runs: ask through the session, trace every call, and say why one failed.

Standard library only: the sandbox's child imports it. Without a session prompts ask the endpoint by themselves (`direct`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, Unpack, overload

from .combinators import BRANCH, FORK, parallel, retry, vote
from .converse import Unanswered, converse
from .direct import answered
from .recording import FRAME, MAX_SPANS_OF_ONE, CallFrame, Recording, Session, Strand, fork
from .render import PromptOptions, arguments_of

if TYPE_CHECKING:
    from .failure import FailureKind

__all__ = [
    "PromptFailed",
    "PromptInvalid",
    "Session",
    "parallel",
    "prompt",
    "retry",
    "tool",
    "trace_functions",
    "using_session",
    "vote",
]

P = ParamSpec("P")
T = TypeVar("T")

MAX_TRACED_DEPTH: Final = 2
MAX_COUNTED: Final = 1000


class PromptFailed(Exception):
    """A prompt gave no output. Sessions raise it, and the child turns it into a failure.

    Args:
        kind: Whose fault it is.
        message: One or a few lines.
        component: The prompt.
    """

    def __init__(self, kind: FailureKind, message: str, *, component: str | None = None) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message
        self.component = component


class PromptInvalid(PromptFailed, Unanswered):
    """Two replies in a row could not be read. A program may catch it, as the `ValueError` that it is."""


@overload
def prompt(function: Callable[P, T], /) -> Callable[P, T]: ...
@overload
def prompt(**options: Unpack[PromptOptions]) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
def prompt(function: Callable[..., Any] | None = None, /, **options: Unpack[PromptOptions]) -> Callable[..., Any]:
    """Have a model do the body of a function: its docstring is the instruction, its signature the typed interface.

    Used bare or with options: `tools`, `demos`, `model`, `temperature`, `max_tokens`, `top_p`.

    Raises:
        TypeError: If an option is unknown.
    """
    if unknown := sorted(options.keys() - PromptOptions.__annotations__.keys()):
        raise TypeError(f"@prompt takes {', '.join(PromptOptions.__annotations__)}, not {', '.join(unknown)}")
    if function is None:
        return lambda function: _prompted(function, options)
    return _prompted(function, options)


def _prompted(function: Callable[..., Any], options: PromptOptions) -> Callable[..., Any]:
    alone = answered(function, options)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        frame = FRAME.get()
        if frame is None:
            return alone(*args, **kwargs)
        arguments, name = arguments_of(function, args, kwargs), function.__name__
        with Recording(frame, component=name, kind="prompt", arguments=arguments) as recording:
            try:
                return recording.returns(converse(function, arguments, options, functools.partial(_complete, recording, name)))
            except Unanswered as error:
                raise PromptInvalid("invalid", str(error), component=name) from None

    return call


def _complete(recording: Recording, component: str, body: dict[str, Any]) -> Mapping[str, Any]:
    recording.asks(body)
    frame, path = recording.frame, ".".join(map(str, BRANCH.get()))
    occurrence = frame.strand.occurrence(path, body)
    reply = frame.strand.session.complete(body, component=component, path=path, occurrence=occurrence, span=frame.next_path())
    recording.used(reply.get("usage") or {})
    return reply


def tool(function: Callable[P, T], /) -> Callable[P, T]:
    """Mark a function as one that a prompt may hand to its model: its docstring and annotations describe it."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        frame = FRAME.get()
        if frame is None or (arguments := _fitting(function, args, kwargs)) is None:
            return function(*args, **kwargs)
        with Recording(frame, component=function.__name__, kind="tool", arguments=arguments) as recording:
            return recording.returns(function(*args, **kwargs))

    return call


def _fitting(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Arguments by parameter; None where they do not fit, which Python itself says when the call is made, as in an export."""
    names = _plain_parameters(function)
    if names is not None and len(args) + len(kwargs) == len(names) and not kwargs.keys() ^ names[len(args) :]:
        return dict(zip(names, args, strict=False)) | {name: kwargs[name] for name in names[len(args) :]}
    try:
        return arguments_of(function, args, kwargs)
    except TypeError:
        return None


def _plain_parameters(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Parameters where each takes one argument, by position or name, and nothing says otherwise: these need no signature, which is dear."""
    if type(function) is not FunctionType or function.__dict__:
        return None
    code = function.__code__
    plain = not (code.co_kwonlyargcount or code.co_posonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS))
    return code.co_varnames[: code.co_argcount] if plain else None


@contextmanager
def using_session(session: Session) -> Iterator[None]:
    """Have every prompt and tool called inside go through a session: one run of a program on one example."""
    tokens = FRAME.set(CallFrame(strand=Strand(session=session))), FORK.set(fork), BRANCH.set(())
    try:
        yield
    finally:
        FRAME.reset(tokens[0])
        FORK.reset(tokens[1])
        BRANCH.reset(tokens[2])


def trace_functions(namespace: MutableMapping[str, Any]) -> Mapping[str, int]:
    """Trace the plain functions of a program: to call depth 2, 8 spans of each and 200 in all, then they are only counted.

    A function that is called a thousand times beyond those limits, or after the spans are used up, gets its own code back, so
    that hot functions run at full speed; its count is then a lower bound. Functions that can reach themselves are left alone: a
    wrapper would halve the recursion that they have.

    Args:
        namespace: The program's globals after it was executed; its functions are replaced in place.

    Returns:
        Calls without a span by function, live.
    """
    own = {name: value for name, value in namespace.items() if isinstance(value, FunctionType) and value.__globals__ is namespace}
    counts: dict[str, int] = {}
    calls = {name: _names(function.__code__) & own.keys() for name, function in own.items()}
    for name, function in own.items():
        below = _reached(calls, name)
        if name not in below:
            counts[name] = 0
            # What a function calls goes with it: without its frame they would seem to be called from further up.
            release = functools.partial(namespace.update, {each: own[each] for each in (name, *below)})
            namespace[name] = _traced(function, name, counts=counts, release=release)
    return counts


def _traced(function: FunctionType, name: str, *, counts: dict[str, int], release: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        frame = FRAME.get()
        if frame is None:
            return function(*args, **kwargs)
        strand = frame.strand
        used_up = strand.spans_left <= 0 or strand.spanned.get(name, 0) >= MAX_SPANS_OF_ONE
        if used_up or frame.depth >= MAX_TRACED_DEPTH:
            counts[name] += 1
            # Inside branches the moment would depend on which of them is faster.
            if not BRANCH.get() and (used_up or counts[name] >= MAX_COUNTED):
                release()
            return function(*args, **kwargs)
        if (arguments := _fitting(function, args, kwargs)) is None:
            return function(*args, **kwargs)
        strand.spans_left -= 1
        strand.spanned[name] = strand.spanned.get(name, 0) + 1
        with Recording(frame, component=name, kind="function", arguments=arguments) as recording:
            return recording.returns(function(*args, **kwargs))

    return call


def _names(code: CodeType) -> set[str]:
    """Names that a function's code refers to, inner functions included."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _reached(calls: Mapping[str, set[str]], name: str) -> set[str]:
    """Functions that a call of `name` can lead to."""
    reached: set[str] = set()
    open_names = list(calls[name])
    while open_names:
        if (other := open_names.pop()) not in reached:
            reached.add(other)
            open_names += calls[other]
    return reached
