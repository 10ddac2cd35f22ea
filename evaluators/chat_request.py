"""ChatRequest: a chat-completion body made safe to send. Only fields that are known pass, each checked; the rest is dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from graftwork.programs.errors import CallFailed
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage

from .canonical import canonical_json
from .prices import Price

__all__ = ["ChatRequest", "sanitise_request"]

# Chat templates wrap each message in a few special tokens and headers; known ones take fewer than 20.
_TEMPLATE_TOKENS_PER_MESSAGE: Final = 64
_BYTES_PER_TOKEN: Final = 4  # of English text, roughly
_MAX_MESSAGES: Final = 256
_MAX_TOOLS: Final = 64
_ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool"))
_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request that may be sent. Made by `sanitise_request`.

    Attributes:
        body: The chat-completion body, `max_tokens` always in it; plain JSON that UTF-8 can encode.
        n_bytes: Length of its canonical JSON.
        n_messages: How many messages it has, at least 1.
        max_tokens: The most that the model may generate.
    """

    body: Mapping[str, object]
    n_bytes: int
    n_messages: int
    max_tokens: int

    @property
    def model(self) -> str:
        """The model that it names, or the role whose model it asks for; empty where it names none."""
        return str(self.body.get("model", ""))

    @property
    def estimated_tokens(self) -> int:
        """What it may take of a rate: its bytes at four to a token, and all that it may generate."""
        return self.n_bytes // _BYTES_PER_TOKEN + self.max_tokens

    def without_model(self) -> ChatRequest:
        """The same request with its model left to the endpoint's default."""
        return replace(self, body={name: value for name, value in self.body.items() if name != "model"})

    def upper_bound(self, price: Price) -> Usage:
        """The most that it can cost.

        A token is at least one byte of text for every tokeniser that falls back to bytes, so the request's bytes bound
        its tokens; the chat template adds its own to each message.
        """
        input_tokens = self.n_bytes + _TEMPLATE_TOKENS_PER_MESSAGE * self.n_messages
        usd = price.usd(input_tokens=input_tokens, output_tokens=self.max_tokens)
        return Usage(input_tokens=input_tokens, output_tokens=self.max_tokens, usd=usd, calls=1)


def sanitise_request(body: Mapping[str, object], *, max_tokens: int, models: Collection[str] = ()) -> ChatRequest:
    """A request with the known fields of `body` and nothing else.

    Images, audio and files are refused: their tokens have no bound that we know, and a link would have the endpoint fetch it.

    Args:
        body: As untrusted code wrote it.
        max_tokens: The cap; a request that asks for fewer gets fewer.
        models: Models that a request may name, and roles whose model it may ask for.

    Raises:
        CallFailed: With kind `invalid`, naming the first field that is wrong.
    """
    messages = [_message(item) for item in _list(body.get("messages"), "messages", most=_MAX_MESSAGES)]
    if not messages:
        raise _invalid("messages", "at least one message", messages)
    clean: dict[str, object] = {"messages": messages}
    for field, check in _CHECKS.items():
        if body.get(field) is not None:
            clean[field] = check(body[field], field)
    if body.get("model") is not None:
        clean["model"] = _model(body["model"], models)
    asked = body.get("max_tokens")
    limit = max_tokens if asked is None else min(_integer(asked, "max_tokens", least=1), max_tokens)
    clean["max_tokens"] = limit
    try:
        n_bytes = len(canonical_json(clean))
    except (ValueError, TypeError, RecursionError) as error:
        raise CallFailed(Failure(kind="invalid", message=f"a model call must be plain finite JSON: {error}")) from None
    return ChatRequest(body=clean, n_bytes=n_bytes, n_messages=len(messages), max_tokens=limit)


def _invalid(field: str, expected: str, came: object) -> CallFailed:
    # The representation of a hostile value is cut before it is kept: it may be a megabyte long.
    shown = f"{type(came).__name__} {came!r:.80}" if isinstance(came, str | int | float | bool) else type(came).__name__
    return CallFailed(Failure(kind="invalid", message=f"a model call's {field} must be {expected}, not {shown}"))


