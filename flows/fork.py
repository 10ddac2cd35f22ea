"""Fork: a new run that begins with the results of another up to some point, and goes on from there otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from graftwork.evaluators.task import Task
from graftwork.programs.errors import RunError
from graftwork.programs.model import Model, Role
from graftwork.search.disk import writing_to
from graftwork.search.forking import copy_until
from graftwork.search.record import open_run

from .elsewhere import read_imported, write_imported
from .prepare import check_run, make_run_dir, write_configuration
from .recorded import write_inputs
from .resume import changed_settings, recorded_settings, recorded_task
from .run import Run

__all__ = ["prepare_fork"]


def prepare_fork(
    run_dir: Path,
    target: Path,
    *,
    until: int,
    task: str | Path | Task | None = None,
    changes: Mapping[str, object] | None = None,
    models: Mapping[Role, Model] | None = None,
) -> Run:
    """Make a run of the first results of another.

    What they cost counts against the new run's ceilings, and what they asked of models is not asked again.

    Args:
        run_dir: The other run.
        target: The new run's folder.
        until: Number of the last result that is taken over.
        task: Its task; None takes the folder or file that it was started with.
        changes: Settings that take the place of the other's: seed, strategy, models, ceilings, any.
        models: Models by role instead of those that the settings name.

    Raises:
        UserError: One line that says what is wrong; nothing was made.
    """
    record = open_run(run_dir)
    last = record.candidates.num_rows - 1
    if not 0 <= until <= last:
        raise RunError(f"--until must be a candidate of {run_dir}, 0 to {last}, not {until}")
    settings, _ = changed_settings(recorded_settings(record), {"mirror": None, **(changes or {})})  # that one is the other's
    imported = read_imported(record)
    run = check_run(recorded_task(record, task), settings, run_dir=target, models=models, imported=imported)
    directory = make_run_dir(target, run.task.name)
    with writing_to(directory):
        copy_until(record.path / "lineage", directory / "lineage", until)
        write_inputs(directory, run.task)
        write_imported(directory, imported)
        write_configuration(run, directory, task=record.config["task"], fork={"run": str(run_dir), "until": until})
    return replace(run, run_dir=directory)
