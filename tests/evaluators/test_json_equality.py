"""JSON equality: the same JSON however it is written, the first difference by its path, and nothing that a program gives upsets it."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.json_equality import json_equality
from graftwork.evaluators.task import Example, Score, Scorer
from graftwork.programs.errors import TaskError

SCALARS: Final = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 2.0, -1.25]) | st.sampled_from(["", "a", "true", "é"])
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)
CONTAINERS: Final = st.lists(VALUES, max_size=4) | st.dictionaries(st.sampled_from("abc"), VALUES)


def _score(scorer: Scorer, output: object, target: object) -> Score:
    score = scorer(output, Example(id="0" * 16, inputs={}, target=target))
    assert isinstance(score, Score)
    return score


def _equal(scorer: Scorer, output: object, target: object) -> bool:
    value = _score(scorer, output, target).value
    assert value in {0.0, 1.0}
    return value == 1.0


def _reordered(value: Any, rng: random.Random, *, lists: bool) -> Any:
    if isinstance(value, dict):
        return {key: _reordered(value[key], rng, lists=lists) for key in rng.sample(list(value), len(value))}
    if isinstance(value, list):
        items = [_reordered(item, rng, lists=lists) for item in value]
        return rng.sample(items, len(items)) if lists else items
    return value


@given(value=VALUES)
def test_a_value_equals_itself_and_its_text(value: object) -> None:
    for scorer in (json_equality(), json_equality(ordered=False), json_equality(ordered=False, tolerance=0.1)):
        assert _equal(scorer, value, value)
        assert _equal(scorer, json.dumps(value), json.dumps(value))


@given(value=CONTAINERS)
def test_text_and_value_are_the_same(value: object) -> None:
    assert _equal(json_equality(), json.dumps(value), value) is _equal(json_equality(), value, json.dumps(value)) is True


@given(one=CONTAINERS, other=CONTAINERS, ordered=st.booleans(), tolerance=st.sampled_from([0.0, 0.6]))
def test_equality_is_symmetric(*, one: object, other: object, ordered: bool, tolerance: float) -> None:
    scorer = json_equality(ordered=ordered, tolerance=tolerance)
    assert _equal(scorer, one, other) is _equal(scorer, other, one)


@given(value=CONTAINERS, seed=st.integers(0, 99))
def test_the_order_of_keys_never_counts_and_that_of_lists_only_where_it_is_wanted(value: object, seed: int) -> None:
    assert _equal(json_equality(), _reordered(value, random.Random(seed), lists=False), value)
    for tolerance in (0.0, 0.3):
        shuffled = _reordered(value, random.Random(seed), lists=True)
        assert _equal(json_equality(ordered=False, tolerance=tolerance), shuffled, value)


@given(
    given_list=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    target=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    boxed=st.booleans(),
)
def test_a_list_in_any_order_is_right_where_some_order_of_it_is(*, given_list: list[int], target: list[int], boxed: bool) -> None:
    output, expected = ([{"x": n} for n in given_list], [{"x": n} for n in target]) if boxed else (given_list, target)
    for tolerance in (0, 1, 2):
        some_order = any(_equal(json_equality(tolerance=tolerance), list(order), expected) for order in itertools.permutations(output))
        assert _equal(json_equality(ordered=False, tolerance=tolerance), output, expected) is some_order


@pytest.mark.parametrize(
    ("scorer", "output", "target", "feedback"),
    [
        (json_equality(), {"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "at $.a[1].b: expected 3, got 2"),
        (json_equality(), {"a": 1}, {"a": 1, "b": 2}, "at $.b: expected 2, got nothing"),
        (json_equality(), {"a": 1, "not this": 2}, {"a": 1}, 'at $["not this"]: expected nothing, got 2'),
        (json_equality(), [1, 2], [1, 2, 3], "at $: expected 3 entries, got 2"),
        (json_equality(), [1, 5], [1, 2, 3], "at $[1]: expected 2, got 5"),
        (json_equality(), {"a": True}, {"a": 1}, "at $.a: expected 1, got true"),
        (json_equality(), {"a": "1"}, {"a": 1}, 'at $.a: expected 1, got "1"'),
        (json_equality(), '{"a": null}', {}, "at $.a: expected nothing, got null"),
        (json_equality(), [], {}, "at $: expected {}, got []"),
        (json_equality(), "yes", "no", 'at $: expected "no", got "yes"'),
        (json_equality(tolerance=0.1), [1.2], [1], "at $[0]: expected 1, got 1.2"),
        (json_equality(ordered=False), [1, 2, 2], [2, 1, 1], "at $: no entry for the expected 1"),
        (json_equality(ordered=False, tolerance=0.5), [1, 5.2], [5, 3], "at $: no entry for the expected 3"),
        (json_equality(ordered=False), [1], [1, 2], "at $: expected 2 entries, got 1"),
    ],
)
def test_the_first_difference_is_named_with_its_path(scorer: Scorer, output: object, target: object, feedback: str) -> None:
    assert _score(scorer, output, target) == Score(value=0.0, feedback=feedback)


@pytest.mark.parametrize(
    ("scorer", "output", "target"),
    [
        (json_equality(), '{"a": 2.0}', {"a": 2}),
        (json_equality(), "plain words", "plain words"),
        (json_equality(), "7", 7),
        (json_equality(ignore=["id", "at"]), {"id": 7, "rows": [{"at": 1, "x": 2}]}, {"rows": [{"x": 2}]}),
        (json_equality(ignore=["id"], ordered=False), [{"id": 1, "x": 2}, {"x": 1}], [{"x": 1, "id": 9}, {"x": 2}]),
        (json_equality(tolerance=0.01), {"a": 3.141}, {"a": 3.14}),
        (json_equality(relative=0.01), [1005, 10**30 + 1], [1000, 10**30]),
        (json_equality(), [10**5000], [10**5000]),
    ],
)
def test_what_is_the_same_is_right(scorer: Scorer, output: object, target: object) -> None:
    assert _score(scorer, output, target) == Score(value=1.0, feedback="right")


@pytest.mark.parametrize("text", ["{", "[1,]", "[NaN]", "[Infinity]", "[1e999]", "[" * 100_000, "[" + "9" * 5000 + "]", "", "\ud800"])
def test_text_that_is_no_json_with_finite_numbers_is_invalid(text: str) -> None:
    score = _score(json_equality(), text, [1])
    assert score.value is None
    assert score.invalid.startswith("expected JSON, got ")
    assert score.invalid.encode()


def test_no_output_makes_it_raise() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    for output in (deep, {"a": deep}, "\ud800", 10**5000, [10**400], {"\ud800": 1}, {"k" * 10_000: 1}, None):
        for scorer in (json_equality(tolerance=0.1), json_equality(ordered=False), json_equality(ordered=False, tolerance=0.1)):
            for target in ([[1]], {"a": [[1]]}, [1], "word"):
                score = _score(scorer, output, target)
                assert score.value in (None, 0.0)
                assert (score.feedback + score.invalid).encode()
                assert len(score.feedback) < 1000


def test_long_lists_in_any_order_take_no_time_to_speak_of() -> None:
    rng = random.Random(0)
    target = [{"x": rng.random(), "name": f"n{n}"} for n in range(400)]
    output = [{"x": row["x"] + 1e-7, "name": row["name"]} for row in rng.sample(target, 400)]  # type: ignore[operator]  # x is a float
    assert _equal(json_equality(ordered=False, tolerance=1e-6), output, target)
    assert not _equal(json_equality(ordered=False, tolerance=1e-6), [*output[:-1], {"x": 2.0, "name": ""}], target)


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(TaskError, match="ignore must be a list of keys, not 'id'"):
        json_equality(ignore="id")
    with pytest.raises(TaskError, match="a tolerance must be at least 0"):
        json_equality(tolerance=-1)
