"""Trace: the spans of one program on one example, and which earlier spans fed each. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Feed", "FeedKind", "Span", "SpanKind"]

SpanKind = Literal["prompt", "tool", "function", "model_call", "step"]
FeedKind = Literal["exact", "contains", "static"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """An edge from an earlier span's output into this span.

    Attributes:
        path: Path of the earlier span.
        parameter: The parameter that it reached; empty where only the rendered input shows it.
        kind: `exact` (the argument is, or equals and is at least 8 characters long, the earlier output), `contains` (its text
            stands in the rendered input), `static` (data flow allows it, nothing was seen; from `static_feeds`, never recorded).
    """

    path: str
    parameter: str
    kind: FeedKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One call of a component, one model call, or one step of an environment, while a program ran on one example.

    Attributes:
        path: Place in the call tree, such as `0.2.1`: branch indices of `parallel` and `vote` included; unique in a trace.
        component: The component's name; `environment` for a step.
        kind: What was called.
        inputs: JSON text of the arguments by parameter, bounded to 4,000 characters.
        output: JSON text of the result, bounded likewise; empty when it raised.
        error: One line; empty when it returned.
        seconds: Wall seconds.
        input_tokens: Prompt tokens of the model call(s) of this span.
        output_tokens: Generated tokens, likewise.
        feeds: Edges from earlier spans.
        claimed: Whether the untrusted child told it (True), or our gateway saw it (False).
    """

    path: str
    component: str
    kind: SpanKind
    inputs: str
    output: str = ""
    error: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    feeds: tuple[Feed, ...] = ()
    claimed: bool = True
