"""Guessing a number without a search: what bisection loses, what the best possible policy does, and what is refused."""

from __future__ import annotations

from statistics import mean

import pytest

import graftwork as gw
from tests.examples.running import EXAMPLES, evaluate_program

FOLDER = EXAMPLES / "guess_number"


@pytest.fixture(scope="module")
def task() -> gw.Task:
    return gw.load_task(FOLDER)


def lost(number: int, share: float, *, largest: int = 200) -> float:
    """Points that guessing at a share of the way from the lower to the upper bound loses on a number."""
    low, high, points = 1, largest, 0.0
    while (guess := min(max(round(low + share * (high - low)), low), high)) != number:
        points += 1.0 if guess < number else 4.0
        low, high = (guess + 1, high) if guess < number else (low, guess - 1)
    return points


@pytest.mark.parametrize("share", [0.5, 0.24])
def test_a_policy_plays_as_the_rules_say(task: gw.Task, share: float) -> None:
    source = task.seed.source.replace("(low + high) / 2", f"low + {share} * (high - low)")
    examples = task.splits["val"]
    evaluation = evaluate_program(source, examples, task=task)
    assert evaluation.values == tuple(-lost(int(str(example.target)), share) for example in examples)


def test_guessing_lower_than_the_middle_loses_fewer_points_over_all_numbers() -> None:
    bisecting, lower = (mean(lost(number, share) for number in range(1, 201)) for share in (0.5, 0.24))
    assert bisecting == pytest.approx(14.405)
    assert lower == pytest.approx(11.865)


def test_no_policy_loses_less_than_11_8_points_on_average() -> None:
    least = [0.0, 0.0]  # points over all numbers between bounds that leave so many, guessing as well as can be
    for n in range(2, 201):
        least.append(min(4 * (k - 1) + least[k - 1] + (n - k) + least[n - k] for k in range(1, n + 1)))
    assert least[200] / 200 == pytest.approx(11.815)


def test_a_guess_out_of_bounds_is_refused_and_a_policy_that_never_guesses_right_is_cut_off(task: gw.Task) -> None:
    program = "BOUNDS = {}\n\n\ndef guess(low, high):\n    return low\n\n\ndef solve(observation, largest):\n    return %s\n"
    one = task.splits["val"][:1]
    (failure,) = evaluate_program(program % "largest + 1", one, task=task).failures
    assert (failure.kind, failure.message) == ("invalid", "a guess is a whole number from 1 to 200, not 201")
    (judgement,) = evaluate_program(program % "1", one, task=task).judgements
    assert judgement.score.value == -40.0
    assert "40 steps, cut off at the limit of steps" in judgement.score.feedback
