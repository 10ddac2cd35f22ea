"""Render: from a prompt and its arguments to the body of a chat completion. One renderer serves the run and the export.

Constant text comes first (instruction, output format, demonstrations) and inputs last, so that an endpoint's prefix cache helps.
An export carries this file; standard library only.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict, get_type_hints

from .decode import STRUCTURES, as_text, is_structured, response_format, schema_of, wording, written

__all__ = ["TOOLS", "Demonstration", "PromptOptions", "arguments_of", "render", "tool_schema"]


# An export leaves out what is behind it, `if TOOLS and …`, where no prompt of its program has tools.
TOOLS: Final[bool] = True


class Demonstration(TypedDict):
    """An example that a prompt shows to the model; JSON literals."""

    inputs: Mapping[str, Any]
    output: Any


class PromptOptions(TypedDict, total=False):
    """What `@prompt(...)` accepts."""

    tools: Sequence[Callable[..., Any]]
    demos: Sequence[Demonstration]
    model: str
    temperature: float
    max_tokens: int
    top_p: float


def arguments_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by parameter, defaults included, in the order of the signature.

    Raises:
        TypeError: If the call does not fit the signature.
    """
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def render(function: Callable[..., Any], arguments: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a prompt's first request.

    `{name}` in the docstring is replaced where `name` is a parameter, every other brace is literal; parameters that it does not
    mention follow as labelled fields. A docstring without such places is the system message.

    Args:
        function: The prompt: its docstring is the instruction, its signature the interface.
        arguments: By parameter.
        options: What the prompt's decorator was given.
    """
    instruction, returns = inspect.cleandoc(function.__doc__ or ""), get_type_hints(function).get("return", str)
    places = {name for name in re.findall(r"\{(\w+)\}", instruction) if name in inspect.signature(function).parameters}
    constant = "\n\n".join(part for part in ("" if places else instruction, wording(returns)) if part)
    messages = [{"role": "system", "content": constant}] if constant else []
    for demo in options.get("demos", ()):
        messages.append({"role": "user", "content": user_text(instruction, places, demo["inputs"])})
        messages.append({"role": "assistant", "content": written(demo["output"], returns)})
    messages.append({"role": "user", "content": user_text(instruction, places, arguments)})
    body: dict[str, Any] = {"messages": messages}
    body |= {name: value for name, value in options.items() if name not in ("tools", "demos") and value is not None}
    if TOOLS and (tools := options.get("tools")):
        body["tools"] = [tool_schema(tool) for tool in tools]
    if STRUCTURES and is_structured(returns):
        body["response_format"] = response_format(returns)
    return body


def user_text(instruction: str, places: set[str], arguments: Mapping[str, Any]) -> str:
    """The part of a request that changes: the instruction with its places filled, then the other arguments as labelled fields."""
    texts = {name: as_text(value) for name, value in arguments.items()}
    filled = re.sub(r"\{(\w+)\}", lambda m: texts.get(m[1], m[0]) if m[1] in places else m[0], instruction) if places else ""
    labelled = [f"{name}:{chr(10) if chr(10) in text else ' '}{text}" for name, text in texts.items() if name not in places]
    # Some endpoints refuse a conversation without a user's message.
    return "\n\n".join(part for part in (filled, *labelled) if part) or "Begin."


def tool_schema(tool: Callable[..., Any]) -> dict[str, Any]:
    """A tool as a request describes it."""
    parameters, hints = inspect.signature(tool).parameters, get_type_hints(tool)
    schema = {
        "type": "object",
        "properties": {name: schema_of(hints.get(name, Any)) for name in parameters},
        "required": [name for name, parameter in parameters.items() if parameter.default is parameter.empty],
    }
    description = inspect.cleandoc(tool.__doc__ or "")
    return {"type": "function", "function": {"name": tool.__name__, "description": description, "parameters": schema}}