def _message(value: object) -> dict[str, object]:
    message = _mapping(value, "messages")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise _invalid("role", f"one of {', '.join(sorted(_ROLES))}", role)
    clean: dict[str, object] = {"role": role, "content": _content(message.get("content"), role)}
    if role == "assistant" and message.get("tool_calls") is not None:
        clean["tool_calls"] = [_tool_call(item) for item in _list(message["tool_calls"], "tool_calls", most=_MAX_TOOLS)]
    if clean["content"] is None and "tool_calls" not in clean:
        raise _invalid("content", "text", None)
    if role == "tool":
        clean["tool_call_id"] = _text(message.get("tool_call_id"), "tool_call_id")
    elif message.get("name") is not None:
        clean["name"] = _name(message["name"], "name")
    return clean


def _content(value: object, role: str) -> object:
    if isinstance(value, str) or (value is None and role == "assistant"):
        return value
    if not isinstance(value, list):
        raise _invalid("content", "text or a list of text parts", value)
    parts = [_mapping(item, "content") for item in value]
    for part in parts:
        if part.get("type") != "text":
            raise _invalid("content", "text or a list of text parts", part.get("type"))
    return [{"type": "text", "text": _text(part.get("text"), "content")} for part in parts]


def _tool_call(value: object) -> dict[str, object]:
    call = _mapping(value, "tool_calls")
    function = _mapping(call.get("function"), "tool_calls")
    name, arguments = _name(function.get("name"), "tool_calls"), _text(function.get("arguments"), "tool_calls")
    return {"id": _text(call.get("id"), "tool_calls"), "type": "function", "function": {"name": name, "arguments": arguments}}


def _tools(value: object, field: str) -> list[dict[str, object]]:
    return [_tool(item) for item in _list(value, field, most=_MAX_TOOLS)]


def _tool(value: object) -> dict[str, object]:
    function = _mapping(_mapping(value, "tools").get("function"), "tools")
    clean: dict[str, object] = {"name": _name(function.get("name"), "tools")}
    if function.get("description") is not None:
        clean["description"] = _text(function["description"], "tools")
    if function.get("parameters") is not None:
        clean["parameters"] = _mapping(function["parameters"], "tools")
    if isinstance(function.get("strict"), bool):
        clean["strict"] = function["strict"]
    return {"type": "function", "function": clean}


def _tool_choice(value: object, field: str) -> object:
    if isinstance(value, str) and value in ("auto", "none", "required"):
        return value
    function = _mapping(_mapping(value, field).get("function"), field)
    return {"type": "function", "function": {"name": _name(function.get("name"), field)}}


def _response_format(value: object, field: str) -> dict[str, object]:
    given = _mapping(value, field)
    kind = given.get("type")
    if kind in ("text", "json_object"):
        return {"type": kind}
    if kind != "json_schema":
        raise _invalid(field, "of type text, json_object or json_schema", kind)
    schema = _mapping(given.get("json_schema"), field)
    clean: dict[str, object] = {"name": _name(schema.get("name"), field), "schema": _mapping(schema.get("schema"), field)}
    if isinstance(schema.get("strict"), bool):
        clean["strict"] = schema["strict"]
    return {"type": kind, "json_schema": clean}


def _stop(value: object, field: str) -> object:
    # Four is what the chat-completion interface allows.
    return value if isinstance(value, str) else [_text(item, field) for item in _list(value, field, most=4)]


def _seed(value: object, field: str) -> int:
    seed = _integer(value, field, least=-(2**63))
    if seed >= 2**63:
        raise _invalid(field, "a 64-bit integer", "a longer one")
    return seed


def _share(most: float) -> Callable[[object, str], float]:
    def check(value: object, field: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise _invalid(field, f"a number from 0 to {most:g}", value)
        return value

    return check


def _model(value: object, models: Collection[str]) -> str:
    if not isinstance(value, str) or value not in models:
        allowed = f"one of {', '.join(sorted(models))}" if models else "left out: this run lets programs name none"
        raise _invalid("model", allowed, value)
    return value


def _integer(value: object, field: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _invalid(field, f"an integer of at least {least}", value)
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise _invalid(field, "text", value)
    return value


def _name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _FUNCTION_NAME.fullmatch(value):
        raise _invalid(field, "a name of 1 to 64 letters, digits, _ and -", value)
    return value


def _mapping(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _invalid(field, "an object", value)
    return value


def _list(value: object, field: str, *, most: int) -> list[object]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise _invalid(field, f"a list of at most {most}", value)
    return list(value)


_CHECKS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "temperature": _share(2.0),
    "top_p": _share(1.0),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "stop": _stop,
    "seed": _seed,
}
