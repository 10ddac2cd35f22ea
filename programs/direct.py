"""Direct: complete a request without a session, with the `openai` client. What `python program.py` and an export do.

An export carries this file. The client is imported at the first call only: a program that asks nothing needs nothing.
"""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from .converse import converse
from .render import arguments_of

__all__ = ["answered", "complete_request"]

DEFAULT_MODEL: Final = ""
MAX_TOKENS: Final = 0
ROLES: Final = ("task", "proposer", "judge")


def answered(function: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Any]:
    """A prompt as a function that asks the endpoint by itself."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return converse(function, arguments_of(function, args, kwargs), options, lambda body: complete_request(body))  # noqa: PLW0108 - looked up at the call

    return call


def complete_request(body: dict[str, Any]) -> dict[str, Any]:
    """Answer one request at OPENAI_BASE_URL with OPENAI_API_KEY; the model is the one that the prompt names, or GRAFTWORK_MODEL.

    A role of a run (`model="task"`) names none: outside a run all roles are played by the same model.

    Raises:
        RuntimeError: If no model is named.
    """
    import openai

    named = body.get("model")
    model = (named if named not in ROLES else "") or os.environ.get("GRAFTWORK_MODEL") or DEFAULT_MODEL
    if not model:
        raise RuntimeError("no model: set GRAFTWORK_MODEL (and OPENAI_API_KEY, OPENAI_BASE_URL), or name one in @prompt(model=...)")
    body = body | {"model": model}
    if MAX_TOKENS:
        body["max_tokens"] = min(body.get("max_tokens") or MAX_TOKENS, MAX_TOKENS)
    with openai.OpenAI(max_retries=5) as client:
        try:
            choice = client.chat.completions.create(**body).choices[0]
        except openai.BadRequestError as error:
            if "response_format" not in body or "response_format" not in str(error):
                raise
            del body["response_format"]  # the prompt asks for the format in words too
            choice = client.chat.completions.create(**body).choices[0]
    message = choice.message
    calls = [{"id": call.id, "name": call.function.name, "arguments": call.function.arguments} for call in message.tool_calls or ()]
    return {"text": message.content or "", "tool_calls": calls, "refusal": message.refusal, "finish_reason": choice.finish_reason}
