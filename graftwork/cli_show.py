"""`graftwork show`: a run as text, finished or still going on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.syntax import Syntax

from .cli_cost import cost_row
from .cli_tables import plain_table

__all__ = ["show_run", "show_scores"]

_SHOWN_FAILURES = 8
_SHOWN_BEST = 5


def show_run(run_dir: Path, console: Console) -> None:
    """Print champion, scores, best candidates, failures with reasons, and spend by role.

    Raises:
        RunError: If there is no run, or it is damaged.
    """
    from graftwork.flows.summary import objectives_line, recorded_crown
    from graftwork.search.costs import Costs
    from graftwork.search.record import open_run

    record = open_run(run_dir)
    tables = record.tables()
    candidates: list[Mapping[str, Any]] = tables["candidates"].to_pylist()
    measured, _ = recorded_crown(record)
    shown = record.champion or record.best
    if shown is None:
        console.print("nothing has been evaluated yet")
        return
    title = "champion" if measured else "best so far"
    console.print(f"{title}: candidate {shown['number']} by {shown['operator']}, val {shown['score']:.4g}", highlight=False, markup=False)
    if line := objectives_line(candidates, shown["number"]):
        console.print(line, highlight=False, markup=False)
    console.print(Syntax(record.source(shown), "python", background_color="default", word_wrap=True))
    show_scores(run_dir, console)
    console.print(plain_table(_best(candidates), title="best on val"))
    console.print(plain_table(_results(candidates), title="results by operator"))
    console.print(plain_table(_failures(tables["scores"].to_pylist()), title="failures"))
    console.print(plain_table(_unused(candidates), title="not evaluated"))
    console.print(plain_table([cost_row(cost) for cost in Costs(record).by("role")], title="model calls"))


def show_scores(run_dir: Path, console: Console) -> None:
    """Print champion and seed by split, and what could not be measured; nothing for a run that is not crowned yet.

    Raises:
        RunError: If there is no run, or it is damaged.
    """
    from graftwork.flows.summary import recorded_crown, report_rows
    from graftwork.search.record import open_run

    measured, remarks = recorded_crown(open_run(run_dir))
    if measured:
        console.print(plain_table(report_rows(measured), title="scores"))
    for remark in remarks:
        console.print(f"- {remark}", markup=False, highlight=False)


def _first_line(text: str | None) -> str:
    return ((text or "").splitlines() or [""])[0][:120]


def _best(candidates: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, object]]:
    ranked = sorted((c for c in candidates if c["status"] == "evaluated"), key=lambda c: (-c["score"], c["n_chars"], c["number"]))
    for c in ranked[:_SHOWN_BEST]:
        parents = ", ".join(map(str, c["parents"])) or "-"
        val = f"{c['score']:.4g} on {c['n_val']}"
        yield {"candidate": c["number"], "val": val, "operator": c["operator"], "parents": parents, "note": c["note"]}


def _results(candidates: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, object]]:
    counts = Counter((c["operator"], c["status"]) for c in candidates)
    for operator in sorted({operator for operator, _ in counts}):
        statuses = {status: count for (name, status), count in sorted(counts.items()) if name == operator}
        yield {"operator": operator, "results": ", ".join(f"{status} {count}" for status, count in statuses.items())}


def _failures(scores: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, object]]:
    counts = Counter((s["failure_kind"], _first_line(s["failure_message"])) for s in scores if s["failure_kind"])
    for (kind, message), count in counts.most_common(_SHOWN_FAILURES):
        yield {"kind": kind, "runs": count, "reason": message}


def _unused(candidates: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, object]]:
    counts = Counter((c["status"], _first_line(c["reason"])) for c in candidates)
    for (status, reason), count in counts.most_common():
        if status != "evaluated":
            yield {"status": status, "candidates": count, "reason": reason}
