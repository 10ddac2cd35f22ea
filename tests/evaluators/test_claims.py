"""What a child claims: anything at all either becomes a bounded value or a `WireError`."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.claims import bounded, call_path, claimed_failure, claimed_span, small_count, trouble_with
from graftwork.programs.errors import WireError
from graftwork.programs.trace import Feed, Span
from graftwork.programs.wire import to_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SPAN = Span(
    path="0.2.1",
    component="work",
    kind="prompt",
    inputs="{}",
    output="1",
    error="",
    seconds=0.5,
    input_tokens=3,
    feeds=(Feed(path="0.1", parameter="text", kind="exact"),),
)


def span_json(**changes: object) -> dict[str, object]:
    value = to_json(SPAN)
    assert isinstance(value, dict)
    return {**value, **changes}


def test_a_span_survives_and_is_always_marked_as_claimed() -> None:
    assert claimed_span(span_json()) == SPAN
    assert claimed_span(span_json(claimed=False)) == SPAN


@given(st.sampled_from(["path", "component", "kind", "inputs", "seconds", "input_tokens", "feeds"]), JSON)
def test_any_other_field_gives_a_bounded_span_or_a_wire_error(name: str, value: object) -> None:
    try:
        span = claimed_span(span_json(**{name: value}))
    except WireError:
        return
    assert len(span.inputs) <= 4000
    assert len(span.component) <= 200
    assert 0.0 <= span.seconds < float("inf")
    assert span.kind != "model_call"
    assert span.inputs.encode().decode() == span.inputs


@given(JSON)
def test_anything_is_a_failure_with_a_known_kind_or_a_wire_error(value: object) -> None:
    with pytest.raises(WireError):
        claimed_failure(value)
    with pytest.raises(WireError):
        claimed_failure({"kind": value, "message": "m"})


@given(st.text(alphabet=st.characters(codec=None), max_size=50), st.integers(0, 20))
def test_a_bounded_text_can_be_encoded_and_is_short(text: str, most: int) -> None:
    short = bounded(text, most)
    assert short.encode().decode() == short
    assert len(short) <= most


@given(st.text(alphabet=st.characters(codec=None), max_size=50))
def test_a_bounded_text_holds_no_control_character_but_new_lines_and_tabs(text: str) -> None:
    assert {character for character in bounded(f"{text}\x1b") if unicodedata.category(character) == "Cc"} <= {"\n", "\t"}


@given(JSON.filter(lambda value: not any(word in repr(value) for word in ("inf", "nan", "\\ud"))))
def test_plain_values_are_no_trouble_until_they_are_too_long(value: object) -> None:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    assert trouble_with(value, size) == ""
    assert trouble_with(value, size - 1) == f"{size} bytes are more than {size - 1}"


@pytest.mark.parametrize("wrap", [lambda inner: [1, inner], lambda inner: {"a": inner, "b": 1}])
def test_a_value_has_at_most_64_levels(wrap: Callable[[object], object]) -> None:
    value: object = "x"
    for _ in range(64):
        value = wrap(value)
    assert trouble_with(value, 10_000) == ""
    assert trouble_with(wrap(value), 10_000) == "it is nested deeper than 64 levels"
    for _ in range(5_000):
        value = wrap(value)
    assert trouble_with(value, 10_000) == "it is nested deeper than 64 levels"


@pytest.mark.parametrize("value", [[float("inf")], {"a": float("nan")}, "\ud800", {"\ud800": 1}])
def test_what_no_json_text_holds_is_trouble(value: object) -> None:
    assert trouble_with(value, 1000).startswith("expected finite numbers and valid text")


@pytest.mark.parametrize("path", ["", "0", "0.12.3"])
def test_paths_are_numbers_with_dots(path: str) -> None:
    assert call_path(path) == path


@pytest.mark.parametrize("path", ["..", "0.", ".0", "0/1", "0 ", "0\n", "²", "0." * 100 + "0", "1234567", None, 0])
def test_nothing_else_is_a_path(path: object) -> None:
    with pytest.raises(WireError, match="call path"):
        call_path(path)


@pytest.mark.parametrize("count", [True, -1, 1.0, "1", None, 11])
def test_counts_are_small_integers(count: object) -> None:
    with pytest.raises(WireError, match="integer from 0 to 10"):
        small_count(count, 10)
