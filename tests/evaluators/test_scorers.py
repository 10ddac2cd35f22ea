"""Ready-made scorers: what is right, what is wrong, what is invalid, and what they say."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.scorers import choice, contains, exact, numeric
from graftwork.evaluators.task import Example, Score, Scorer
from graftwork.programs.errors import TaskError

NUMBERS: Final = st.floats(allow_nan=False, allow_infinity=False)


def _example(target: object) -> Example:
    return Example(id="0" * 16, inputs={}, target=target)


def _score(scorer: Scorer, output: object, target: object) -> Score:
    score = scorer(output, _example(target))
    assert isinstance(score, Score)
    return score


@pytest.mark.parametrize(
    ("scorer", "output", "target"),
    [
        (exact, "yes", "yes"),
        (exact, [1, {"a": 2.0}], (1.0, {"a": 2})),
        (exact, None, None),
        (numeric(0.01), 3.14, 3.141),
        (numeric(), 1200, "1,200"),
        (numeric(relative=0.01), 1005, 1000),
        (numeric(3, relative=0.01), 102, 100),
        (contains, "The answer is  Forty\ntwo.", "forty two"),
        (choice("Yes", "no"), " yes ", "YES"),
    ],
)
def test_a_right_output_scores_one(scorer: Scorer, output: object, target: object) -> None:
    assert _score(scorer, output, target) == Score(value=1.0, feedback="right")


@pytest.mark.parametrize(
    ("scorer", "output", "target", "feedback"),
    [
        (exact, True, 1, "expected 1, got true; expected a int, got a bool"),
        (exact, [True], [1], "expected [1], got [true]"),
        (exact, "Yes ", "yes", 'expected "yes", got "Yes "; only case or white space differ'),
        (exact, {"a": 1}, {"b": 1}, 'expected {"b": 1}, got {"a": 1}'),
        (numeric(), 3, 5, "expected 5, got 3, off by -2"),
        (numeric(relative=0.01), 1011, 1000, "expected 1000, got 1011, off by +11"),
        (contains, "no", "yes", 'expected text that holds "yes", got "no"'),
        (choice("yes", "no"), "no", "yes", 'expected "yes", got "no"'),
    ],
)
def test_a_wrong_output_scores_zero_and_hears_what_was_expected(scorer: Scorer, output: object, target: object, feedback: str) -> None:
    assert _score(scorer, output, target) == Score(value=0.0, feedback=feedback)


@pytest.mark.parametrize(
    ("scorer", "output", "target", "reason"),
    [
        (numeric(), "5", 5, 'expected a finite number, got "5"'),
        (numeric(), True, 1, "expected a finite number, got true"),
        (numeric(), 10**400, 1, "expected a finite number"),
        (contains, 5, "5", "expected text, got 5"),
        (choice("yes", "no"), "maybe", "yes", 'expected one of yes, no, got "maybe"'),
        (choice("yes", "no"), ["yes"], "yes", "expected one of yes, no"),
    ],
)
def test_output_of_the_wrong_kind_is_invalid(scorer: Scorer, output: object, target: object, reason: str) -> None:
    score = _score(scorer, output, target)
    assert score.value is None
    assert reason in score.invalid


def test_no_output_makes_a_scorer_raise() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    half_a_pair, long_integer = "\ud800", 10**5000
    for scorer in (exact, contains, numeric(), choice("1")):
        for output in (deep, half_a_pair, long_integer):
            score = _score(scorer, output, [[[1]]] if scorer is exact else 1)
            assert score.value in (None, 0.0)
            assert (score.feedback + score.invalid).encode()


@given(number=NUMBERS, target=NUMBERS, tolerance=st.floats(0, 1e9), relative=st.floats(0, 0.99))
def test_a_wider_tolerance_never_makes_a_right_number_wrong(number: float, target: float, tolerance: float, relative: float) -> None:
    narrow = _score(numeric(tolerance, relative=relative), number, target).value
    wider = _score(numeric(2 * tolerance, relative=relative / 2 + 0.5), number, target).value
    assert narrow in {0.0, 1.0}
    assert wider in {0.0, 1.0}
    assert narrow <= wider or relative > relative / 2 + 0.5


@given(target=NUMBERS)
def test_a_number_is_right_for_itself_and_as_text(target: float) -> None:
    assert _score(numeric(0), target, target).value == 1.0
    assert _score(numeric(0), target, f"{target!r}").value == 1.0


@pytest.mark.parametrize(("tolerance", "relative"), [(-1, 0), (float("nan"), 0), (float("inf"), 0), (0, 1), (0, -0.1), (True, 0)])
def test_a_tolerance_that_is_none_is_refused(tolerance: float, relative: float) -> None:
    with pytest.raises(TaskError, match="a tolerance must be at least 0 and a relative one from 0 to below 1"):
        numeric(tolerance, relative=relative)


@pytest.mark.parametrize("target", ["many", float("nan"), "inf", True, None])
def test_a_target_that_is_no_number_is_the_task_authors_mistake(target: object) -> None:
    with pytest.raises(ValueError, match=r"could not convert|not finite"):
        numeric()(1.0, _example(target))


def test_a_target_outside_the_options_is_the_task_authors_mistake() -> None:
    with pytest.raises(ValueError, match="none of the options"):
        choice("yes", "no")("yes", _example("perhaps"))
