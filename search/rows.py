"""Rows of a lineage from the values that the loop passes round, and recorded calls back from rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from math import isfinite
from typing import Any, Final

from graftwork.evaluators.call_store import RecordedCall, Reservation, Settlement
from graftwork.evaluators.evaluation import Evaluation, Judgement, Unkept
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, ToolCall, Usage
from graftwork.programs.trace import Span
from graftwork.programs.wire import to_json

from .candidate import Brief, Candidate, Result
from .texts import as_utf8, pieces_of

__all__ = [
    "Row",
    "brief_row",
    "candidate_row",
    "json_text",
    "output_columns",
    "recorded_call",
    "reservation_of",
    "reserved_row",
    "score_rows",
    "settled_row",
    "span_rows",
    "tell_row",
    "text_rows",
]

Row = Mapping[str, object]
_MAX_OUTPUT_CHARS: Final = 4_000


def json_text(value: object) -> str:
    """The one JSON text of a value: keys sorted, ASCII, so that any text survives, lone surrogates included.

    Raises:
        TypeError: If it is neither JSON nor a dataclass.
    """
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"))


def candidate_row(result: Result) -> Row:
    """The row of `candidates` for a result; what was not written or not evaluated is null."""
    candidate = result.candidate
    row: dict[str, object] = {
        "number": result.number,
        "operator": result.operator,
        "island": result.island,
        "parents": list(result.parents),
        "status": result.status,
        "reason": as_utf8(result.reason),
        **_usage(result.proposing, prefix="proposer_"),
    }
    if candidate is not None:
        row |= {**_written(candidate), "answers": result.answers}
    evaluations = [evaluation for evaluation in (result.val, result.train) if evaluation is not None]
    row["n_failures"] = sum(len(evaluation.failures) for evaluation in evaluations)
    running = sum((evaluation.usage for evaluation in (*evaluations, result.extension) if evaluation is not None), Usage())
    row |= _usage(running, prefix="task_")
    if result.val is not None:
        objectives = result.val.objectives
        row |= {
            "score": objectives.score if result.estimate is None or objectives.score is None else result.estimate.mean,
            "error": None if result.estimate is None or not isfinite(result.estimate.error) else result.estimate.error,
            "verdict": None if result.raced is None else result.raced.verdict,
            "n_val": sum(value is not None for value in result.val.values),
            "run_usd": objectives.usd,
            "run_seconds": objectives.seconds,
            "metrics": _metrics(objectives.metrics),
        }
    return row


def _written(candidate: Candidate) -> Row:
    """What the row of a candidate tells of its program."""
    program, traits = candidate.program, candidate.traits
    kinds = Counter(component.kind for component in program.components)
    changes = ((change.name, change.predecessor) for change in candidate.provenance.changes)
    return {
        "digest": program.digest,
        "pieces": list(pieces_of(program)),
        "note": as_utf8(candidate.note),
        "model": candidate.model,
        "changes": json_text({name: None if origin is None else (origin.candidate, origin.name) for name, origin in changes}),
        "n_components": len(program.components),
        "n_prompts": kinds["prompt"],
        "n_tools": kinds["tool"],
        "n_chars": len(program.source),
        "normal": None if traits is None else traits.normal,
        "sketch": None if traits is None else traits.sketch,
    }


def text_rows(result: Result, is_new: Callable[[str], bool]) -> list[Row]:
    """The rows of `texts` for those pieces of a result's program whose digests are new."""
    if result.candidate is None:
        return []
    pieces = pieces_of(result.candidate.program)
    return [{"digest": digest, "text": text} for digest, text in pieces.items() if is_new(digest)]


def score_rows(candidate: int, split: str, evaluation: Evaluation) -> Iterator[Row]:
    """A row of `scores` for each case, in the order of the cases."""
    for position, judgement in enumerate(evaluation.judgements):
        outcome, score = judgement.outcome, judgement.score
        yield {
            **_case(candidate, split, judgement),
            "position": position,
            "value": score.value,
            "counted": judgement.counts(evaluation.lo),
            "feedback": as_utf8(score.feedback),
            "metrics": _metrics(score.metrics),
            **output_columns(outcome.output),
            **_failure(outcome.failure),
            "stdout": as_utf8(outcome.stdout),
            **_usage(outcome.usage),
            **(_usage(judgement.judging, prefix="judging_") if judgement.judging != Usage() else {}),
            "seconds": outcome.seconds,
            "cpu_s": outcome.cpu_s,
        }


def span_rows(candidate: int, split: str, evaluation: Evaluation) -> Iterator[Row]:
    """A row of `spans` for each span, in the order of the cases and of their traces."""
    for judgement in evaluation.judgements:
        for span in judgement.outcome.spans:
            yield {**_case(candidate, split, judgement), **_span(span)}


