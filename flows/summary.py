"""Summary: a report in words and rows, for the terminal, for Prefect's artifacts and for files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, Final

from pydantic import TypeAdapter

from graftwork.search.crowning import Crown, Measured
from graftwork.search.record import Record

from .claims import claim_lines, interval_words, openings, recorded_claim
from .run import Report

__all__ = [
    "FORGEABLE",
    "crown_detail",
    "headline",
    "labelled_headline",
    "objectives_line",
    "recorded_crown",
    "report_markdown",
    "report_rows",
    "spend_line",
]

_SHOWN_METRICS: Final = 6  # the first by name; the table `candidates` has all

FORGEABLE: Final = (
    "forgeable: the scores are the folder's own evaluator's, which shares its processes with the programs; confirm and test are one more "
    "run of it each, no unseen examples"
)


def crown_detail(crown: Crown) -> dict[str, object]:
    """What the lineage keeps of a crowning, as JSON values; `recorded_crown` reads it."""
    return {
        "chosen_on": crown.chosen_on,
        "n_finalists": crown.n_finalists,
        "measured": {name: asdict(measured) for name, measured in crown.measured.items()},
        "missing": list(crown.missing),
        "disqualified": {str(number): reason for number, reason in crown.disqualified.items()},
    }


def recorded_crown(record: Record) -> tuple[Mapping[str, Measured], tuple[str, ...]]:
    """Scores by split, and remarks, of a run that was crowned; no scores for one that was not."""
    details = [row["detail"] for row in record.decisions.to_pylist() if row["kind"] == "crown"]
    forgeable = (FORGEABLE,) if record.forgeable else ()
    if not details:
        return {}, forgeable
    detail = json.loads(details[-1])
    chosen = f"chosen on {detail['chosen_on']} among {detail['n_finalists']}"
    lost = (f"disqualified: candidate {number}: {reason}" for number, reason in detail["disqualified"].items())
    # The record sorts keys; people read splits in the order in which they are opened.
    order = {name: place for place, name in enumerate(("val", "confirm", "test"))}
    measured = dict(
        sorted(TypeAdapter(dict[str, Measured]).validate_python(detail["measured"]).items(), key=lambda item: order.get(item[0], 9))
    )
    claim = recorded_claim(record)
    claimed = () if claim is None else claim_lines(claim, record.config["task"]["unit"], openings(record))
    return measured, (chosen, *claimed, *forgeable, *(f"not measured: {line}" for line in detail["missing"]), *lost)


def headline(measured: Mapping[str, Measured], unit: str) -> str:
    """One line: the champion against the seed on the strictest split that was measured."""
    name = next(split for split in ("test", "confirm", "val") if split in measured)
    difference = measured[name].difference
    found = "" if difference is None else f", {interval_words(difference, sign=True)}"
    return f"{name}: {_number(measured[name].champion)} {unit}, seed {_number(measured[name].seed)}{found}"


def labelled_headline(measured: Mapping[str, Measured], unit: str) -> str:
    """The headline with what its interval is; for a file that travels alone."""
    name = next(split for split in ("test", "confirm", "val") if split in measured)
    difference = measured[name].difference
    if difference is None:
        return headline(measured, unit)
    of = "paired, 95 % interval, " if difference.n > 1 else ""
    return f"{headline(measured, unit)} ({of}n = {difference.n})"


def report_rows(measured: Mapping[str, Measured]) -> list[dict[str, object]]:
    """One row for each split or transfer set: means and the paired difference."""
    return [_row(name, one) for name, one in measured.items()]


def objectives_line(candidates: Iterable[Mapping[str, Any]], shown: int) -> str:
    """The seed and another candidate by every objective, in one line: means over runs on val. Empty where the run recorded none.

    Args:
        candidates: Rows of `candidates`.
        shown: Number of the other candidate.
    """
    rows = {row["number"]: row for row in candidates if row["number"] in {0, shown}}
    if any(rows.get(number, {}).get("run_usd") is None for number in (0, shown)):
        return ""
    seed, other = (_objectives(rows[number]) for number in (0, shown))
    pairs = ((name, seed.get(name), other.get(name)) for name in {**seed, **other})
    told = [f"{name} {_number(one)} → {_number(two)}" for name, one, two in pairs if name != "usd" or one or two]
    return f"seed → candidate {shown}: {', '.join(told)}"


def _objectives(row: Mapping[str, Any]) -> dict[str, float | None]:
    metrics: dict[str, float] = json.loads(row["metrics"] or "{}")
    metrics = dict(islice(metrics.items(), _SHOWN_METRICS))
    own = {"val": row["score"], "usd": row["run_usd"], "seconds": row["run_seconds"], "characters": row["n_chars"]}
    return own | metrics


def report_markdown(report: Report) -> str:
    """The whole report as Markdown."""
    crown = report.crown
    lines = [
        f"# {report.run_dir.name}",
        "",
        f"Champion: candidate {crown.champion.number} by {crown.champion.operator}, of {crown.n_finalists} chosen on `{crown.chosen_on}`.",
        f"Ended by {report.stop.reason} after {report.stop.told - 1} candidates in {report.seconds:.0f} s.",
        "",
        f"Scores in {report.unit}:",
        "",
        "| split | champion | seed | difference (95 % interval) | examples |",
        "|---|---|---|---|---|",
        *(
            f"| {row['split']} | {row['champion']} | {row['seed']} | {row['difference']} | {row['examples']} |"
            for row in report_rows(crown.measured)
        ),
        "",
        *(f"- {line}" for line in (claim_lines(crown.claim, report.unit, report.opened) if crown.claim is not None else ())),
        *([f"- {FORGEABLE}"] if report.forgeable else []),
        *(f"- not measured: {line}" for line in crown.missing),
        *(f"- disqualified: candidate {number}: {reason}" for number, reason in crown.disqualified.items()),
        f"- results: {_counts(report.statuses)}",
        f"- failures on val: {_counts(report.failures) or 'none'}",
        f"- model spend: {spend_line(report)}",
    ]
    return "\n".join(lines) + "\n"


def spend_line(report: Report) -> str:
    """Tokens, calls and dollars by role."""
    parts = [f"{role} {u.tokens} tokens in {u.calls} calls, {u.usd:.4f} usd" for role, u in report.spent.items() if u.calls]
    return "; ".join(parts) or "none"


def _row(name: str, measured: Measured) -> dict[str, object]:
    d = measured.difference
    examples = f"{measured.n} × {measured.repeats}" if measured.repeats > 1 else f"{measured.n}"
    return {
        "split": name,
        "champion": _number(measured.champion),
        "seed": _number(measured.seed),
        "difference": "-" if d is None else interval_words(d, sign=True),
        "examples": examples if d is None or not d.dropped else f"{examples} ({d.dropped} pairs dropped)",
    }


def _number(value: float | None) -> str:
    if value is None:
        return "not judged"
    return f"{value:d}" if isinstance(value, int) else f"{value:.4g}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
