"""Prepare: everything that can be wrong is found before anything is made or paid for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from graftwork.evaluators.load import load_task
from graftwork.evaluators.sandbox import require
from graftwork.evaluators.task import Task
from graftwork.programs.errors import ConfigError, EndpointError, RunError
from graftwork.programs.model import Model, Role
from graftwork.search.strategy import Strategy, strategies

from .run import Run
from .settings import ModelSettings, RunSettings, write_run_toml

__all__ = ["open_model", "prepare", "resolve_strategy"]


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
    source = "in memory" if isinstance(task, Task) else str(task)
    loaded = task if isinstance(task, Task) else load_task(Path(task))
    settings = _with_slots(settings, loaded)
    strategy = resolve_strategy(settings, loaded, has_proposer=settings.proposer is not None or "proposer" in (models or {}))
    if loaded.seed.prompts and settings.task_model is None and "task" not in (models or {}):
        named = ", ".join(prompt.name for prompt in loaded.seed.prompts)
        raise EndpointError(
            f"this program asks a model ({named}): give one with --model NAME, and OPENAI_API_KEY or --base-url for its endpoint"
        )
    require(settings.sandbox)
    opened = dict(models) if models is not None else _open_models(settings, environ)
    directory = _make_run_dir(run_dir, loaded.name)
    write_run_toml(
        directory / "run.toml", settings, task={"name": loaded.name, "source": source, "entry": loaded.entry}, strategy=asdict(strategy)
    )
    return Run(task=loaded, settings=settings, strategy=strategy, run_dir=directory, models=opened)


def resolve_strategy(settings: RunSettings, task: Task, *, has_proposer: bool) -> Strategy:
    """The strategy that the settings name, less what this task has no use for.

    Raises:
        ConfigError: If there is none of that name, or it needs a proposer that is not there.
    """
    known = strategies()
    name = settings.strategy if settings.strategy != "auto" else ("model" if has_proposer else "no-model")
    if name not in known:
        raise ConfigError(f"no strategy {name!r}; there are auto, {', '.join(sorted(known))}")
    if name == "model" and not has_proposer:
        raise ConfigError("the strategy `model` needs a proposer: give one with --model NAME, or take --strategy no-model")
    strategy = known[name]
    if not task.seed.prompts:
        return replace(strategy, operators={n: w for n, w in strategy.operators.items() if n != "bootstrap_demos"})
    # Demonstrations are made of traces, and traces come from train examples.
    return replace(strategy, operators={**strategy.operators, "bootstrap_demos": 1.5}, train_batch=max(strategy.train_batch, 3))


def open_model(settings: ModelSettings, environ: Mapping[str, str]) -> Model:
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
        price_in_usd_per_mtok=settings.usd_per_million_input_tokens,
        price_out_usd_per_mtok=settings.usd_per_million_output_tokens,
    )


def _open_models(settings: RunSettings, environ: Mapping[str, str]) -> dict[Role, Model]:
    """Models by role, after each endpoint has answered."""
    wanted: dict[Role, ModelSettings] = {}
    if settings.proposer is not None:
        wanted["proposer"] = settings.proposer
    if settings.task_model is not None:
        wanted["task"] = settings.task_model
    for one in {model.alias: model for model in wanted.values()}.values():
        asyncio.run(_preflight(one, environ))
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


def _make_run_dir(wanted: Path | None, name: str) -> Path:
    """A new directory.

    Raises:
        RunError: If it is taken or cannot be written.
    """
    try:
        if wanted is not None:
            wanted.mkdir(parents=True, exist_ok=True)
            if any(wanted.iterdir()):
                raise RunError(f"{wanted} is not empty: a run needs a folder of its own; choose another with --run")
            return wanted
        runs = Path("runs")
        runs.mkdir(exist_ok=True)
        for number in range(1, 1_000_000):
            try:
                (runs / f"{name}-{number}").mkdir()
            except FileExistsError:
                continue
            return runs / f"{name}-{number}"
    except OSError as error:
        raise RunError(f"cannot make the run directory {wanted or 'runs'}: {error.strerror}; choose another with --run") from None
    raise RunError("runs/ is full: remove old runs or choose a folder with --run")
