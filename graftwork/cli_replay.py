"""`graftwork replay`: whether a recorded search comes out the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["replay_run"]

_SHOWN = 20


def replay_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.")],
    task: Annotated[str | None, typer.Option(help="Where its task is now, if it moved.")] = None,
    until: Annotated[int | None, typer.Option(help="Number of the last candidate to repeat; else all, and the crowning.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Run the programs again too, with the recorded answers.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Repeat a search from its record, without any network, and check every decision."""
    from graftwork.flows.replay import replay

    console = Console()
    replayed = replay(run_dir, task=task, until=until, run_programs=evaluate)
    what = f"{replayed.told} results" + (" and the crowning" if replayed.crowned else "")
    console.print(f"the same: {what} of {run_dir}, decision by decision", markup=False, highlight=False, soft_wrap=True)
    if not evaluate:
        return
    for one in replayed.differences[:_SHOWN]:
        where = f"candidate {one.candidate} on {one.example_id}" + (f", repeat {one.repeat}" if one.repeat else "")
        console.print(f"differs: {where}: recorded {one.recorded}, now {one.now}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(replayed.differences)} of {replayed.n_runs} runs of programs differ", markup=False, highlight=False)
    if replayed.differences:
        raise typer.Exit(1)
