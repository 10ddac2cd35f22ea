"""The command line: init, run, show, export, merge, blame."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from graftwork.programs.errors import GraftworkError, UserError

from .cli_lines import blame_run, merge_programs
from .cli_run import run

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Makes an LLM program better by evolving it: whole program structures, in parallel, within a budget.",
)
app.command()(run)
app.command("merge")(merge_programs)
app.command("blame")(blame_run)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new folder for the task.")]) -> None:
    """Write a small task to start from: program.py and task.py."""
    from graftwork.flows.starter import write_starter

    for path in write_starter(folder):
        typer.echo(f"wrote {path}")
    typer.echo(f"now: graftwork run {folder}")


@app.command()
def show(run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")]) -> None:
    """Show what a run found: champion, scores, candidates, failures and spend."""
    from .cli_show import show_run

    show_run(run_dir, Console())


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("champion.py"),
) -> None:
    """Write a run's champion as one plain Python file that runs alone."""
    from graftwork.flows.exporting import copy_champion

    note = copy_champion(run_dir, output)
    typer.echo(f"wrote {output}: {note}")


def main() -> None:
    """Run the command line. A person's mistake is one line and exit code 2; trouble of the machine is one line and exit code 1."""
    try:
        app()
    except GraftworkError as error:
        Console(stderr=True, soft_wrap=True).print(f"graftwork: {error}", style="red", markup=False, highlight=False)
        sys.exit(2 if isinstance(error, UserError) else 1)
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(130)  # at once: a task's scorer may be at work on a thread that an ordinary exit would wait for
    except Exception:  # the outermost boundary: the traceback is kept and shown
        traceback.print_exc()
        Console(stderr=True).print("graftwork: this is a defect of Graftwork; what the run recorded is safe in its folder", markup=False)
        sys.exit(1)