def brief_row(brief: Brief) -> Row:
    """The row of `decisions` for what `ask` gave."""
    chosen = {name: value for name, value in (("proposer", brief.proposer or None), ("worth", brief.worth)) if value is not None}
    return {
        "kind": "ask",
        "number": brief.number,
        "told": brief.told,
        "operator": brief.operator,
        "island": brief.island,
        "parents": [member.candidate.number for member in brief.parents],
        "seed": brief.seed,
        "detail": json_text(chosen) if chosen else None,
    }


def tell_row(result: Result) -> Row:
    """The row of `decisions` for what is told."""
    said: dict[str, object] = {"status": result.status}
    if result.val is not None and result.val.forgeable:
        said["forgeable"] = True
    if result.raced is not None:
        said["race"] = result.raced
    return {
        "kind": "tell",
        "number": result.number,
        "operator": result.operator,
        "island": result.island,
        "parents": list(result.parents),
        "detail": json_text(said),
    }


def reserved_row(call: Reservation) -> Row:
    """The row of `calls` before a call is sent."""
    return {
        **_call(call),
        "event": "reserved",
        "reserved_input_tokens": call.reserved.input_tokens,
        "reserved_output_tokens": call.reserved.output_tokens,
        "reserved_usd": call.reserved.usd,
    }


def settled_row(call: Reservation, settlement: Settlement) -> Row:
    """The row of `calls` for how a reserved call ended."""
    return {
        **_call(call),
        "event": "settled",
        **_usage(settlement.usage),
        "reply": None if settlement.reply is None else json_text(settlement.reply),
        **_failure(settlement.failure),
        "seconds": settlement.seconds,
    }


def reservation_of(row: Mapping[str, Any]) -> Reservation:
    """The reservation that a `reserved` row tells of."""
    reserved = Usage(
        input_tokens=row["reserved_input_tokens"],
        output_tokens=row["reserved_output_tokens"],
        usd=row["reserved_usd"],
        calls=1,
    )
    names = ("id", "role", "key", "draw", "candidate", "example_id", "component", "path", "attempt")
    return Reservation(reserved=reserved, **{name: row[name] for name in names})


def recorded_call(row: Mapping[str, Any]) -> RecordedCall:
    """What a `settled` row tells."""
    reply = failure = None
    if row["reply"] is not None:
        fields = json.loads(row["reply"])
        calls = tuple(ToolCall(**call) for call in fields.pop("tool_calls"))
        reply = Reply(tool_calls=calls, usage=Usage(**fields.pop("usage")), **fields)
    if row["failure_kind"] is not None:
        parts = ("kind", "message", "component", "detail")
        failure = Failure(**{part: row[f"failure_{part}"] for part in parts})
    usage = Usage(**{name: row[name] for name in ("input_tokens", "output_tokens", "usd", "calls")})
    return RecordedCall(reply=reply, failure=failure, usage=usage)


def _metrics(metrics: Mapping[str, float]) -> str | None:
    return json_text(metrics) if metrics else None


def _usage(usage: Usage, *, prefix: str = "") -> Row:
    fields = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "usd": usage.usd, "calls": usage.calls}
    return {prefix + name: value for name, value in fields.items()}


def _failure(failure: Failure | None) -> Row:
    if failure is None:
        return {}
    return {
        "failure_kind": failure.kind,
        "failure_message": as_utf8(failure.message),
        "failure_component": failure.component,
        "failure_detail": as_utf8(failure.detail),
    }


def _case(candidate: int, split: str, judgement: Judgement) -> Row:
    outcome = judgement.outcome
    return {"candidate": candidate, "split": split, "example_id": outcome.example_id, "repeat": outcome.repeat}


def output_columns(output: object) -> Row:
    """What is kept of an output: its text, or where that is long, its digest. Two outputs are equal if these are."""
    if output is None:
        return {}
    if isinstance(output, Unkept):
        return {"output_digest": output.digest}
    text = json_text(output)
    if len(text) <= _MAX_OUTPUT_CHARS:
        return {"output": text}
    return {"output_digest": blake2b(text.encode(), digest_size=16).hexdigest()}


def _span(span: Span) -> Row:
    return {
        "path": span.path,
        "component": as_utf8(span.component),
        "kind": span.kind,
        "inputs": as_utf8(span.inputs),
        "output": as_utf8(span.output),
        "error": as_utf8(span.error),
        "feeds": [{"path": feed.path, "parameter": as_utf8(feed.parameter), "kind": feed.kind} for feed in span.feeds],
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "claimed": span.claimed,
        "seconds": span.seconds,
    }


def _call(call: Reservation) -> Row:
    return {
        "id": call.id,
        "role": call.role,
        "key": call.key,
        "draw": call.draw,
        "candidate": call.candidate,
        "example_id": call.example_id,
        "component": as_utf8(call.component),
        "path": as_utf8(call.path),
        "attempt": call.attempt,
    }
