"""Tests of the control: what a spend buys of the seed's answers, and what they give when they vote."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.search.candidate import Member
from graftwork.search.seed_control import answers_bought, compared_with_votes, voted_values
from tests.search.factory import evaluation, member

WRONG, OWN, OUTAGE = "w", Failure(kind="crash", message="boom"), Failure(kind="model", message="503")


def asked(*examples: Sequence[object]) -> Evaluation:
    """Answers to some examples: an output, right where it is `r`, or a failure."""
    judgements = [
        Judgement(
            outcome=Outcome(
                example_id=f"e{place}",
                repeat=repeat,
                output=None if isinstance(answer, Failure) else answer,
                failure=answer if isinstance(answer, Failure) else None,
            ),
            score=Score(value=None if isinstance(answer, Failure) else float(answer == "r")),
        )
        for place, answers in enumerate(examples)
        for repeat, answer in enumerate(answers)
    ]
    return Evaluation(digest="", judgements=tuple(judgements), lo=0.0)


def costing(usage: Usage, *, n_runs: int = 4) -> Member:
    """A seed whose evaluation of four runs cost so much."""
    seed = member(0, [0.5] * n_runs)
    first = seed.val.judgements[0]
    judged = Judgement(outcome=first.outcome, score=first.score, judging=usage)
    val = Evaluation(digest="", judgements=(judged, *seed.val.judgements[1:]), lo=0.0)
    return Member(candidate=seed.candidate, val=val, train=evaluation(()))


def test_the_most_frequent_output_gives_the_value_and_the_first_of_equals_wins() -> None:
    assert voted_values(asked("rrw", "rww", ["r", "r", "w", "w"], ["w", "w", "r", "r"])) == (1.0, 0.0, 1.0, 0.0)


def test_where_no_two_answers_agree_the_mean_of_them_stands() -> None:
    assert voted_values(asked(["r", "a", "b", "c"])) == (0.25,)


def test_outputs_are_the_same_where_their_json_is() -> None:
    same = asked([{"a": 1, "b": 2}, {"b": 2, "a": 1}, "r"])
    assert voted_values(same) == (0.0,)


def test_failures_have_no_vote_and_count_as_the_lowest_where_all_failed() -> None:
    assert voted_values(asked([OWN, OWN, OWN, "r", "r"], [OWN, OWN], [OUTAGE, OUTAGE])) == (1.0, 0.0, None)


def test_a_spend_buys_answers_by_price_else_by_tokens_else_by_calls() -> None:
    # Four runs cost 0.4 usd, 400 tokens and 8 calls together: a tenth of that each.
    dear = costing(Usage(input_tokens=400, usd=0.4, calls=8))
    assert answers_bought(Usage(input_tokens=10**6, usd=8.0, calls=10**6), dear, n_examples=10) == 8
    free = costing(Usage(input_tokens=400, calls=8))
    assert answers_bought(Usage(input_tokens=5_000, usd=8.0, calls=10**6), free, n_examples=10) == 5
    assert answers_bought(Usage(calls=60), costing(Usage(calls=8)), n_examples=10) == 3
    assert answers_bought(Usage(calls=60), costing(Usage()), n_examples=10) == 0


def test_the_champion_is_compared_with_the_votes_pair_by_pair() -> None:
    control = compared_with_votes(evaluation([1.0, 1.0, None]), asked("rrw", "www", "rrr"), n=3, seed=0)
    assert control.n == 3
    assert control.difference is not None
    assert (control.difference.mean, control.difference.n, control.difference.dropped) == (0.5, 2, 1)
    assert math.isclose(control.score or 0.0, 2 / 3)
