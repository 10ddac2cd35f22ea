"""Recall: results and evaluations as they were told, made again from the rows of a run's record, to go on from there or to repeat it.

What is told to the search is what the record can hold, so that a search that goes on from a record is the search that went on: see
`as_recorded`, the one place where anything is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome, Unkept
from graftwork.evaluators.task import Score
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.trace import Feed, Span

from .rows import Row, output_columns
from .texts import as_utf8

__all__ = ["RowsByCandidate", "as_recorded", "evaluation_of", "usage_of"]

_USAGE: Final = ("input_tokens", "output_tokens", "usd", "calls")


def as_recorded(evaluation: Evaluation) -> Evaluation:
    """The evaluation as the record can hold it: text as UTF-8, a long output as its digest, and no reason that a failure tells already."""
    return replace(evaluation, judgements=tuple(map(_judgement_as_recorded, evaluation.judgements)))


def _judgement_as_recorded(judgement: Judgement) -> Judgement:
    outcome, score = judgement.outcome, judgement.score
    digest = output_columns(outcome.output).get("output_digest")
    failure = outcome.failure
    if failure is not None:
        failure = replace(failure, message=as_utf8(failure.message), detail=as_utf8(failure.detail))
    return replace(
        judgement,
        outcome=replace(
            outcome,
            output=outcome.output if digest is None else Unkept(digest=str(digest)),
            failure=failure,
            spans=tuple(map(_span_as_recorded, outcome.spans)),
            stdout=as_utf8(outcome.stdout),
        ),
        score=replace(score, feedback=as_utf8(score.feedback), invalid=""),
    )


def _span_as_recorded(span: Span) -> Span:
    texts = (span.component, span.inputs, span.output, span.error, *(feed.parameter for feed in span.feeds))
    if all(map(str.isascii, texts)):
        return span
    component, inputs, output, error, *parameters = map(as_utf8, texts)
    feeds = tuple(replace(feed, parameter=parameter) for feed, parameter in zip(span.feeds, parameters, strict=True))
    return replace(span, component=component, inputs=inputs, output=output, error=error, feeds=feeds)


class RowsByCandidate:
    """The rows of `scores` or `spans`, found by candidate and split without looking at the others.

    Args:
        table: The table.
    """

    def __init__(self, table: Any) -> None:  # Any: a pyarrow.Table, which only the record's readers name
        self._table = table.combine_chunks()
        numbers = np.asarray(self._table["candidate"].to_numpy())
        self._order = np.argsort(numbers, kind="stable")
        self._numbers = numbers[self._order]

    def of(self, candidate: int, split: str) -> list[Mapping[str, Any]]:
        """The rows of the last write for a candidate on a split, in the order of writing."""
        start, end = np.searchsorted(self._numbers, [candidate, candidate + 1])
        rows = [row for row in self._table.take(self._order[start:end]).to_pylist() if row["split"] == split]
        last = max((row["group"] for row in rows), default=0)
        return [row for row in rows if row["group"] == last]


def evaluation_of(scores: Sequence[Row], spans: Iterable[Row], blank: Evaluation) -> Evaluation:
    """The evaluation that some rows tell of.

    Args:
        scores: Rows of `scores`, of one candidate on one split, in the order of the cases.
        spans: The rows of `spans` that belong to them, in the order of the traces.
        blank: Digest, lowest score and length of the program, without judgements.
    """
    traces: dict[tuple[object, object], list[Span]] = {}
    for row in spans:
        traces.setdefault((row["example_id"], row["repeat"]), []).append(_span_of(row))
    judgements = [_judgement_of(row, tuple(traces.get((row["example_id"], row["repeat"]), ()))) for row in scores]
    return replace(blank, judgements=tuple(judgements))


def usage_of(row: Mapping[str, Any], prefix: str = "") -> Usage:
    """What some columns tell of model calls."""
    return Usage(**{name: row[prefix + name] for name in _USAGE if row[prefix + name] is not None})


def _judgement_of(row: Mapping[str, Any], spans: tuple[Span, ...]) -> Judgement:
    output: object = None if row["output"] is None else json.loads(row["output"])
    failure = None
    if row["failure_kind"] is not None:
        failure = Failure(**{part: row[f"failure_{part}"] for part in ("kind", "message", "component", "detail")})
    return Judgement(
        outcome=Outcome(
            example_id=row["example_id"],
            repeat=row["repeat"],
            output=output if row["output_digest"] is None else Unkept(digest=row["output_digest"]),
            failure=failure,
            spans=spans,
            usage=usage_of(row),
            stdout=row["stdout"],
            seconds=row["seconds"],
            cpu_s=row["cpu_s"],
        ),
        score=Score(value=row["value"], feedback=row["feedback"], metrics=json.loads(row["metrics"]) if row["metrics"] else {}),
        judging=usage_of(row, "judging_"),
    )


def _span_of(row: Mapping[str, Any]) -> Span:
    names = ("path", "component", "kind", "inputs", "output", "error", "seconds", "input_tokens", "output_tokens", "claimed")
    return Span(feeds=tuple(Feed(**feed) for feed in row["feeds"]), **{name: row[name] for name in names})
