"""Showing: how a proposer is told what the task is and what a program did on train examples. Bounded text; nothing of val is in it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Final

from graftwork.evaluators.evaluation import Evaluation, Judgement, Unkept
from graftwork.evaluators.task import Example
from graftwork.programs.trace import Span

from .candidate import Member
from .operator import Facts

__all__ = ["EVIDENCE_CHARS", "blame", "clipped", "show_evidence", "show_task"]

# About 800 tokens: with a program and the constant text it leaves a small local model room to answer within 8,000.
EVIDENCE_CHARS: Final = 3_000
_VALUE_CHARS: Final = 240
_MAX_EXAMPLES: Final = 5
_MAX_TRACES: Final = 2
_MAX_SPANS: Final = 6


def show_task(facts: Facts) -> str:
    """The task in words: what it is for, what is called, what a score is in, what may be imported."""
    lo, hi = facts.score_range
    packages = ", ".join(facts.packages) or "none"
    used = f"Entry: `{facts.entry}`." if facts.entry else "Other code imports this file: keep what it can call, under the same names."
    bounds = "" if facts.forgeable else f", from {lo:g} to {hi:g}"
    lines = [
        f"Task: {facts.description.strip() or 'make the score of this program higher.'}",
        f"{used} Score: {facts.unit}{bounds}, higher is better.",
        f"Packages besides the standard library: {packages}.",
    ]
    if len(facts.models) > 1:
        lines.append(f"Models that `@prompt(model=…)` may name, cheapest first: {', '.join(facts.models)}.")
    if facts.frozen:
        lines.append(f"Leave as they are: {', '.join(sorted(facts.frozen))}.")
    return "\n".join(lines)


def show_evidence(member: Member, facts: Facts, *, rng: random.Random, max_chars: int = EVIDENCE_CHARS) -> str:
    """What a program did on train examples, worst first, the worst with their traces.

    Args:
        member: Whose train evaluation is shown.
        facts: The train examples, for inputs and targets.
        rng: Chooses among examples of equal value.
        max_chars: Never longer than this; examples that do not fit are left out whole.
    """
    if facts.whole:
        return _told_by_evaluator(member.val, max_chars)
    examples = {example.id: example for example in facts.train}
    counted = _worst_runs(member.train)
    if not counted:
        return "This program has not run on any example yet."
    ranked = sorted(counted, key=lambda pair: (pair[0], rng.random()))
    text = _summary(member.train)
    for place, (value, judgement) in enumerate(_spread(ranked)):
        example = examples.get(judgement.outcome.example_id)
        entry = _example(place + 1, value, judgement, example=example, trace=place < _MAX_TRACES)
        if len(text) + len(entry) > max_chars:
            entry = _example(place + 1, value, judgement, example=example, trace=False)
        if len(text) + len(entry) <= max_chars:
            text += entry
    return clipped(text, max_chars)


def blame(member: Member) -> Mapping[str, int]:
    """How often each component stood where a train example failed: named by the failure, or by a span with an error."""
    counts: dict[str, int] = {}
    for judgement in member.train.judgements:
        failure = judgement.outcome.failure
        names = {span.component for span in judgement.outcome.spans if span.error and span.kind not in {"model_call", "step"}}
        if failure is not None and failure.component is not None:
            names.add(failure.component)
        for name in sorted(names):
            counts[name] = counts.get(name, 0) + 1
    return counts


def clipped(text: str, max_chars: int) -> str:
    """The text, or its two ends with a mark between them."""
    if len(text) <= max_chars:
        return text
    head = (max_chars - 3) * 2 // 3
    return f"{text[:head]}...{text[len(text) - (max_chars - 3 - head) :]}"


def _told_by_evaluator(val: Evaluation, max_chars: int) -> str:
    """What an evaluator said of a program: its failure with the end of the traceback, or metrics and artifacts."""
    parts = []
    for judgement in val.judgements:
        failure = judgement.outcome.failure
        if failure is not None:
            parts.append(f"The program failed ({failure.kind}): {failure.message}\n{failure.detail[-max_chars // 2 :]}")
        else:
            parts.append(f"The evaluator said of this program: {judgement.score.feedback}")
    return clipped("\n".join(parts), max_chars)


def _worst_runs(train: Evaluation) -> list[tuple[float, Judgement]]:
    """Of each example the run that counts least, with what it counts: repeats would crowd the other examples out."""
    worst: dict[str, tuple[float, Judgement]] = {}
    for judgement in train.judgements:
        value, name = judgement.counts(train.lo), judgement.outcome.example_id
        if value is not None and (name not in worst or value < worst[name][0]):
            worst[name] = value, judgement
    return list(worst.values())


def _summary(train: Evaluation) -> str:
    values = train.values
    counted = [value for value in values if value is not None]
    n_failed = len(train.failures)
    runs = f", {len(train.judgements)} runs of which the worst of each is shown" if len(train.judgements) > len(values) else ""
    return f"On {len(counted)} train examples{runs}: mean score {sum(counted) / len(counted):.4g}, {n_failed} without output.\n"


def _spread(ranked: Sequence[tuple[float, Judgement]]) -> list[tuple[float, Judgement]]:
    """The worst few and, where there is one, the best: what works should be kept."""
    if len(ranked) <= _MAX_EXAMPLES:
        return list(ranked)
    return [*ranked[: _MAX_EXAMPLES - 1], ranked[-1]]


def _example(number: int, value: float, judgement: Judgement, *, example: Example | None, trace: bool) -> str:
    outcome = judgement.outcome
    lines = [f"\nExample {number}, score {value:.4g}"]
    if example is not None:
        lines += [f"  {name}: {_json(item)}" for name, item in example.inputs.items()]
        if example.target is not None:
            lines.append(f"  expected: {_json(example.target)}")
    if outcome.failure is None:
        lines.append(f"  output: {_output(outcome.output)}")
    else:
        where = f" in {outcome.failure.component}" if outcome.failure.component else ""
        lines.append(f"  failed ({outcome.failure.kind}{where}): {clipped(outcome.failure.message, _VALUE_CHARS)}")
    if judgement.score.feedback:
        lines.append(f"  feedback: {clipped(judgement.score.feedback, _VALUE_CHARS)}")
    if trace:
        lines += [_span(span) for span in _told(outcome.spans)]
    return "\n".join(lines) + "\n"


def _told(spans: Sequence[Span]) -> list[Span]:
    """Spans of components, those with an error always; a model call says no more than the prompt that made it."""
    components = [span for span in spans if span.kind != "model_call"]
    failed = [span for span in components if span.error]
    kept = {id(span) for span in (failed + [span for span in components if not span.error])[:_MAX_SPANS]}
    return [span for span in components if id(span) in kept]


def _span(span: Span) -> str:
    result = f"raised {span.error}" if span.error else f"-> {span.output}"
    return f"    {span.component} {clipped(span.inputs, _VALUE_CHARS // 2)} {clipped(result, _VALUE_CHARS)}"


def _output(output: object) -> str:
    return (
        "(longer than is kept)"
        if isinstance(output, Unkept)
        else clipped(json.dumps(output, ensure_ascii=False, sort_keys=True), _VALUE_CHARS)
    )


def _json(value: object) -> str:
    return clipped(json.dumps(value, ensure_ascii=False, default=str), _VALUE_CHARS)
