"""Composite: a weighted mean that stays between its parts, whose values are seen, and that is invalid where a part says so."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.composite import composite
from graftwork.evaluators.scorers import choice, exact
from graftwork.evaluators.task import Example, Score, Scorer
from graftwork.evaluators.text_scorers import token_f1
from graftwork.programs.errors import TaskError

EXAMPLE: Final = Example(id="0" * 16, inputs={}, target="the red house")
VALUES: Final = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.001, 1e3)), min_size=1, max_size=5)


def constant(value: Any, **more: Any) -> Scorer:
    """A scorer that always gives the same."""
    return lambda _output, _example: Score(value=value, **more) if more else value


def _score(scorer: Scorer, output: object = "") -> Score:
    score = scorer(output, EXAMPLE)
    assert isinstance(score, Score)
    return score


def _of(values: list[tuple[float, float]], *, scale: float = 1.0) -> float:
    value = _score(composite({f"p{place}": (constant(value), weight * scale) for place, (value, weight) in enumerate(values)})).value
    assert value is not None
    return value


@given(values=VALUES)
def test_the_mean_lies_between_the_lowest_and_the_highest_part(values: list[tuple[float, float]]) -> None:
    parts = [value for value, _ in values]
    assert min(parts) <= _of(values) <= max(parts)


@given(values=VALUES, scale=st.floats(0.01, 100))
def test_only_the_ratio_of_weights_counts_and_no_order(values: list[tuple[float, float]], scale: float) -> None:
    assert _of(values, scale=scale) == pytest.approx(_of(values), rel=1e-9, abs=1e-6)
    assert _of(values[::-1]) == pytest.approx(_of(values), rel=1e-9, abs=1e-6)


def test_each_part_is_named_in_feedback_and_metrics() -> None:
    scorer = composite({"right": (exact, 3), "words": token_f1})
    score = _score(scorer, "a red house")
    assert score.value == 0.25
    assert score.metrics == {"right": 0.0, "words": 1.0}
    assert score.feedback == 'right 0 (expected "the red house", got "a red house"); words 1 (right)'


def test_metrics_of_a_part_are_kept_behind_its_name() -> None:
    assert _score(composite({"a": constant(1.0, metrics={"recall": 0.5})})).metrics == {"a": 1.0, "a.recall": 0.5}


def test_what_a_part_finds_invalid_is_invalid_with_that_parts_name() -> None:
    score = _score(composite({"right": exact, "words": token_f1, "chosen": choice("the red house", "none")}), 5)
    assert score.value is None
    assert score.invalid == "words: expected text, got 5; chosen: expected one of the red house, none, got 5"
    assert score.metrics == {"right": 0.0}


def test_what_a_part_cannot_judge_is_not_judged() -> None:
    score = _score(composite({"a": constant(1.0), "b": constant(None)}))
    assert (score.value, score.invalid, score.metrics) == (None, "", {"a": 1.0})
    assert score.feedback == "a 1; b not judged"


def test_a_part_of_no_weight_is_only_measured() -> None:
    parts: dict[str, Any] = {
        "a": constant(0.5),
        "seen": (constant(9.0), 0),
        "lost": (constant(None), 0),
        "bad": (constant(None, invalid="no"), 0),
    }
    score = _score(composite(parts))
    assert (score.value, score.invalid, score.metrics) == (0.5, "", {"a": 0.5, "seen": 9.0})
    assert score.feedback == "a 0.5; seen 9; lost not judged; bad invalid (no)"


class Asking:
    """A scorer that is awaited."""

    async def score_with(self, output: object, example: Example, tools: object, /) -> Score:
        await asyncio.sleep(0)
        return Score(value=0.5, feedback=f"asked {tools} about {output} for {example.target}")

    def __call__(self, output: object, example: Example, /) -> Score:
        raise AssertionError(output, example)


def test_a_composite_with_a_part_that_is_awaited_is_awaited_itself() -> None:
    scorer: Any = composite({"words": token_f1, "asked": Asking(), "inner": composite({"again": (Asking(), 2)})})
    score = asyncio.run(scorer.score_with("red house", EXAMPLE, "the judge"))
    assert score.value == pytest.approx(2 / 3)
    assert score.metrics == {"words": 1.0, "asked": 0.5, "inner": 0.5, "inner.again": 0.5}
    assert "asked 0.5 (asked the judge about red house for the red house)" in score.feedback
    assert not hasattr(composite({"words": token_f1}), "score_with")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1.0", 1j])
def test_a_part_that_gives_no_finite_number_is_its_authors_mistake(value: object) -> None:
    both: tuple[dict[str, Any], ...] = ({"a": constant(value), "b": constant(1.0)}, {"b": constant(1.0), "a": (constant(value), 0)})
    for parts in both:
        with pytest.raises(ValueError, match="the part 'a' must give a Score, a finite number, a bool or None, not"):
            composite(parts)("", EXAMPLE)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "needs scorers by name"),
        ([exact], "needs scorers by name"),
        ({"a b": exact}, "letters, digits and underscores, not 'a b'"),
        ({"a": "exact"}, "the part 'a' of a composite must be a scorer"),
        ({"a": (exact, -1)}, "at least 0; 'a' has -1"),
        ({"a": (exact, float("nan"))}, "at least 0; 'a' has nan"),
        ({"a": (exact, True)}, "at least 0; 'a' has True"),
        ({"a": (exact, 0)}, "a part whose weight is above 0"),
    ],
)
def test_parts_that_make_no_composite_are_refused(parts: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        composite(parts)
