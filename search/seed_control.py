"""Seed control: what the seed gives for what the search cost: it is asked several times on each test example, and its answers vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from graftwork.evaluators.evaluation import Evaluation, Judgement, Unkept, mean_of
from graftwork.evaluators.task import Example
from graftwork.programs.model import Usage
from graftwork.programs.program import Program

from .candidate import Member
from .comparison import PairedDifference, difference_of
from .rows import json_text

__all__ = ["Asking", "SeedControl", "answers_bought", "compared_with_votes", "voted_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedControl:
    """The champion beside best-of-n of the seed.

    Attributes:
        n: Answers of the seed on each test example: what the search cost would have bought, or the most that are asked for.
        score: Mean of its votes; None where nothing could be judged.
        difference: The champion's score less the votes', paired; None where no pair counts.
    """

    n: int
    score: float | None
    difference: PairedDifference | None


class Asking(Protocol):
    """Runs and scores one program several times on each example, with draws that nothing else has."""

    async def __call__(self, program: Program, examples: tuple[Example, ...], *, candidate: int, purpose: str, repeats: int) -> Evaluation:
        """Scores of the program, the repeats of an example one after another."""
        ...


def answers_bought(spent: Usage, seed: Member, n_examples: int) -> int:
    """How many answers of the seed on each of some examples a spend would have bought; 0 where the seed costs nothing.

    Args:
        spent: In US dollars where the seed's calls have a price, else in tokens, else in calls.
        seed: Whose evaluation says what an answer costs.
        n_examples: At least 1.
    """
    used, n_runs = seed.val.usage + seed.train.usage, len(seed.val.judgements) + len(seed.train.judgements)
    for total, of_seed in ((spent.usd, used.usd), (spent.tokens, used.tokens), (spent.calls, used.calls)):
        if of_seed > 0 and total > 0:
            return int(total * n_runs / (of_seed * n_examples))
    return 0


def voted_values(evaluation: Evaluation) -> tuple[float | None, ...]:
    """By example, the value of the output that most of the answers give.

    Outputs are the same where their JSON is; failures have no vote, and count as the lowest score where every answer failed. Where no two
    answers agree there is nothing to vote on, and the mean of them all stands: what one of them, taken blindly, is worth.
    """
    by_example = groupby(evaluation.judgements, key=lambda judgement: judgement.outcome.example_id)
    return tuple(_vote(list(answers), evaluation.lo) for _, answers in by_example)


def compared_with_votes(champion: Evaluation, asked: Evaluation, *, n: int, seed: int) -> SeedControl:
    """The champion beside the votes of the seed on the same examples.

    Args:
        champion: Its evaluation.
        asked: The seed's, with `n` answers to each example.
        n: Answers.
        seed: Seed of what the interval draws.
    """
    votes = voted_values(asked)
    return SeedControl(n=n, score=mean_of(votes), difference=difference_of(champion.values, votes, seed=seed))


def _vote(answers: Sequence[Judgement], lo: float) -> float | None:
    by_text: dict[str, list[Judgement]] = {}
    for answer in answers:
        if answer.outcome.failure is None:
            output = answer.outcome.output
            text = output.digest if isinstance(output, Unkept) else json_text(output)
            by_text.setdefault(text, []).append(answer)
    most = max(by_text.values(), key=len, default=[])
    voting = most if len(most) > 1 else answers
    return mean_of(answer.counts(lo) for answer in voting)
