"""Tests of the progress."""

from __future__ import annotations

import pytest

from graftwork.flows.progress import Progress
from graftwork.programs.model import Usage


def test_the_line_tells_candidates_scores_failures_spend_speed_and_time_left() -> None:
    progress = Progress(
        stage="searching",
        told=20,
        candidates=100,
        unit="% excess",
        seed_score=-4.0,
        best_score=-1.25,
        failures={"crash": 2, "timeout": 1},
        spent={"task": Usage(input_tokens=900, output_tokens=100, calls=5, usd=0.25)},
        seconds=10.0,
    )
    assert progress.line == (
        "searching: 20/100 candidates, best -1.25 % excess (seed -4), 3 failures, task 1000 tokens (0.2500 usd), 2.00/s, 40 s left"
    )


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_nothing_is_promised_before_anything_was_told(seconds: float) -> None:
    progress = Progress(stage="starting", told=0, candidates=10, unit="", seconds=seconds)
    assert progress.seconds_left is None
    assert progress.line == "starting: 0/10 candidates, 0 failures, 0.00/s"
