"""Claims: what a run says of its champion, for the lineage and in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from pydantic import TypeAdapter

from graftwork.search.claim import Claim
from graftwork.search.comparison import MeanInterval, PairedDifference
from graftwork.search.record import Record

__all__ = ["claim_clause", "claim_detail", "claim_lines", "interval_words", "openings", "recorded_claim"]


def claim_detail(claim: Claim) -> Mapping[str, object]:
    """What the lineage keeps of a claim; `recorded_claim` reads it."""
    return asdict(claim)


def recorded_claim(record: Record) -> Claim | None:
    """The claim of the last crowning; None of a run that was not crowned, or by a version that made none."""
    details = [row["detail"] for row in record.decisions.to_pylist() if row["kind"] == "claim"]
    return TypeAdapter(Claim).validate_python(json.loads(details[-1])) if details else None


def openings(record: Record) -> tuple[int, ...]:
    """The candidates for which the run opened its test split, in order."""
    rows = (row for row in record.decisions.to_pylist() if row["kind"] == "open_split" and json.loads(row["detail"])["split"] == "test")
    return tuple(dict.fromkeys(row["number"] for row in rows))


def claim_lines(claim: Claim, unit: str, opened: tuple[int, ...] = ()) -> list[str]:
    """The claim in words, one line for each thing that belongs beside the scores.

    Args:
        claim: The claim.
        unit: What a score is in.
        opened: The candidates for which the test split was opened.
    """
    lines = []
    if claim.score is not None:
        of = "95 % interval, " if claim.score.n > 1 else ""
        lines.append(f"champion on {claim.split}: {interval_words(claim.score)} {unit} ({of}n = {claim.score.n})")
    lines.append(_control_said(claim))
    if claim.confirm is not None:
        k = claim.n_compared
        corrected = f", corrected for {k} comparisons" if k > 1 else ""
        of = f"95 %{corrected}" if claim.confirm.n > 1 else "n = 1"
        lines.append(f"on confirm, where it was chosen: champion less seed {interval_words(claim.confirm, sign=True)} ({of})")
    if claim.optimism:
        told = " and ".join(f"by {excess:.3g} on {split}" for split, excess in sorted(claim.optimism.items(), reverse=True))
        lines.append(f"winner's curse: the best of {claim.n_compared + 1} is expected to look better than it is {told}")
    if len(opened) > 1:
        numbers = ", ".join(map(str, opened))
        lines.append(f"test was opened {len(opened)} times, for candidates {numbers}: only at the first had nobody seen it")
    return lines


def claim_clause(claim: Claim) -> str:
    """What belongs beside a score in one line: among how many it was chosen, and the seed at equal cost; for a file that travels alone."""
    return f"chosen among {claim.n_compared + 1}; {_control_said(claim)}"


def interval_words(found: MeanInterval | PairedDifference, *, sign: bool = False) -> str:
    """A mean with its interval; of a single example, which has no spread, the mean alone."""
    form = "+.4g" if sign else ".4g"
    return f"{found.mean:{form}}" + (f" [{found.lo:{form}}, {found.hi:{form}}]" if found.n > 1 else "")


def _control_said(claim: Claim) -> str:
    if claim.control is None:
        return f"best-of-n of the seed: left out, {claim.without}"
    n, difference = claim.control.n, claim.control.difference
    against = "no pair counts" if difference is None else f"champion less that {interval_words(difference, sign=True)}"
    score = "not judged" if claim.control.score is None else f"{claim.control.score:.4g}"
    return f"best of {n} answers of the seed to each test example, for at most what the search cost: {score}, {against}"
