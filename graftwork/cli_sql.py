"""`graftwork sql`: any question to a run's tables."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from graftwork.programs.errors import ConfigError

from .cli_places import run_folder

if TYPE_CHECKING:
    from graftwork.search.sql import Answer, Queries

__all__ = ["sql_run"]


def sql_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=run_folder, help="The run's folder, or its mirror.")],
    query: Annotated[str | None, typer.Argument(help="One SQL statement that reads; else the tables and columns are listed.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows are shown in the terminal.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="All rows as a JSON list.")] = False,  # noqa: FBT002 - a flag
    as_csv: Annotated[bool, typer.Option("--csv", help="All rows as CSV.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Ask a run's tables in SQL (DuckDB): candidates, scores, spans, calls, decisions, events, texts, and the view programs."""
    from graftwork.search.record import open_run
    from graftwork.search.sql import Queries

    from .cli_tables import print_csv, print_json_rows

    if as_json and as_csv:
        raise ConfigError("--json and --csv are two forms of the same rows: leave one of them out")
    with Queries(open_run(run_dir)) as queries:
        answer = queries.ask(query if query is not None else queries.listing)
        if as_json or as_csv:
            (print_json_rows if as_json else print_csv)(answer.columns, answer.rows)
        elif query is None:
            _print_described(queries)
        else:
            _print_some(answer, rows)


def _print_described(queries: Queries) -> None:
    for table in queries.described():
        typer.echo(table.name)
        typer.echo("  " + ", ".join(f"{name} {kind.lower()}" for name, kind in table.columns.items()))


def _print_some(answer: Answer, most: int) -> None:
    from .cli_tables import print_rows

    console = Console()
    shown = list(islice(answer.rows, most))
    print_rows(console, answer.columns, shown)
    if next(answer.rows, None) is not None:
        console.print(
            f"the first {most} rows; --rows N shows more, --json and --csv write all", style="dim", highlight=False, soft_wrap=True
        )
