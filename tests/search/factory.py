"""Values for the tests of the search: members and evaluations made from numbers."""

from __future__ import annotations

from collections.abc import Sequence

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.failure import Failure
from graftwork.programs.parse import parse
from graftwork.search.candidate import Candidate, Member, Result

__all__ = ["evaluation", "failed", "member", "result"]


def evaluation(values: Sequence[float | None], *, lo: float = 0.0) -> Evaluation:
    """An evaluation on examples `e0`, `e1`, … with these scores."""
    judgements = tuple(
        Judgement(outcome=Outcome(example_id=f"e{place}", output=value), score=Score(value=value)) for place, value in enumerate(values)
    )
    return Evaluation(digest="", judgements=judgements, lo=lo)


def failed(failure: Failure) -> Judgement:
    """A judgement of a program that failed."""
    return Judgement(outcome=Outcome(example_id="e0", failure=failure), score=Score(value=None))


def candidate(number: int, *, source: str | None = None) -> Candidate:
    """A candidate whose program is unlike that of any other number."""
    return Candidate(number=number, program=parse(source or f"def solve(x: int) -> int:\n    return x + {number}\n"))


def member(number: int, values: Sequence[float | None], *, source: str | None = None) -> Member:
    """A member with these val scores."""
    return Member(candidate=candidate(number, source=source), val=evaluation(values), train=evaluation(()))


def result(number: int, values: Sequence[float | None], *, island: int = 0, source: str | None = None) -> Result:
    """An evaluated result with these val scores."""
    return Result(
        number=number,
        operator="seed" if number == 0 else "perturb",
        island=island,
        parents=(),
        status="evaluated",
        candidate=candidate(number, source=source),
        val=evaluation(values),
        train=evaluation(()),
    )
