"""Run and report: what a search is given, ready to start, and what it has to say at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graftwork.evaluators.task import Task
from graftwork.programs.check import Rules
from graftwork.programs.model import Model, Role, Usage
from graftwork.search.candidate import Imported
from graftwork.search.crowning import Crown
from graftwork.search.loop import Stop
from graftwork.search.strategy import Strategy

from .settings import RunSettings

__all__ = ["Report", "Run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A search that is ready to start: everything that was checked before anything is made or paid for.

    Attributes:
        task: The task.
        settings: The settings.
        strategy: The strategy, whole.
        run_dir: Where it goes; exists; empty but for `run.toml`, or with the record of a search that goes on.
        models: Models by role; empty for a search without any.
        more_proposers: Models that write programs beside the one in that role.
        layers: The walls that programs were found to have on this machine, in words.
        changed: Of a run that is resumed, the settings that differ from those it had.
        imported: Programs from elsewhere that are its first candidates, after the seed.
        imported_said: How they were chosen, in one line.
        cannot_show: What its splits have too few examples to show, one line for each.
    """

    task: Task
    settings: RunSettings
    strategy: Strategy
    run_dir: Path
    models: Mapping[Role, Model]
    more_proposers: tuple[Model, ...] = ()
    layers: tuple[str, ...] = ()
    changed: Mapping[str, object] = field(default_factory=dict)
    imported: tuple[Imported, ...] = ()
    imported_said: str = ""
    cannot_show: tuple[str, ...] = ()

    @property
    def said_first(self) -> tuple[str, ...]:
        """What whoever starts it is told before anything is paid for, a line each."""
        return (*self.cannot_show, *((self.imported_said,) if self.imported_said else ()))

    @property
    def rules(self) -> Rules:
        """What every program of the search is held to before it is run."""
        task = self.task
        return Rules(
            entry=task.entry,
            parameters=task.parameters,
            frozen={name: task.seed[name].digest for name in task.frozen},
            packages=task.packages,
            models=self.model_words,
            fixed=task.fixed,
        )

    @property
    def model_words(self) -> frozenset[str]:
        """What a prompt may write as its model: names, and roles that the run has; the judge is not for programs."""
        return frozenset((*self.settings.named_models, *self.models)) - {"judge"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a finished search has to say.

    Attributes:
        run_dir: The run.
        unit: What a score is in.
        crown: Champion and evidence.
        stop: Why it ended.
        statuses: Told results by status.
        failures: Failures on val by kind.
        spent: What was spent live at list price, by role.
        seconds: Wall seconds of search and crowning together.
        forgeable: Whether programs could have written their scores themselves.
        opened: The candidates for which the run has opened its test split; the last is the champion.
        mirrored: Whether the run's mirror holds all of it, in one line; empty where it has none.
    """

    run_dir: Path
    unit: str
    crown: Crown
    stop: Stop
    statuses: Mapping[str, int]
    failures: Mapping[str, int]
    spent: Mapping[Role, Usage]
    seconds: float
    forgeable: bool = False
    opened: tuple[int, ...] = ()
    mirrored: str = ""
