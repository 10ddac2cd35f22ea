"""The OpenAI-compatible model, against a real endpoint on this machine."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from graftwork.programs.errors import CallFailed, EndpointError
from graftwork.programs.model import Model
from graftwork.programs.openai_model import OpenAIModel

from .conformance import ModelConformance, body_of, using
from .endpoint import Answer, Endpoint, completion, serving


def _error(status: int, message: str, *, code: str | None = None, **headers: str) -> Answer:
    return Answer(status=status, body={"error": {"message": message, "type": "x", "code": code}}, headers=headers)


def _answer(body: dict[str, Any]) -> Answer:
    text = str(body["messages"][-1]["content"])
    return {"ping": completion("pong"), "bad": _error(400, "bad request"), "broken": _error(503, "overloaded")}[text]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(_answer) as endpoint:
        yield endpoint


def _model(endpoint: Endpoint, **options: Any) -> OpenAIModel:
    return OpenAIModel(**{"model": "small", "base_url": endpoint.url, "api_key": "k", "timeout_s": 5.0, **options})


class TestOpenAIModel(ModelConformance):
    @pytest.fixture
    def model(self, endpoint: Endpoint) -> Model:
        return _model(endpoint)


def _ask(model: OpenAIModel, body: dict[str, object] | None = None) -> str:
    return using(model, lambda m: m.complete(body or body_of("ping"), draw="0")).text


def test_a_reply_carries_the_endpoints_counts(endpoint: Endpoint) -> None:
    reply = using(_model(endpoint), lambda m: m.complete(body_of("ping"), draw="0"))
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 3)
    assert reply.model == "small-1"


def test_every_field_of_a_body_reaches_the_endpoint_also_one_that_the_client_does_not_know(endpoint: Endpoint) -> None:
    body = body_of("ping") | {"temperature": 0.5, "top_k": 3}
    _ask(_model(endpoint), body)
    assert endpoint.requests == [body | {"model": "small"}]
    assert endpoint.keys == ["Bearer k"]


def test_a_model_named_by_the_request_is_asked_instead(endpoint: Endpoint) -> None:
    _ask(_model(endpoint), body_of("ping") | {"model": "large"})
    assert endpoint.requests[0]["model"] == "large"


def test_wishes_to_call_tools_are_handed_on(endpoint: Endpoint) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "calculate", "arguments": '{"x": 1}'}}
    endpoint.script = lambda _: completion(None, tool_calls=[call])
    reply = using(_model(endpoint), lambda m: m.complete(body_of("ping"), draw="0"))
    assert reply.text == ""
    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [("c1", "calculate", '{"x": 1}')]
    assert reply.finish_reason == "tool_calls"


def test_an_answer_without_counts_is_booked_at_a_token_a_byte(endpoint: Endpoint) -> None:
    endpoint.script = lambda _: completion("four", usage=False)
    usage = using(_model(endpoint), lambda m: m.complete(body_of("ping"), draw="0")).usage
    assert usage.output_tokens == 4
    assert usage.input_tokens > len("ping")


@pytest.mark.parametrize(
    ("status", "header", "wanted"),
    [
        (429, {"retry-after": "2.5"}, 2.5),
        (503, {"retry-after": "0"}, 0.0),
        (429, {}, 0.0),
        (429, {"retry-after": "nan"}, 0.0),
        (429, {"retry-after": "-1"}, 0.0),
        (429, {"retry-after": "soon"}, 0.0),
        (429, {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        (500, {"retry-after": "2.5"}, None),
    ],
)
def test_a_busy_endpoint_says_how_long_it_wants_to_be_left_alone(
    endpoint: Endpoint, status: int, header: dict[str, str], wanted: float | None
) -> None:
    endpoint.script = lambda _: _error(status, "later", **header)
    with pytest.raises(CallFailed, match="later") as caught:
        _ask(_model(endpoint))
    assert caught.value.retry_after_s == wanted
    assert (caught.value.failure.kind, caught.value.in_doubt, caught.value.refused) == ("model", False, False)
    assert len(endpoint.requests) == 1


def test_a_date_to_be_asked_again_at_is_read(endpoint: Endpoint) -> None:
    endpoint.script = lambda _: _error(
        429, "later", **{"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)}
    )
    with pytest.raises(CallFailed) as caught:
        _ask(_model(endpoint))
    assert 90 < (caught.value.retry_after_s or 0) <= 100


def test_a_connection_that_nobody_takes_is_not_in_doubt() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(CallFailed) as caught:
        _ask(OpenAIModel(model="small", base_url=url))
    assert (caught.value.failure.kind, caught.value.in_doubt, caught.value.refused) == ("model", False, True)


def test_a_timeout_is_in_doubt_because_its_tokens_may_have_been_counted(endpoint: Endpoint) -> None:
    def slow(_: dict[str, Any]) -> Answer:
        time.sleep(0.6)
        return completion("pong")

    endpoint.script = slow
    with pytest.raises(CallFailed) as caught:
        _ask(_model(endpoint, timeout_s=0.2))
    assert (caught.value.failure.kind, caught.value.in_doubt, caught.value.refused) == ("model", True, False)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_error(401, "wrong key"), "refuses the key"),
        (_error(403, "not yours"), "refuses the key"),
        (_error(404, "no such model"), "does not know model 'small'"),
        (_error(429, "quota", code="insufficient_quota"), "used up"),
    ],
)
def test_a_refused_key_name_or_account_ends_the_run_with_one_line(endpoint: Endpoint, answer: Answer, said: str) -> None:
    endpoint.script = lambda _: answer
    with pytest.raises(EndpointError, match=said) as caught:
        _ask(_model(endpoint))
    assert "\n" not in str(caught.value)
    assert len(endpoint.requests) == 1


def test_an_unknown_model_that_a_program_names_is_the_programs_fault(endpoint: Endpoint) -> None:
    endpoint.script = lambda _: _error(404, "no such model")
    with pytest.raises(CallFailed) as caught:
        _ask(_model(endpoint), body_of("ping") | {"model": "large"})
    assert caught.value.failure.kind == "invalid"


def test_a_schema_that_the_endpoint_does_not_take_is_left_out_of_that_request_alone(endpoint: Endpoint) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        is_bad = body.get("response_format", {}).get("type") == "json_schema"
        return _error(400, "invalid json_schema in response_format") if is_bad else completion("pong")

    endpoint.script = answer
    model = _model(endpoint)
    bad, good = ({**body_of("ping"), "response_format": {"type": kind}} for kind in ("json_schema", "json_object"))
    assert [_ask(model, body) for body in (bad, good, bad)] == ["pong"] * 3
    sent = [request.get("response_format", {}).get("type") for request in endpoint.requests]
    assert sent == ["json_schema", None, "json_object", "json_schema", None]


def test_a_request_that_is_refused_without_its_schema_too_is_the_programs_fault(endpoint: Endpoint) -> None:
    endpoint.script = lambda _: _error(400, "no response_format here, nor anything else")
    with pytest.raises(CallFailed) as caught:
        _ask(_model(endpoint), body_of("ping") | {"response_format": {"type": "json_object"}})
    assert (caught.value.failure.kind, caught.value.in_doubt, len(endpoint.requests)) == ("invalid", False, 2)


@pytest.mark.parametrize("body", [{}, {"choices": []}, "hello"])
def test_an_answer_that_is_no_completion_is_the_endpoints_fault(endpoint: Endpoint, body: object) -> None:
    endpoint.script = lambda _: Answer(body=body)
    with pytest.raises(CallFailed) as caught:
        _ask(_model(endpoint))
    assert caught.value.failure.kind == "model"


def test_preflight_passes_an_endpoint_that_lists_the_model_and_pays_for_nothing(endpoint: Endpoint) -> None:
    asyncio.run(_model(endpoint).preflight())
    assert endpoint.requests == []
    assert endpoint.keys == ["Bearer k"]


def test_preflight_passes_an_endpoint_that_lists_nothing(endpoint: Endpoint) -> None:
    endpoint.models = _error(404, "no such path")
    asyncio.run(_model(endpoint).preflight())
    assert endpoint.keys == ["Bearer k"]


def test_preflight_names_models_like_the_unknown_one(endpoint: Endpoint) -> None:
    with pytest.raises(EndpointError, match="has no model 'smal': name one that it lists, such as small"):
        asyncio.run(_model(endpoint, model="smal").preflight())


def test_preflight_says_that_the_key_is_refused(endpoint: Endpoint) -> None:
    endpoint.models = _error(401, "wrong key")
    with pytest.raises(EndpointError, match="refuses the key"):
        asyncio.run(_model(endpoint).preflight())


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/v1", "nonsense"])
def test_preflight_says_that_nobody_answers(url: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = OpenAIModel(model="small", base_url=url.format(port=port))
    with pytest.raises(EndpointError, match="nobody answers at"):
        asyncio.run(model.preflight())


def test_its_key_is_not_shown() -> None:
    assert "secret" not in repr(OpenAIModel(model="small", api_key="secret"))
