"""The command line: init, run, resume, replay, show, export, merge, blame, lineage, diff, sql, cost, mirror, fetch, doctor."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from graftwork.programs.errors import ConfigError, GraftworkError, UserError

from .cli_cost import cost_run
from .cli_diff import diff_run
from .cli_doctor import doctor
from .cli_lineage import lineage_run
from .cli_lines import blame_run, merge_programs, new_file
from .cli_places import fetch_run, mirror_run, run_folder
from .cli_replay import replay_run
from .cli_run import resume, run
from .cli_sql import sql_run

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Makes an LLM program better by evolving it: whole program structures, in parallel, within a budget.",
)
app.command()(run)
app.command()(resume)
app.command("replay")(replay_run)
app.command("merge")(merge_programs)
app.command("blame")(blame_run)
app.command("lineage")(lineage_run)
app.command("diff")(diff_run)
app.command("sql")(sql_run)
app.command("cost")(cost_run)
app.command("mirror")(mirror_run)
app.command("fetch")(fetch_run)
app.command()(doctor)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new folder for the task.")]) -> None:
    """Write a small task to start from: program.py and task.py."""
    from graftwork.flows.starter import write_starter

    for path in write_starter(folder):
        typer.echo(f"wrote {path}")
    typer.echo(f"now: graftwork run {folder}")


@app.command()
def show(
    target: Annotated[
        Path, typer.Argument(metavar="RUN|PROGRAM", parser=run_folder, help="A run's folder or mirror, or a program's file.")
    ],
    candidate: Annotated[int | None, typer.Option(help="Of a run: show this candidate's program.")] = None,
    entry: Annotated[str | None, typer.Option(help="Of a program's file: the function that is called; else solve.")] = None,
    mermaid: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the structure as a Mermaid flowchart too.")] = None,
) -> None:
    """Show what a run found (champion, scores, candidates, failures, spend), or how a program is built."""
    from .cli_show import show_run
    from .cli_structure import show_candidate, show_program

    console = Console()
    if target.is_file():
        if candidate is not None:
            raise ConfigError(f"--candidate belongs to a run's folder, and {target} is a file")
        show_program(target, console, entry=entry, mermaid=mermaid)
        return
    if entry is not None:
        raise ConfigError(f"--entry belongs to a program's file, and {target} is none; a run knows its entry")
    if candidate is None:
        show_run(target, console)
    show_candidate(target, console, number=candidate, mermaid=mermaid)


@app.command()
def export(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=run_folder, help="The run's folder, or its mirror.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; else a new champion.py.")] = None,
    package: Annotated[Path | None, typer.Option(metavar="DIR", help="Write an installable folder with a test instead.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Do not hold it to what the run recorded.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Write a run's champion as one plain Python file that runs alone, if it does there what the run recorded."""
    if package is not None:
        from graftwork.flows.packaging import export_package

        typer.echo(f"wrote {package}: {export_package(run_dir, package, verified=not unverified)}")
        return
    from graftwork.flows.exporting import export_champion

    output = output or new_file("champion.py")
    typer.echo(f"wrote {output}: {export_champion(run_dir, output, verified=not unverified)}")


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
