"""Cascade: cheap looks first. A program is run on few examples before it is run on all, and on no more where it is hopeless."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from graftwork.programs.failure import Failure

from .evaluation import Judgement, Outcome, mean_of
from .task import Example, Limits, Look, Score

__all__ = ["Pair", "cascaded"]

Pair: TypeAlias = tuple[Example, int]
"""An example, and which repeat of it."""

_MESSAGE_CHARACTERS: Final = 500
_NOT_RUN: Final = "not run, for on the first "


async def cascaded(
    pairs: Sequence[Pair],
    judged: Callable[[Sequence[Pair], Limits], Awaitable[tuple[Judgement, ...]]],
    *,
    looks: Sequence[Look],
    limits: Limits,
    lo: float,
    before: Sequence[Judgement] = (),
) -> tuple[Judgement, ...]:
    """Judgements of a program on all pairs, look by look. Those that it was not run on count as its last failure, and say so.

    Args:
        pairs: In order; the repeats of an example stand together.
        judged: Runs and scores the program on some of them, within limits.
        looks: By the number of their examples, those of `before` included.
        limits: Where no look says otherwise.
        lo: What a failure counts.
        before: What is known of it on other examples already. Where it was not run on all of them, it is run on none of these.
    """
    if before and (failure := _stopped_by(before[-1])) is not None:
        return tuple(_unrun(pair, failure) for pair in pairs)
    done, n_before = tuple(before), len(before)
    n_seen = len({judgement.outcome.example_id for judgement in before})
    for look in (look for look in looks if look.examples >= n_seen):
        n_pairs = n_before + _n_pairs(pairs, look.examples - n_seen)
        is_needed = look.at_least is not None or _all_failed(done)
        if n_pairs < n_before + len(pairs) and is_needed:
            own = limits if look.timeout_s is None else replace(limits, timeout_s=min(look.timeout_s, limits.timeout_s))
            if n_pairs > len(done):
                done += await judged(pairs[len(done) - n_before : n_pairs - n_before], own)
            if (failure := _hopeless(done, look, lo=lo, is_last=look is looks[-1])) is not None:
                return (*done[n_before:], *(_unrun(pair, failure) for pair in pairs[len(done) - n_before :]))
    return (*done[n_before:], *await judged(pairs[len(done) - n_before :], limits))


def _n_pairs(pairs: Sequence[Pair], n_examples: int) -> int:
    """How many pairs the first examples have."""
    starts = [place for place, (_, repeat) in enumerate(pairs) if repeat == 0]
    return starts[n_examples] if n_examples < len(starts) else len(pairs)


def _all_failed(done: Sequence[Judgement]) -> bool:
    failures = [judgement.outcome.failure for judgement in done]
    return all(failure is not None and failure.is_the_programs for failure in failures)


def _hopeless(done: Sequence[Judgement], look: Look, *, lo: float, is_last: bool) -> Failure | None:
    """Why a program is run no further."""
    last = done[-1].outcome.failure
    mean = mean_of(judgement.counts(lo) for judgement in done)
    if is_last and last is not None and _all_failed(done):
        kind, why = last.kind, f"{last.kind}: {last.message}"
    elif look.at_least is not None and mean is not None and mean < look.at_least:
        kind, why = "invalid", f"its mean is {mean:.4g}, and {look.at_least:.4g} is asked for"
    else:
        return None
    said = f"{_NOT_RUN}{len(done)}: {why}"
    return Failure(kind=kind, message=said[:_MESSAGE_CHARACTERS], component=last.component if last is not None else None)


def _stopped_by(last: Judgement) -> Failure | None:
    """Why a program was run no further before this; None where it was run on this."""
    failure = last.outcome.failure
    return failure if failure is not None and failure.message.startswith(_NOT_RUN) else None


def _unrun(pair: Pair, failure: Failure) -> Judgement:
    example, repeat = pair
    outcome = Outcome(example_id=example.id, repeat=repeat, failure=failure)
    return Judgement(outcome=outcome, score=Score(value=None, feedback=failure.message))
