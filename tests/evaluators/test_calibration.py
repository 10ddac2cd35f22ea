"""Calibration of a judge: known judges get the figures that they deserve."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from graftwork.evaluators.calibration import Calibration, calibrate
from graftwork.evaluators.model_judge import model_judge
from graftwork.programs.errors import TaskError
from graftwork.programs.scripted import ScriptedModel

from .judges import graded

JUDGE = model_judge("Good is good.")


def answer_in(body: Mapping[str, Any]) -> str:
    found = re.search(r"<answer-\w+>\n(.*?)\n</answer-", body["messages"][1]["content"], re.DOTALL)
    assert found is not None
    return found[1]


def rows(n: int = 40) -> list[tuple[object, object, int]]:
    """Answers that hold their grade as `grade N`, of random lengths that have nothing to do with it."""
    rng = random.Random(1)
    return [(({"question": str(k)}, "reference"), f"grade {k % 5 + 1} {'x' * rng.randrange(200)}", k % 5 + 1) for k in range(n)]


def calibrated(script: Callable[[Mapping[str, Any]], str]) -> Calibration:
    return calibrate(JUDGE, rows(), model=ScriptedModel(alias="judge", script=lambda body, _draw: script(body)))


def true_grade(body: Mapping[str, Any]) -> int:
    return int(answer_in(body).split()[1])


def test_a_judge_that_agrees_with_people_has_a_kappa_of_1_and_no_bias() -> None:
    report = calibrated(lambda body: graded(true_grade(body)))
    assert (report.agreement, report.kappa, report.interval, report.bias, report.position) == (1.0, 1.0, (1.0, 1.0), 0.0, 0.0)
    assert report.length is None
    assert report.usage.calls == 80


def test_a_judge_that_guesses_has_a_kappa_near_0_and_an_interval_around_it() -> None:
    report = calibrated(lambda body: graded(random.Random(answer_in(body)).randint(1, 5)))
    assert report.kappa is not None
    assert report.interval is not None
    assert report.interval[0] < 0 < report.interval[1]
    assert abs(report.kappa) < 0.35


def test_a_judge_that_likes_length_is_found_out_as_scipy_would() -> None:
    report = calibrated(lambda body: graded(min(5, true_grade(body) + (len(answer_in(body)) > 100))))
    lengths = [len(str(output)) for _, output, _ in rows()]
    over = [grade - label for label, grade in report.judged]
    assert report.length is not None
    assert report.length == pytest.approx(spearmanr(lengths, over).statistic)
    assert report.length > 0.3
    assert report.bias == pytest.approx(np.mean(over))


def test_a_judge_that_minds_where_the_answer_stands_is_found_out() -> None:
    def judge(body: Mapping[str, Any]) -> str:
        text = body["messages"][1]["content"]
        return graded(max(1, true_grade(body) - (text.index("<answer-") > 0)))

    report = calibrated(judge)
    assert report.position == pytest.approx(0.8)
    assert report.bias == pytest.approx(-0.8)


def test_what_cannot_be_judged_is_counted_and_left_out() -> None:
    report = calibrated(lambda body: graded(3) if true_grade(body) == 3 else "no idea")
    assert len(report.judged) == 8
    assert report.kappa is None
    assert "8 of 40 outputs judged" in str(report)


def test_the_report_is_a_table() -> None:
    report = calibrated(lambda body: graded(min(5, true_grade(body) + 1)))
    # By hand: the mean squared difference is 4/5; by chance it is 11 + 15.8 - 2 · 3 · 3.8 = 4.
    assert report.kappa == pytest.approx(1 - 0.8 / 4)
    assert report.kappa is not None
    assert report.interval is not None
    assert 0.6 < report.interval[0] < report.kappa < report.interval[1] < 0.95
    lines = str(report).splitlines()
    assert lines[1] == "equal grades        20%"
    assert lines[2].startswith("weighted kappa      0.80 [0.")
    assert lines[-6:] == [
        "people \\ judge     1    2    3    4    5",
        "             1     0    8    0    0    0",
        "             2     0    0    8    0    0",
        "             3     0    0    0    8    0",
        "             4     0    0    0    0    8",
        "             5     0    0    0    0    8",
    ]


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (rows(9), "at least 10 graded outputs, not 9"),
        ([*rows(9), (({"question": "?"}, None), "x", 6)], "whole numbers from 1 to 5, as the judge's are, not 6"),
        ([*rows(9), ("?", "x", 3)], r"labelled\[0\] must be \(inputs, target\)"),
    ],
)
def test_labels_that_say_nothing_are_refused(labelled: list[tuple[object, object, int]], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        calibrate(JUDGE, labelled, model=ScriptedModel(alias="judge", script=lambda _body, _draw: graded(1)))
