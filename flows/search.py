"""The Prefect flow `search`: schedules and shows a search that the engine does.

One engine lives for the whole flow on a background thread. A Prefect task waits until another slice of candidates is told, so that work
in flight crosses slices; there is never a task for a candidate. The run directory is the truth, Prefect is the window.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from .background import BackgroundSearch
from .prepare import prepare
from .progress import Progress
from .resume import prepare_resume
from .run import Report
from .settings import RunSettings
from .summary import report_markdown, report_rows

__all__ = ["run_in_slices", "search"]

_SLICE = 100


@task(name="slice", task_run_name="until {told} told", cache_policy=NO_CACHE)
def wait_for_slice(background: Any, told: int) -> str:  # Any: Prefect validates parameters, and this one is opaque
    """Wait until so many candidates are told. Returns the progress in one line."""
    progress: Progress = background.wait(told=told)
    return progress.line


@flow(name="search", log_prints=False, validate_parameters=True)
def search(task: str, run_dir: str | None = None, settings: RunSettings | None = None) -> str:
    """Search for a better program.

    Args:
        task: Folder or file of the task.
        run_dir: Where the run goes; None makes a new folder below `runs/`. A run that is there already goes on, with its own settings.
        settings: Everything else.

    Returns:
        The run directory.

    Raises:
        UserError: The task, a setting or an endpoint is wrong.
    """
    logger = get_run_logger()
    folder = None if run_dir is None else Path(run_dir)
    if folder is not None and (folder / "lineage").is_dir():
        run = prepare_resume(folder, task=task)  # this flow run was begun before, and died
    else:
        run = prepare(task, settings or RunSettings(), run_dir=folder)
    logger.info("search of %s in %s", run.task.name, run.run_dir)
    for line in run.said_first:
        logger.info("%s", line)
    report = run_in_slices(BackgroundSearch(run), candidates=run.settings.candidates)
    if report.mirrored:
        logger.info("%s", report.mirrored)
    _publish(report)
    return str(report.run_dir)


def run_in_slices(background: BackgroundSearch, *, candidates: int) -> Report:
    """Wait for a search, slice by slice, each a Prefect task; within a flow.

    Args:
        background: The search, which runs.
        candidates: Its ceiling of candidates.

    Raises:
        UserError: What the search raised.
    """
    logger = get_run_logger()
    try:
        told = 0
        while background.running:
            told = min(told + _SLICE, candidates)
            logger.info("%s", wait_for_slice(background, told))
            if told >= candidates:
                break
        return background.report()
    except BaseException:
        background.stop()
        background.wait(timeout_s=30)
        raise


def _publish(report: Report) -> None:
    """One set of artifacts for each run: the report, and the table of scores."""
    create_markdown_artifact(report_markdown(report), key="graftwork-report", description=f"Search in {report.run_dir.name}")
    create_table_artifact(report_rows(report.crown.measured), key="graftwork-scores", description="Champion and seed, by split")
