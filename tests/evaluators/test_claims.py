"""What a child claims: anything at all either becomes a bounded value or a `WireError`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.claims import bounded, call_path, claimed_failure, claimed_span, small_count
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
    assert span.inputs.encode()


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
