"""Model: the transport seam. One request in, one reply out; who pays, caches and caps stands in `evaluators/`.

A request is the body of an OpenAI-compatible chat completion without its `model` unless the program names one.
`draw` tells equal requests apart: the same (body, draw) may be answered from a record, another draw is a fresh sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = ["Model", "Reply", "Role", "ToolCall", "Usage"]

Role = Literal["proposer", "task", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one or more model calls, as the endpoint counted them, and their list price.

    Attributes:
        input_tokens: Prompt tokens, at least 0.
        output_tokens: Generated tokens, at least 0.
        usd: List price of those tokens in US dollars, at least 0.0; 0.0 where no price is known.
        calls: Number of calls summed here.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    calls: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=self.usd + other.usd,
            calls=self.calls + other.calls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A model's wish to call a tool.

    Attributes:
        id: The endpoint's id of the call; the tool's answer carries it back.
        name: The tool's name.
        arguments: JSON text as the model wrote it; may be broken.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer.

    Attributes:
        text: The message's content; empty when only tools are called.
        tool_calls: Wishes to call tools, in the model's order.
        finish_reason: The endpoint's word: `stop`, `length`, `tool_calls`, `content_filter`, …
        usage: What it cost.
        model: The model that answered, as the endpoint names it.
        refusal: The model's refusal, where it gave one.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    refusal: str | None = None


class Model(Protocol):
    """A chat model behind a transport. Implementations hold no budget and no cache.

    Every implementation passes `tests/programs/conformance.py::ModelConformance`.
    """

    @property
    def alias(self) -> str:
        """The name under which replies are recorded: part of the call-cache key; never a secret."""
        ...

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        """Answer one request.

        Args:
            body: Chat-completion body: `messages`, `max_tokens`, and what the prompt sets.
            draw: Tells repeated equal requests apart; a scripted model's reply is a function of (body, draw).

        Raises:
            CallFailed: With kind `model` (429, 5xx, transport) or `invalid` (the endpoint rejects the request).
            EndpointError: The key or the model's name is refused: the run cannot go on.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. Calling it twice is harmless."""
        ...
