"""OpenAIModel: a chat model behind an OpenAI-compatible endpoint, through the `openai` package."""

from __future__ import annotations

import asyncio
import difflib
import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Annotated, Final

import openai
from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from .errors import CallFailed, EndpointError
from .failure import Failure, FailureKind
from .model import Reply, ToolCall, Usage

__all__ = ["OpenAIModel"]

OPENAI_URL: Final = "https://api.openai.com/v1"
BUSY: Final = frozenset((408, 409, 429))
NOT_REACHED: Final = frozenset(("ConnectError", "ConnectTimeout"))  # by name: which package they come from is the client's affair


@dataclass(slots=True, kw_only=True, eq=False)
class OpenAIModel:
    """A chat model at an endpoint.

    It sends a request once: whoever keeps the ledger, and knows how the endpoint fares, decides whether and when to send it again.

    Attributes:
        model: The model's name at the endpoint; a request that names another keeps its own.
        base_url: The endpoint, with its `/v1`; OpenAI's own if not given.
        api_key: Sent with each request; empty for endpoints that want none.
        alias: The name under which replies are recorded; the model's name if not given.
        timeout_s: For one attempt.
    """

    model: str
    base_url: str | None = None
    api_key: str = field(default="", repr=False)
    alias: str = ""
    timeout_s: float = 600.0
    _client: openai.AsyncOpenAI | None = field(default=None, init=False, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.alias = self.alias or self.model
        self.base_url = (self.base_url or OPENAI_URL).rstrip("/")

    async def complete(self, body: Mapping[str, object], *, draw: str) -> Reply:
        """Answer one request; see `Model.complete`.

        Every call is a fresh sample, whatever the draw. A request whose schema the endpoint does not take is sent once more without it:
        the prompt asks for it in words too. Nothing is concluded for the next request: the schema may be at fault, not the endpoint, and
        one program must not change what another is given.
        """
        request = dict(body)
        try:
            return self._reply(await self._send(request), request)
        except openai.BadRequestError as error:
            if "response_format" not in request or not _is_about_schema(error):
                raise self._failed("invalid", error) from None
            plain = {name: value for name, value in request.items() if name != "response_format"}
            return await self.complete(plain, draw=draw)
        except openai.APIStatusError as error:
            if not (error.status_code in BUSY or error.status_code >= 500) or error.code == "insufficient_quota":
                raise self._refused(error, named="model" in body) from None
            raise self._failed("model", error) from None
        except (openai.APIConnectionError, openai.APIResponseValidationError, json.JSONDecodeError) as error:
            raise self._failed("model", error) from None

    async def preflight(self) -> None:
        """See that the endpoint answers, takes the key and knows the model, without paying for anything.

        Raises:
            EndpointError: If it does not; an endpoint that cannot list models passes.
        """
        async with self._new_client() as client:
            try:
                known = [model.id for model in (await client.models.list()).data or ()]
            except openai.APIConnectionError as error:
                cause = error.__cause__ or error
                raise EndpointError(f"nobody answers at {self.base_url} ({cause}): start the server or correct the base URL") from None
            except openai.APIStatusError as error:
                if error.status_code in (404, 405, 501):
                    return
                raise self._refused(error, named=False) from None
        if known and self.model not in known:
            near = difflib.get_close_matches(self.model, known, n=3, cutoff=0.3) or known[:3]
            raise EndpointError(f"{self.base_url} has no model {self.model!r}: name one that it lists, such as {', '.join(near)}")

    async def aclose(self) -> None:
        """Release connections. Calling it twice is harmless."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _new_client(self) -> openai.AsyncOpenAI:
        # The client insists on a key; endpoints without keys ignore it. Its other transport takes twice the CPU, and more with each
        # connection.
        return openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.api_key or "none",
            timeout=self.timeout_s,
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(timeout=self.timeout_s),
        )

    async def _send(self, request: Mapping[str, object]) -> object:
        """The endpoint's JSON as it came; the client's own types would be made of each part, and checked nowhere."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:  # connections belong to the loop that opened them
            self._client, self._loop = self._new_client(), loop
        fields = {name: value for name, value in request.items() if name != "stream"}
        body = {**fields, "model": fields.get("model") or self.model}
        # The whole address: the client takes longer to join its parts than to make JSON of the body.
        return await self._client.post(f"{self.base_url}/chat/completions", body=body, cast_to=object)

    def _reply(self, completion: object, request: Mapping[str, object]) -> Reply:
        try:
            answer = _Completion.model_validate(completion)
        except ValidationError as error:
            said, where = str(completion)[:500], ".".join(map(str, error.errors()[0]["loc"])) or "no object"
            raise CallFailed(
                Failure(kind="model", message=f"{self.alias}: the endpoint's answer is no chat completion ({where})", detail=said)
            ) from None
        choice = answer.choices[0]
        text = choice.message.content or ""
        calls = (call for call in choice.message.tool_calls or () if call.type == "function")
        return Reply(
            text=text,
            tool_calls=tuple(ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments) for call in calls),
            finish_reason=choice.finish_reason or "stop",
            usage=_usage(answer.usage, request, text),
            model=answer.model or self.model,
            refusal=choice.message.refusal,
        )

    def _failed(self, kind: FailureKind, error: Exception) -> CallFailed:
        message = f"{self.alias}: {type(error).__name__}: {error}".split("\n", 1)[0][:400]
        failure = Failure(kind=kind, message=message, detail=str(getattr(error, "body", "") or "")[:2000])
        refused = type(error.__cause__).__name__ in NOT_REACHED
        # An endpoint that answers with a status served nothing, nor did one that was not reached; one that broke off may have counted.
        in_doubt = not refused and not isinstance(error, openai.APIStatusError)
        return CallFailed(failure, in_doubt=in_doubt, refused=refused, retry_after_s=_retry_after_s(error))

    def _refused(self, error: openai.APIStatusError, *, named: bool) -> CallFailed | EndpointError:
        """What a 4xx means: the key, the model's name or the account is refused, or only this request."""
        said = str(error.message).split("\n", 1)[0][:200]
        if error.status_code in (401, 403):
            return EndpointError(f"{self.base_url} refuses the key ({error.status_code}: {said}): set OPENAI_API_KEY to a valid one")
        if error.status_code == 402 or error.code == "insufficient_quota":
            return EndpointError(f"the account at {self.base_url} is used up ({error.status_code}: {said}): top it up or use another")
        if error.status_code >= 500:
            return EndpointError(f"{self.base_url} is in trouble ({error.status_code}: {said}): try again later")
        if error.status_code == 404 and not named:
            return EndpointError(f"{self.base_url} does not know model {self.model!r} or the path ({said}): check both")
        return self._failed("invalid", error)


