"""Converse: carry a prompt to its value: ask, let the model use tools, read the reply, ask once more if it cannot be read.

An export carries this file; standard library only. Who completes a request is an argument.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

from .decode import Unreadable, as_text, read_reply, wording
from .render import TOOLS, render

__all__ = ["MAX_READS", "MAX_TURNS", "Unanswered", "converse"]

MAX_READS: Final = 2
MAX_TURNS: Final = 6
MAX_TOOL_TEXT: Final = 8000
TOOL_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, SyntaxError, TypeError, ValueError)

Complete = Callable[[dict[str, Any]], Mapping[str, Any]]


class Unanswered(ValueError):
    """A prompt gave no output that can be read, also when asked a second time."""


def converse(function: Callable[..., Any], arguments: Mapping[str, Any], options: Mapping[str, Any], complete: Complete) -> Any:
    """The output of a prompt.

    Args:
        function: The prompt.
        arguments: By parameter.
        options: What its decorator was given.
        complete: Answers a request: from a body to a mapping with `text`, and maybe `tool_calls` (each with `id`, `name`,
            `arguments`), `refusal` and `finish_reason`.

    Raises:
        Unanswered: If two replies in a row are empty, refuse, or cannot be read as the annotated type.
    """
    body, returns = render(function, arguments, options), get_type_hints(function).get("return", str)
    trouble = ""
    for _ in range(MAX_READS):
        reply = complete(body)
        if TOOLS and (tools := options.get("tools")):
            reply = use_tools(body, reply, {tool.__name__: tool for tool in tools}, complete)
        text = str(reply.get("text") or "")
        try:
            return read_reply(text, returns, refusal=reply.get("refusal") or "")
        except Unreadable as error:
            trouble = f"{error} (cut off at max_tokens)" if reply.get("finish_reason") == "length" else str(error)
        answer = [{"role": "assistant", "content": text}] if text else []
        again = f"This could not be read: {trouble}. {wording(returns) or 'Reply with the answer.'}"
        body = body | {"messages": [*body["messages"], *answer, {"role": "user", "content": again}]}
    raise Unanswered(f"{function.__name__}: {trouble}")


def use_tools(body: dict[str, Any], reply: Mapping[str, Any], tools: Mapping[str, Any], complete: Complete) -> Mapping[str, Any]:
    """The first reply that asks for no tool, this one or a later; the last turn allows none."""
    for turn in range(MAX_TURNS - 1):
        calls = reply.get("tool_calls") or spoken_calls(reply.get("text") or "", tools, name=f"call_{turn}")
        if not calls:
            break
        asked = [{"id": call["id"], "type": "function", "function": {k: call[k] for k in ("name", "arguments")}} for call in calls]
        told = [{"role": "tool", "tool_call_id": call["id"], "content": tool_text(call, tools)} for call in calls]
        answer = {"role": "assistant", "content": reply.get("text") or "", "tool_calls": asked}
        body = body | {"messages": [*body["messages"], answer, *told]}
        reply = complete(body | {"tool_choice": "none"} if turn == MAX_TURNS - 2 else body)
    return reply


def spoken_calls(text: str, tools: Mapping[str, Any], *, name: str) -> list[dict[str, str]]:
    """The tool call that a reply spells out as JSON text, as small models do instead of making it."""
    spelt = re.fullmatch(r"(?:```\w*|<tool_call>)?\s*(\{.*\})\s*(?:```|</tool_call>)?", text.strip(), re.DOTALL)
    try:
        call = json.loads(spelt[1]) if spelt else {}
    except (ValueError, RecursionError):
        return []
    if call.keys() != {"name", "arguments"} or str(call["name"]) not in tools:
        return []
    return [{"id": name, "name": str(call["name"]), "arguments": json.dumps(call["arguments"])}]


def tool_text(call: Mapping[str, Any], tools: Mapping[str, Callable[..., Any]]) -> str:
    """What a tool answered, or what was wrong with the call, as text."""
    try:
        if call["name"] not in tools:
            raise LookupError(f"there is no tool {call['name']!r}, only {', '.join(tools)}")
        arguments = json.loads(call["arguments"] or "{}")
        if not isinstance(arguments, dict):
            raise TypeError("expected a JSON object of arguments")
        return as_text(tools[call["name"]](**arguments))[:MAX_TOOL_TEXT]
    except TOOL_ERRORS as error:
        return f"error: {type(error).__name__}: {error}"[:MAX_TOOL_TEXT]
