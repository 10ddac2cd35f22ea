"""Requests of hostile programs: known fields pass, checked; the rest is dropped; what is wrong is refused by name."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.chat_request import sanitise_request
from graftwork.evaluators.prices import Price
from graftwork.programs.errors import CallFailed

HELLO = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "calculate", "description": "Sums.", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True}}
TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "calculate", "arguments": "{}"}}


def test_a_whole_good_request_passes_unchanged() -> None:
    body = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "2 + 2?"}], "name": "someone"},
            {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
            {"role": "tool", "content": "4", "tool_call_id": "c1"},
        ],
        "temperature": 0.5,
        "top_p": 1,
        "tools": [TOOL],
        "tool_choice": "auto",
        "response_format": SCHEMA,
        "stop": ["\n"],
        "seed": 7,
        "model": "small",
        "max_tokens": 40,
    }
    assert sanitise_request(body, max_tokens=50, models={"small"}).body == body


def test_unknown_fields_are_dropped() -> None:
    body = {"messages": [{**HELLO, "audio": {}}], "n": 100, "stream": True, "user": "me", "extra_headers": {"a": "b"}, "store": True}
    assert sanitise_request(body, max_tokens=50).body == {"messages": [HELLO], "max_tokens": 50}


@pytest.mark.parametrize(("asked", "sent"), [(None, 50), (7, 7), (50, 50), (10**9, 50)])
def test_max_tokens_is_always_sent_and_never_above_the_cap(asked: int | None, sent: int) -> None:
    request = sanitise_request({"messages": [HELLO], "max_tokens": asked}, max_tokens=50)
    assert request.body["max_tokens"] == request.max_tokens == sent


IMAGE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/secret"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"messages": None}, "messages must be a list"),
        ({"messages": []}, "messages must be at least one message"),
        ({"messages": [HELLO] * 257}, "a list of at most 256"),
        ({"messages": ["hello"]}, "messages must be an object, not str 'hello'"),
        ({"messages": [{"role": "root", "content": "x"}]}, "role must be one of assistant"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "role must be one of"),
        ({"messages": [{"role": "user", "content": None}]}, "content must be text"),
        ({"messages": [{"role": "assistant"}]}, "content must be text"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "content must be text or a list of text parts, not str 'image_url'"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "plain finite JSON"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id must be text"),
        ({"temperature": "hot"}, "temperature must be a number from 0 to 2, not str 'hot'"),
        ({"temperature": float("inf")}, "temperature must be"),
        ({"temperature": True}, "temperature must be"),
        ({"top_p": 1.5}, "top_p must be a number from 0 to 1"),
        ({"max_tokens": 0}, "max_tokens must be an integer of at least 1"),
        ({"max_tokens": 1.5}, "max_tokens must be"),
        ({"seed": 2**63}, "seed must be a 64-bit integer"),
        ({"stop": ["a"] * 5}, "stop must be a list of at most 4"),
        ({"tools": [{"function": {"name": "a b"}}]}, "tools must be a name"),
        ({"tools": [{"function": {"name": "a", "parameters": {"x": float("nan")}}}]}, "plain finite JSON"),
        ({"tool_choice": "any"}, "tool_choice must be an object"),
        ({"response_format": {"type": "xml"}}, "response_format must be of type text"),
        ({"response_format": {"type": ["text"]}}, "response_format must be of type text"),
        ({"model": "big"}, "model must be one of small, not str 'big'"),
        ({"model": ["small"]}, "model must be one of small"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name_as_the_programs_fault(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CallFailed) as caught:
        sanitise_request({"messages": [HELLO], **changes}, max_tokens=50, models={"small"})
    assert caught.value.failure.kind == "invalid"
    assert message in caught.value.failure.message
    assert len(caught.value.failure.message) < 300


def test_deep_nesting_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(CallFailed, match="plain finite JSON"):
        sanitise_request({"messages": [HELLO], "tools": [{"function": {"name": "f", "parameters": deep}}]}, max_tokens=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["messages", "temperature", "tools", "tool_choice", "response_format", "stop", "seed", "model", "max_tokens", "n"])


@given(st.dictionaries(FIELDS, JSON))
def test_no_body_makes_it_raise_anything_else(changes: dict[str, Any]) -> None:
    with contextlib.suppress(CallFailed):
        request = sanitise_request({"messages": [HELLO], **changes}, max_tokens=50)
        assert 1 <= request.max_tokens <= 50
        assert set(request.body) <= {"messages", "max_tokens", *changes} - {"n", "model"}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(min_value=1, max_value=5))
def test_the_bound_counts_every_byte_and_each_message(text: str, n_messages: int) -> None:
    messages = [{"role": "user", "content": text}] * n_messages
    request = sanitise_request({"messages": messages}, max_tokens=50)
    bound = request.upper_bound(Price(input_usd_per_mtok=1e6, output_usd_per_mtok=1e6))
    assert bound.input_tokens >= n_messages * (len(text.encode()) + 64)
    assert (bound.output_tokens, bound.calls, bound.usd) == (50, 1, bound.tokens)
