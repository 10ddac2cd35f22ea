"""Reading replies as typed values, and asking for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from graftwork.programs.decode import Unreadable, is_structured, read_reply, response_format, wording, written


@dataclass
class Plan:
    steps: list[str]
    n: int = 0
    notes: dict[str, float] = field(default_factory=dict)


class Note(TypedDict):
    text: str
    page: NotRequired[int]


class Card(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("42", int, 42),
        ("**42**", int, 42),
        ("$1,234.50", float, 1234.5),
        ("It costs $12.", float, 12.0),
        (r"So \boxed{-7} of 10", int, -7),
        ("3 + 4 = 7.", int, 7),
        ("10-3", int, 3),
        ("\u22125", int, -5),
        ("2.0", int, 2),
        ("1.5e3", float, 1500.0),
        ("between 1,23 and 4", float, 4.0),
        ("<think>maybe 5</think>6", int, 6),
        ("Yes.", bool, True),
        ("It could be yes, but: **no**", bool, False),
        ("FALSE", bool, False),
        ("'Spam'", Literal["spam", "not spam"], "spam"),
        ("I say not spam", Literal["spam", "not spam"], "not spam"),
        ("grade 3, not 2", Literal[1, 2, 3], 2),
        (" hello\n", str, "hello"),
        ("None", int | None, None),
        ("5", int | None, 5),
        ("null", str | None, None),
    ],
)
def test_scalars_and_choices_are_read_leniently(text: str, kind: Any, value: object) -> None:
    result = read_reply(text, kind)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('Sure:\n```json\n{"steps": ["a"], "n": 2}\n```', Plan, Plan(["a"], 2)),
        ('{"steps": [], "extra": 1, "notes": {"x": 1}}', Plan, Plan([], 0, {"x": 1.0})),
        ('[1] says {"steps": ["b"]}', Plan, Plan(["b"])),
        ("[1, 2.0]", list[int], [1, 2]),
        ('{"value": [1, 2]}', list[int], [1, 2]),
        ('{"value": ["x", 3]}', tuple[str, int], ("x", 3)),
        ('[["a", 1]]', list[tuple[str, float]], [("a", 1.0)]),
        ('["a", "a"]', set[str], {"a"}),
        ('{"1": true}', dict[int, bool], {1: True}),
        ('{"value": 1}', dict[str, int], {"value": 1}),
        ('{"text": "t"}', Note, {"text": "t"}),
        ('{"name": "Ann", "age": "7"}', Card, Card(name="Ann", age=7)),
        ('{"value": null}', list[int] | None, None),
        ('{"value": "x"}', int | str, "x"),
        ("{broken [1]", list[int], [1]),
        ('{"a": {"b": [null]}}', dict, {"a": {"b": [None]}}),
    ],
)
def test_structured_types_are_the_first_json_that_fits(text: str, kind: Any, value: object) -> None:
    result = read_reply(text, kind)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", str, "empty"),
        ("<think>hm</think>", str, "empty"),
        ("none of them", int, "expected a number"),
        ("2.5", int, "expected a whole number"),
        ("1e999", float, "expected a finite number"),
        ("maybe", bool, "expected one of yes, no"),
        ("spammy", Literal["spam", "ham"], "expected one of spam, ham"),
        ("no JSON", list[int], "expected JSON"),
        ("[1, ", list[int], "JSON is broken"),
        ('["x"]', list[int], 'expected int, got "x"'),
        ("[true]", list[int], "expected int, got true"),
        ("[1e999]", list[float], "finite"),
        ("[1]", tuple[int, int], "expected 2 items, got 1"),
        ('{"n": 1}', Plan, "lacks steps"),
        ('{"name": "Ann", "age": "x"}', Card, "valid integer"),
        ("[" * 5000, list[int], "JSON is broken"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_for_the_model(text: str, kind: Any, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_reply(text, kind)


def test_a_refusal_is_no_answer() -> None:
    with pytest.raises(Unreadable, match="refused: I cannot"):
        read_reply("5", int, refusal="I cannot")


def test_a_root_that_is_no_object_is_asked_for_as_one() -> None:
    schema = response_format(list[int])["json_schema"]
    assert schema["schema"]["properties"] == {"value": {"type": "array", "items": {"type": "integer"}}}
    assert schema["strict"] is True


@pytest.mark.parametrize(("kind", "strict"), [(Note, True), (dict[str, int], False), (list[Any], False), (Card, False)])
def test_only_closed_schemas_are_strict(kind: Any, *, strict: bool) -> None:
    assert response_format(kind)["json_schema"]["strict"] is strict


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, ""),
        (int, "Reply with one whole number. If you explain, put it last."),
        (Literal["a", "b"], "Reply with exactly one of: a | b. If you explain, put it last."),
        (float | None, "Reply with one number, or none if there is no answer. If you explain, put it last."),
    ],
)
def test_the_wording_asks_for_the_type(kind: Any, words: str) -> None:
    assert wording(kind) == words


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.one_of(
        st.tuples(st.just(int), st.integers()),
        st.tuples(st.just(float), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(bool), st.booleans()),
        st.tuples(st.just(int | None), st.none() | st.integers(-9, 9)),
        st.tuples(st.just(list[str]), st.lists(st.text())),
        st.tuples(st.just(dict[str, float]), st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False))),
        st.tuples(st.just(list[int] | None), st.none() | st.lists(st.integers())),
        st.tuples(st.just(list[Any]), st.lists(JSON_VALUES)),
    )
)
def test_what_a_demonstration_shows_is_read_back_as_it_was(case: tuple[Any, object]) -> None:
    kind, value = case
    assert read_reply(written(value, kind), kind) == value


@given(st.text(), st.sampled_from([str, int, float, bool, Literal["a", "b"], list[int], dict[str, str], Plan, Note, Card, int | None]))
def test_a_reply_is_refused_as_unreadable_or_read_as_a_value_that_reads_back(text: str, kind: Any) -> None:
    read: list[object] = []
    with suppress(Unreadable):
        read.append(read_reply(text, kind))
    assert [repr(read_reply(written(value, kind), kind)) for value in read] == [repr(value) for value in read]


@given(JSON_VALUES)
def test_only_scalars_and_choices_are_asked_for_in_words(value: object) -> None:
    assert is_structured(type(value)) == isinstance(value, list | dict)
    assert ("JSON" in wording(type(value))) == isinstance(value, list | dict)
