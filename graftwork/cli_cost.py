"""`graftwork cost`: what a run's model calls cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from .cli_places import run_folder

if TYPE_CHECKING:
    from graftwork.search.costs import Cost

__all__ = ["cost_row", "cost_run"]

_TABLES: Final = ("role", "operator", "model", "hour")


def cost_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=run_folder, help="The run's folder, or its mirror.")],
    by: Annotated[
        list[str] | None, typer.Option(metavar="KEY[,KEY]", help="role, operator, model or hour (UTC), or several; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show what a run's model calls cost: money, tokens and calls by role, operator, model and hour."""
    from graftwork.search.costs import Costs
    from graftwork.search.record import open_run

    from .cli_tables import as_json as json_text
    from .cli_tables import plain_table

    costs = Costs(open_run(run_dir))
    tables = {keys: costs.by(*(key.strip() for key in keys.split(","))) for keys in by or _TABLES}
    total = costs.total
    if as_json:
        told = {"total": _told(total), "by": {keys: [_told(cost) for cost in rows] for keys, rows in tables.items()}}
        typer.echo(json_text(told, indent=2))
        return
    console = Console()
    tokens = f"{total.input_tokens:,} input and {total.output_tokens:,} output tokens"
    console.print(f"{_calls(total.calls)}, {tokens}, {total.usd:.4f} usd at list price", highlight=False, soft_wrap=True)
    if total.in_doubt:
        console.print(
            f"of these in doubt: {_calls(total.in_doubt)}, {total.usd_in_doubt:.4f} usd: sent, and nobody knows whether they were billed, "
            "so that they count at what they had reserved",
            highlight=False,
            soft_wrap=True,
        )
    for keys, rows in tables.items():
        console.print(plain_table([cost_row(cost) for cost in rows], title=f"by {keys.replace(',', ' and ')}"))


def cost_row(cost: Cost) -> dict[str, object]:
    """A sum as a row of a table."""
    return {
        **cost.keys,
        "calls": cost.calls,
        "input tokens": cost.input_tokens,
        "output tokens": cost.output_tokens,
        "usd": f"{cost.usd:.4f}",
        "failed": cost.failed,
        "in doubt": cost.in_doubt,
    }


def _told(cost: Cost) -> dict[str, object]:
    """A sum as JSON values."""
    fields = asdict(cost)
    return {**fields.pop("keys"), **fields}


def _calls(n: int) -> str:
    return f"{n:,} model call{'' if n == 1 else 's'}"
