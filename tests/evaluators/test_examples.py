"""Examples and splits: ids from content, cuts that follow from the content, no example in two places."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.examples import MIN_VAL_FOR_CONFIRM, ExampleRow, make_examples, split_examples
from graftwork.evaluators.task import SPLITS, Example, Split
from graftwork.programs.errors import TaskError


@dataclass(frozen=True)
class Point:
    x: int


def _rows(n: int, start: int = 0) -> list[ExampleRow]:
    return [({"n": number}, number * 2) for number in range(start, start + n)]


def _ids(splits: Mapping[Split, tuple[Example, ...]]) -> dict[Split, set[str]]:
    return {split: {example.id for example in examples} for split, examples in splits.items()}


def test_every_shape_of_the_same_row_gives_the_same_example() -> None:
    rows: list[ExampleRow] = [({"n": 1}, 2), [{"n": 1}, 2], {"inputs": {"n": 1}, "target": 2}, (1, 2)]
    assert len({make_examples([row], parameters=("n",))[0].id for row in rows}) == 1


def test_an_id_is_sixteen_hexadecimal_digits_of_inputs_and_target() -> None:
    one, other_target, other_input = make_examples([({"n": 1}, 2), ({"n": 1}, 3), ({"n": 2}, 2)])
    assert len({one.id, other_target.id, other_input.id}) == 3
    assert len(one.id) == 16
    assert int(one.id, 16) >= 0


def test_inputs_become_plain_json_of_our_own_and_targets_stay_as_given() -> None:
    items = [1, 2]
    (example,) = make_examples([({"items": items, "array": np.arange(2), "pair": (1, 2)}, Point(x=1))])
    items.append(3)
    assert example.inputs == {"items": [1, 2], "array": [0, 1], "pair": [1, 2]}
    assert example.target == Point(x=1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ab", "must be (inputs, target)"),
        (({"n": 1},), "not a tuple of length 1"),
        ({"input": {"n": 1}}, "a mapping with the keys input"),
        ({"inputs": {"n": 1}, "target": 1, "answer": 2}, "the keys inputs, target, answer"),
        ((1, 2), "mapping by the entry's parameter names (its parameters are a, b), not a int"),
        (({"n": float("nan")}, 1), "examples[0] must be JSON values with finite numbers"),
        (({"n": {1, 2}}, 1), "not set"),
        (({1: 2}, 1), "keys must be strings"),
        (({"n": "\ud800"}, 1), "examples[0] must be JSON"),
    ],
)
def test_a_row_of_another_shape_is_refused_by_its_number(row: ExampleRow, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        make_examples([row], parameters=("a", "b"))
    assert message in str(caught.value)
    assert "examples[0]" in str(caught.value)


def test_a_row_that_stands_twice_is_refused() -> None:
    with pytest.raises(TaskError, match=r"val\[2\] is the same as val\[0\]"):
        split_examples({"val": [*_rows(2), *_rows(1)]})


def test_an_example_in_two_splits_is_refused() -> None:
    with pytest.raises(TaskError, match=r"in both val and test .*\"n\": 1.*keep it in one"):
        split_examples({"val": _rows(2), "test": _rows(2, start=1)})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "val is empty"),
        ({"val": []}, "val is empty"),
        ({"validation": _rows(3)}, "'validation' is no split"),
        (7, "must be a list of examples"),
        ("rows", "must be a list of examples"),
    ],
)
def test_examples_without_a_val_split_are_refused(rows: list[ExampleRow], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        split_examples(rows)


@given(n=st.integers(min_value=1, max_value=60), rng=st.randoms(use_true_random=False))
def test_one_list_is_cut_by_content_alone_into_disjoint_splits_that_together_are_all(n: int, rng: random.Random) -> None:
    rows = _rows(n)
    shuffled = list(rows)
    rng.shuffle(shuffled)
    splits, again = _ids(split_examples(rows)), _ids(split_examples(shuffled))
    assert splits == again
    assert tuple(splits) == SPLITS
    assert sum(map(len, splits.values())) == n == len(set().union(*splits.values()))
    assert len(splits["train"]) == len(splits["test"]) == n // 4
    assert splits["val"]


@pytest.mark.parametrize("n_val", [1, MIN_VAL_FOR_CONFIRM - 1, MIN_VAL_FOR_CONFIRM, 12])
def test_a_third_of_val_confirms_where_val_is_large_enough(n_val: int) -> None:
    splits = split_examples({"val": _rows(n_val)})
    n_confirm = n_val // 3 if n_val >= MIN_VAL_FOR_CONFIRM else 0
    assert (len(splits["val"]), len(splits["confirm"])) == (n_val - n_confirm, n_confirm)


def test_a_confirm_split_that_is_given_is_kept_also_when_it_is_empty() -> None:
    assert len(split_examples({"val": _rows(12), "confirm": []})["val"]) == 12
    assert len(split_examples({"val": _rows(12), "confirm": _rows(2, start=20)})["confirm"]) == 2
    assert split_examples({"val": _rows(12)}, confirm_share=0)["confirm"] == ()


def test_val_is_half_of_train_where_it_is_left_out() -> None:
    splits = split_examples({"train": _rows(8)})
    assert (len(splits["train"]), len(splits["val"]), splits["test"]) == (4, 4, ())


def test_a_cut_keeps_the_order_given() -> None:
    splits = split_examples(_rows(40))
    for examples in splits.values():
        numbers = [int(str(example.target)) for example in examples]
        assert numbers == sorted(numbers)
