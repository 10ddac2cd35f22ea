"""Resume: a run that ended early, or was killed, made ready to go on with the search that its record tells of."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import tomli_w
from pydantic import ValidationError

from graftwork.evaluators.load import load_task
from graftwork.evaluators.task import Task
from graftwork.programs.errors import ConfigError, RunError
from graftwork.programs.model import Model, Role
from graftwork.search.archives import with_archive
from graftwork.search.catalogue import rewriters, variations
from graftwork.search.disk import writing_to
from graftwork.search.mirror import refuse_unfit
from graftwork.search.record import Record, open_run
from graftwork.search.remote import Remote
from graftwork.search.strategy import Strategy

from .elsewhere import read_imported
from .prepare import check_run, task_facts, write_configuration
from .run import Run
from .settings import RunSettings

__all__ = ["changed_settings", "prepare_resume", "recorded_settings", "recorded_strategy", "recorded_task"]

_IN_MEMORY: Final = "in memory"
_OF_THE_PLACE: Final = frozenset(("source", "example"))  # what may differ in a task that is the same
_CEILINGS: Final = (
    "candidates",
    "seconds",
    "target",
    "patience",
    "stop_file",
    "budget_usd",
    "budget_tokens",
    "budget_calls",
    "role_budgets_usd",
)
_PLACES: Final = ("requests_per_minute", "tokens_per_minute", "in_flight", "pool", "slots", "ray_address", "mirror")
_FREE: Final = frozenset((*_CEILINGS, *_PLACES))
"""Settings that change where and how long a search goes on, and not which search it is."""


def prepare_resume(
    run_dir: Path,
    *,
    task: str | Path | Task | None = None,
    changes: Mapping[str, object] | None = None,
    models: Mapping[Role, Model] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Run:
    """Check that a run can go on, and note what changed in its `run.toml`.

    Args:
        run_dir: The run.
        task: Its task; None takes the folder or file that it was started with.
        changes: Settings that take the place of recorded ones: ceilings, rates and where programs run.
        models: Models by role instead of those that the settings name.
        environ: Where keys are read from.

    Raises:
        UserError: One line that says what is wrong; nothing was changed.
    """
    record = open_run(run_dir)
    if fixed := sorted((changes or {}).keys() - _FREE):
        raise ConfigError(f"{fixed[0]} cannot change in a run that goes on; `graftwork replay --fork` begins another from it")
    settings, changed = changed_settings(recorded_settings(record), dict(changes or {}))
    loaded = recorded_task(record, task)
    run = check_run(loaded, settings, models=models, environ=environ, imported=read_imported(record))
    run = replace(run, strategy=recorded_strategy(record))  # those that come with Graftwork change
    _refuse_others(record, run)
    if "mirror" in changed and run.settings.mirror is not None:
        refuse_unfit(Remote(run.settings.mirror), run=record.config.get("id", ""))
    with writing_to(run_dir):
        write_configuration(run, run_dir, task=record.config["task"], fork=record.config.get("fork"))
    return replace(run, run_dir=run_dir, changed=changed)


def recorded_settings(record: Record) -> RunSettings:
    """The settings of a run.

    Raises:
        RunError: If `run.toml` does not hold any that this version knows.
    """
    try:
        return RunSettings.model_validate(record.config["settings"])
    except (KeyError, ValidationError) as error:
        raise RunError(f"{record.path / 'run.toml'} holds no settings that this version knows: {str(error).splitlines()[0]}") from None


def recorded_strategy(record: Record) -> Strategy:
    """The strategy of a run.

    Raises:
        RunError: If it is none that this version can follow.
    """
    place = record.path / "run.toml"
    try:
        strategy = Strategy(**record.config["strategy"])
        with_archive(strategy, strategy.archive)  # for what it refuses
    except (KeyError, TypeError, ConfigError) as error:
        raise RunError(f"{place} holds no strategy that this version knows: {error}") from None
    if unknown := sorted(strategy.operators.keys() - variations().keys() - rewriters().keys()):
        raise RunError(f"the strategy in {place} uses operators that this version does not have: {', '.join(unknown)}")
    return strategy


def recorded_task(record: Record, task: str | Path | Task | None = None) -> Task:
    """The task of a run, with the run's own seed.

    Args:
        record: The run.
        task: Where the task is now; None takes the folder or file that the run was started with.

    Raises:
        RunError: If it is not known where the task is.
        TaskError: If it cannot be loaded.
    """
    if not isinstance(task, Task):
        place = str(record.config["task"]["source"]) if task is None else str(task)
        if place == _IN_MEMORY:
            raise RunError(f"the task of {record.path} was made in memory: name a task's folder or file with --task")
        if task is None and not Path(place).exists():
            raise RunError(f"the task of {record.path} was in {place}, which is not there: say where it is with --task")
        task = load_task(Path(place))
    first = record.candidates.slice(0, 1).to_pylist()
    return replace(task, seed=record.program(first[0])) if first and first[0]["pieces"] else task


def changed_settings(settings: RunSettings, changes: Mapping[str, object]) -> tuple[RunSettings, dict[str, object]]:
    """Settings with some changed, and what that changed.

    Raises:
        ConfigError: If a value is out of range.
    """
    was = settings.model_dump()
    try:
        new = RunSettings.model_validate({**was, "imported": None, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}") from None
    return new, {name: value for name, value in new.model_dump().items() if name in changes and value != was[name]}


def _refuse_others(record: Record, run: Run) -> None:
    """Refuse what would make another search of it: another task or other models. Its strategy is the recorded one."""
    facts: dict[str, Any] = tomllib.loads(tomli_w.dumps(task_facts(run.task, "")))
    models = {str(role): model.alias for role, model in run.models.items()}
    was = record.config
    for kind, now, before in (("task", facts, was["task"]), ("models", models, was["models"])):
        names = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
        if differing := sorted(names - (_OF_THE_PLACE if kind == "task" else frozenset())):
            name = differing[0]
            raise RunError(
                f"this is not the {kind} of {record.path} any more: {name} was {before.get(name)!r:.120}, now {now.get(name)!r:.120}; "
                "put it back, or start another run"
            )
