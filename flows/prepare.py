"""Prepare: everything that can be wrong is found before anything is made or paid for."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from graftwork.evaluators.load import load_task
from graftwork.evaluators.make_task import with_seed
from graftwork.evaluators.sandbox import require
from graftwork.evaluators.task import Task
from graftwork.evaluators.tools import JUDGE_NEEDED, ToolScorer
from graftwork.programs.check_prompt import model_defects
from graftwork.programs.errors import ConfigError, EndpointError, RunError
from graftwork.programs.model import Model, Role
from graftwork.programs.program import Program
from graftwork.search.archives import with_archive
from graftwork.search.candidate import Imported
from graftwork.search.crowning import split_digest
from graftwork.search.disk import writing_to
from graftwork.search.mirror import refuse_unfit
from graftwork.search.operator import Facts
from graftwork.search.power import power_words
from graftwork.search.remote import Remote
from graftwork.search.seed_vote import vote_sizes
from graftwork.search.strategy import BEST_OF_N, CROSSINGS, PROMPT_OPERATORS, RANDOM, Strategy, sampling, strategies

from .elsewhere import choose, read_elsewhere, write_imported
from .recorded import shortest_inputs, write_inputs
from .run import Run
from .settings import ModelSettings, RunSettings, write_run_toml

if TYPE_CHECKING:
    from graftwork.programs.openai_model import OpenAIModel

__all__ = ["check_run", "make_run_dir", "open_model", "prepare", "resolve_strategy", "task_facts", "write_configuration"]


def prepare(
    task: str | Path | Task,
    settings: RunSettings,
    *,
    run_dir: Path | None = None,
    models: Mapping[Role, Model] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Run:
    """Check task, settings, sandbox and endpoints, then make the run directory.

    Args:
        task: Folder or file of a task, or a task.
        settings: The settings.
        run_dir: Where the run goes; None takes the first free `runs/<task>-<n>`.
        models: Models by role instead of those that the settings name; for programs that bring their own transport.
        environ: Where keys are read from.

    Raises:
        UserError: One line that says what is wrong; nothing was made.
    """
    run = check_run(task, settings, run_dir=run_dir, models=models, environ=environ)
    if run.settings.mirror is not None:
        refuse_unfit(Remote(run.settings.mirror))
    facts = task_facts(run.task, "in memory" if isinstance(task, Task) else str(task))
    directory = make_run_dir(run_dir, run.task.name)
    with writing_to(directory):
        write_inputs(directory, run.task)
        if run.imported:
            write_imported(directory, run.imported)
        write_configuration(run, directory, task=facts)
    return replace(run, run_dir=directory)


def write_configuration(run: Run, directory: Path, *, task: Mapping[str, object], fork: Mapping[str, object] | None = None) -> None:
    """Write a run's `run.toml`.

    Args:
        run: The run.
        directory: Its folder.
        task: What there is to say of its task.
        fork: Of a run that began with results of another, as `write_run_toml` takes it.
    """
    aliases = {str(role): model.alias for role, model in run.models.items()}
    tables = {"task": task, "strategy": asdict(run.strategy), "models": aliases, "fork": fork or {}}
    write_run_toml(directory / "run.toml", run.settings, layers=run.layers, **tables)


def task_facts(task: Task, source: str) -> dict[str, object]:
    """What `run.toml` says of a task.

    Args:
        task: The task.
        source: Where it is from.
    """
    groups = [*task.splits.items(), *task.transfer.items()]
    return {
        "name": task.name,
        "source": source,
        "entry": task.entry,
        "seed_digest": task.seed.digest,
        "unit": task.unit,
        "forgeable": task.forgeable,
        "alone": task.environment is None and task.evaluator is None,
        "score_range": list(task.score_range),
        "frozen": sorted(task.frozen),
        "packages": list(task.packages),
        "limits": asdict(task.limits),
        "cascade": [{name: value for name, value in asdict(look).items() if value is not None} for look in task.cascade],
        "example": json.dumps(shortest_inputs(task)),  # as text: TOML knows no null
        "splits": {
            name: {"examples": len(group), "repeats": task.repeats.get(name, 1), "digest": split_digest(group)} for name, group in groups
        },
    }


def check_run(
    task: str | Path | Task,
    settings: RunSettings,
    *,
    run_dir: Path | None = None,
    models: Mapping[Role, Model] | None = None,
    environ: Mapping[str, str] = os.environ,
    imported: Sequence[Imported] | None = None,
) -> Run:
    """Check everything that `prepare` checks, and make nothing; the run that comes back has no directory yet.

    Args:
        task: As for `prepare`, and so the others.
        settings: The settings.
        run_dir: Where the run goes.
        models: Models by role.
        environ: Where keys are read from.
        imported: Programs from elsewhere instead of those that the settings name.

    Raises:
        UserError: One line that says what is wrong.
    """
    if settings.mirror is not None:
        Remote(settings.mirror)  # for what it refuses
    loaded = task if isinstance(task, Task) else load_task(Path(task))
    if settings.imported is not None:
        loaded = with_seed(loaded, settings.imported)
    settings = _with_votes(_with_slots(settings, loaded), loaded)
    _refuse_stops(settings, loaded)
    cannot_show = _cannot_show(settings, loaded)
    strategy = resolve_strategy(settings, loaded, has_proposer=settings.proposer is not None or "proposer" in (models or {}))
    if loaded.seed.prompts and settings.task_model is None and "task" not in (models or {}):
        named = ", ".join(prompt.name for prompt in loaded.seed.prompts)
        raise EndpointError(
            f"this program asks a model ({named}): name one with --model NAME, and set OPENAI_API_KEY, or --base-url for another endpoint"
        )
    if isinstance(loaded.scorer, ToolScorer) and loaded.scorer.needs_judge and settings.judge is None and "judge" not in (models or {}):
        raise EndpointError(JUDGE_NEEDED)
    layers = require(settings.sandbox).layers
    opened = dict(models) if models is not None else _open_models(settings, environ)
    _refuse_taken(run_dir)
    run = Run(
        task=loaded,
        settings=settings,
        strategy=strategy,
        run_dir=run_dir or Path("runs"),
        models=opened,
        more_proposers=tuple(open_model(one, environ) for one in settings.more_proposers),
        layers=layers,
        cannot_show=cannot_show,
    )
    if defects := list(model_defects(loaded.seed, run.model_words)):
        raise ConfigError(f"the seed, line {defects[0].line}, {defects[0].component}: {defects[0].message}")
    if imported is None and settings.start_from is not None:
        source = settings.start_from
        chosen = choose(read_elsewhere(Path(source)), run, best=settings.start_from_best, source=source)
        imported, run = chosen.imported, replace(run, imported_said=chosen.said)
    return _with_imported(run, tuple(imported or ()))


def _refuse_stops(settings: RunSettings, task: Task) -> None:
    """Refuse ends that would come at once, or never.

    Raises:
        ConfigError: If there are any.
    """
    (lo, hi), target, file = task.score_range, settings.target, settings.stop_file
    if target is not None and not lo < target <= hi:
        raise ConfigError(f"--target must be a score above {lo:g} and up to {hi:g} {task.unit}, not {target:g}")
    if file is not None and Path(file).exists():
        raise ConfigError(f"--stop-file {file} is there already, so the search would end at once: remove it, or name another")


def _cannot_show(settings: RunSettings, task: Task) -> tuple[str, ...]:
    """What the splits on which something is claimed have too few examples to show, in words.

    Raises:
        ConfigError: If it is what the settings ask of `test`.
    """
    (lo, hi), effect = task.score_range, settings.effect
    if not task.has_examples:
        if effect is not None:
            raise ConfigError(
                "--effect asks what the test split can show, and a task that is scored as a whole has no examples: leave it out"
            )
        return ()
    sizes = {split: len(task.splits[split]) for split in ("confirm", "test") if task.splits.get(split)}
    if effect is None:
        return power_words(sizes, task.score_range, task.unit)
    if not 0 < effect <= hi - lo < math.inf:
        raise ConfigError(f"--effect must be above 0 and within the width of the task's score range, {lo:g} to {hi:g}, not {effect:g}")
    if "test" not in sizes:
        raise ConfigError("--effect asks what the test split can show, and the task has none: give it one, or leave out --effect")
    said = {split: power_words({split: n}, task.score_range, task.unit, wanted=effect / (hi - lo)) for split, n in sizes.items()}
    if said["test"]:
        raise ConfigError(f"{said['test'][0]}; give it more, or leave out --effect")
    return said.get("confirm", ())


def _with_imported(run: Run, imported: tuple[Imported, ...]) -> Run:
    """The run with programs from elsewhere, and with the operators that they have a use for."""
    programs = [one.program for one in imported]
    strategy = resolve_strategy(run.settings, run.task, has_proposer="proposer" in run.models, imported=programs)
    return replace(run, imported=imported, strategy=strategy)


def resolve_strategy(settings: RunSettings, task: Task, *, has_proposer: bool, imported: Sequence[Program] = ()) -> Strategy:
    """The strategy that the settings name, less what this task's seed and what is imported have no use for.

    Raises:
        ConfigError: If there is none of that name, or no such archive, or it needs a proposer that is not there.
    """
    strategy = _named(settings, has_proposer=has_proposer)
    if strategy.name == BEST_OF_N:
        return strategy
    if not math.isfinite(task.score_range[1] - task.score_range[0]):  # nothing bounds what one example may do, so no race has a level
        strategy = replace(strategy, race_level=0.0)
    programs = (task.seed, *imported)
    if all(len(set(program.names) - task.frozen) < 2 for program in programs):  # whose children cross by expressions alone
        strategy = replace(strategy, operators={n: w for n, w in strategy.operators.items() if n not in CROSSINGS})
    prompts = frozenset(prompt.name for program in programs for prompt in program.prompts)
    if not prompts or prompts | {task.entry} <= task.frozen:
        return strategy
    # Demonstrations are made of traces, and traces come from train examples.
    return replace(strategy, operators={**strategy.operators, **PROMPT_OPERATORS}, train_batch=max(strategy.train_batch, 3))


def _named(settings: RunSettings, *, has_proposer: bool) -> Strategy:
    """The strategy that the settings name, with the archive that they name.

    Raises:
        ConfigError: If there is none of that name, or no such archive, or it needs a proposer that is not there.
    """
    known = strategies()
    name = settings.strategy if settings.strategy != "auto" else ("model" if has_proposer else "no-model")
    if name not in known:
        raise ConfigError(f"no strategy {name!r}; there are auto, {', '.join(sorted(known))}")
    if name == "model" and not has_proposer:
        raise ConfigError("the strategy `model` needs a proposer: give one with --model NAME, or take --strategy no-model")
    chosen = {part: getattr(settings, part) for part in ("reset_every", "spawn_after") if getattr(settings, part) is not None}
    if name in {RANDOM, BEST_OF_N} and (chosen or settings.archive is not None):
        raise ConfigError(f"the control `{name}` takes its parents from no archive: leave out --archive, --reset-every and --spawn-after")
    strategy = sampling(known["model" if has_proposer else "no-model"]) if name == RANDOM else known[name]
    return replace(strategy if settings.archive is None else with_archive(strategy, settings.archive), **chosen)


def open_model(settings: ModelSettings, environ: Mapping[str, str]) -> OpenAIModel:
    """The model of some settings, with its key.

    Raises:
        EndpointError: If there is no key and the endpoint is OpenAI's own.
    """
    from graftwork.programs.openai_model import OpenAIModel  # here: importing openai takes longer than everything else together

    key = environ.get(settings.key_variable, "")
    if not key and settings.base_url is None:
        raise EndpointError(f"no key: set {settings.key_variable}, or name another endpoint with --base-url or OPENAI_BASE_URL")
    return OpenAIModel(
        alias=settings.alias,
        model=settings.model,
        base_url=settings.base_url,
        api_key=key or "none",
        timeout_s=settings.timeout_s,
    )


def _open_models(settings: RunSettings, environ: Mapping[str, str]) -> dict[Role, Model]:
    """Models by role, after each endpoint has answered."""
    wanted: dict[Role, ModelSettings] = {}
    if settings.proposer is not None:
        wanted["proposer"] = settings.proposer
    if settings.task_model is not None:
        wanted["task"] = settings.task_model
    if settings.judge is not None:
        wanted["judge"] = settings.judge
    for one in {model.alias: model for model in (*wanted.values(), *settings.more_proposers, *settings.also_models)}.values():
        with ThreadPoolExecutor(1) as thread:  # the caller may have a running loop, as notebooks do
            thread.submit(asyncio.run, _preflight(one, environ)).result()
    return {role: open_model(model, environ) for role, model in wanted.items()}


async def _preflight(settings: ModelSettings, environ: Mapping[str, str]) -> None:
    model = open_model(settings, environ)
    try:
        await model.preflight()
    finally:
        await model.aclose()


def _with_slots(settings: RunSettings, task: Task) -> RunSettings:
    if settings.slots:
        return settings
    processors = len(os.sched_getaffinity(0))
    return settings.model_copy(update={"slots": 8 if task.seed.prompts else processors})


def _with_votes(settings: RunSettings, task: Task) -> RunSettings:
    """The settings, with as many candidates at most as there are votes of the seed, where votes are the strategy.

    Raises:
        ConfigError: If there are none.
    """
    if settings.strategy != BEST_OF_N:
        return settings
    sizes = vote_sizes(task.seed, Facts.of(task))
    if not task.seed.prompts:
        raise ConfigError("the strategy `best-of-n` asks the seed several times, and this seed asks no model: it answers alike each time")
    if not sizes:
        raise ConfigError(
            f"the strategy `best-of-n` needs an entry that may change, takes a vote and makes at most {task.limits.calls // 3} model calls "
            f"where every output is asked for twice, a third of limits.calls; {task.entry or 'this seed'} is none"
        )
    return settings.model_copy(update={"candidates": min(settings.candidates, len(sizes))})


def _refuse_taken(wanted: Path | None) -> None:
    try:
        if wanted is not None and wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
            raise RunError(f"{wanted} is not an empty folder: choose another with --run, or go on with a run in it by `graftwork resume`")
    except OSError as error:
        raise RunError(f"cannot read {wanted}: {error.strerror}; choose another folder with --run") from None


def make_run_dir(wanted: Path | None, name: str) -> Path:
    """A new directory.

    Args:
        wanted: Which, or None for the first free `runs/<name>-<n>`.
        name: The task's.

    Raises:
        RunError: If it cannot be written.
    """
    folders = [wanted] if wanted is not None else (Path("runs") / f"{name}-{number}" for number in itertools.count(1))
    try:
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=wanted is not None)
            except FileExistsError:
                continue
            # A folder that was there may refuse files.
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError as error:
        raise RunError(f"cannot make a run in {wanted or 'runs'}: {error.strerror}; choose another folder with --run") from None
    raise RunError(f"{wanted} is a file: choose a folder with --run")
