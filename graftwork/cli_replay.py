"""`graftwork replay`: whether a recorded search comes out the same again, or where else it goes from some point on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from graftwork.programs.errors import ConfigError

from .cli_places import run_folder
from .cli_run import finish, watch

__all__ = ["replay_run"]

_SHOWN = 20


def replay_run(  # noqa: PLR0913, PLR0917 - typer makes the options of the signature
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=run_folder, help="The run's folder, or its mirror.")],
    task: Annotated[str | None, typer.Option(help="Where its task is now, if it moved.")] = None,
    until: Annotated[int | None, typer.Option(help="Number of the last candidate to repeat; else all, and the crowning.")] = None,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Run the programs again too, with the recorded answers.")] = False,  # noqa: FBT002 - a flag
    fork: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Begin another run there with the results up to --until instead.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the other run: seed of every choice.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Likewise: auto, model, no-model, random or best-of-n.")] = None,
    archive: Annotated[str | None, typer.Option(help="Likewise: what its islands keep.")] = None,
    model: Annotated[str | None, typer.Option(help="Likewise: chat model that proposes programs and answers their prompts.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Likewise: its endpoint.")] = None,
    price: Annotated[str | None, typer.Option(metavar="IN/OUT", help="Likewise: its list price.")] = None,
    candidates: Annotated[int | None, typer.Option(help="Likewise: ceiling of candidates, those taken over counted in.")] = None,
) -> None:
    """Repeat a search from its record, without any network, and check every decision; or go another way from some point on."""
    from graftwork.flows.replay import replay

    console = Console()
    others = {"seed": seed, "strategy": strategy, "archive": archive, "candidates": candidates}
    changes = {name: value for name, value in others.items() if value is not None}
    if fork is not None:
        _fork(run_dir, fork, until=until, task=task, changes=changes | _models(model, base_url, price), console=console)
        return
    if changes or model is not None:
        raise ConfigError("another seed, strategy, archive, model or ceiling makes another run: say where with --fork DIR")
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


def _models(model: str | None, base_url: str | None, price: str | None) -> dict[str, object]:
    from graftwork.flows.settings import make_settings

    if model is None:
        if base_url is not None or price is not None:
            raise ConfigError("--base-url and --price need a model: add --model NAME")
        return {}
    named = make_settings(model=model, base_url=base_url, price=price, values={})
    return {"proposer": named.proposer, "more_proposers": (), "task_model": named.task_model}


def _fork(run_dir: Path, target: Path, *, until: int | None, task: str | None, changes: Mapping[str, object], console: Console) -> None:
    from graftwork.flows.background import BackgroundSearch
    from graftwork.flows.fork import prepare_fork

    if until is None:
        raise ConfigError("--fork needs --until N, the last candidate that is taken over")
    prepared = prepare_fork(run_dir, target, until=until, task=task, changes=changes)
    console.print(
        f"{prepared.task.name} in {target}, from candidate {until} of {run_dir} on", markup=False, highlight=False, soft_wrap=True
    )
    finish(watch(BackgroundSearch(prepared), console), console)