class _Function(BaseModel):
    name: str = ""
    arguments: str = ""


class _ToolCall(BaseModel):
    id: str = ""
    type: str = "function"
    function: _Function = _Function()


class _Message(BaseModel):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Counts(BaseModel):
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0


class _Completion(BaseModel):
    """What is used of a chat completion, whatever else an endpoint adds."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Counts | None = None
    model: str | None = None


def _usage(counted: _Counts | None, request: Mapping[str, object], text: str) -> Usage:
    """Tokens without a price, which whoever keeps the ledger knows."""
    # Where the endpoint does not count, a byte counts as a token: no tokenizer makes more of it.
    n_in = counted.prompt_tokens if counted else len(json.dumps(request, default=str, ensure_ascii=False).encode())
    n_out = counted.completion_tokens if counted else len(text.encode())
    return Usage(input_tokens=n_in, output_tokens=n_out, calls=1)


def _is_about_schema(error: openai.BadRequestError) -> bool:
    return any(word in str(error) for word in ("response_format", "json_schema", "json schema"))


def _retry_after_s(error: Exception) -> float | None:
    """For how long an endpoint that is busy wants to be left alone, 0 where it does not say; None where it is not busy."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in (*BUSY, 503):
        return None
    wanted = error.response.headers.get("retry-after", "")
    with suppress(ValueError):
        return _seconds(wanted)
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(wanted).timestamp() - time.time())
    return 0.0


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds
