"""`graftwork run`: a search with live progress."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from graftwork.programs.errors import ConfigError

from .cli_places import local_folder
from .cli_show import show_scores

if TYPE_CHECKING:
    from graftwork.flows.background import BackgroundSearch
    from graftwork.flows.progress import Progress
    from graftwork.flows.run import Report
    from graftwork.flows.settings import RunSettings

__all__ = ["resume", "run"]

_REFRESH_S = 0.5
_LINE_EVERY_S = 15.0  # where no terminal is watching


def run(  # noqa: PLR0913, PLR0917 - typer makes the options of the signature
    task: Annotated[str, typer.Argument(help="Folder or file of the task.")],
    model: Annotated[str | None, typer.Option(help="Chat model that proposes programs and answers their prompts.")] = None,
    proposer: Annotated[
        list[str] | None, typer.Option(metavar="NAME[=IN/OUT]", help="Another model for proposing only; repeatable.")
    ] = None,
    judge: Annotated[str | None, typer.Option(metavar="NAME[=IN/OUT]", help="Model that scorers ask, where they do.")] = None,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint; else OPENAI_BASE_URL, else OpenAI.")] = None,
    price: Annotated[str | None, typer.Option(metavar="IN/OUT", help="List price in USD per million tokens, such as 0.15/0.60.")] = None,
    also_model: Annotated[
        list[str] | None, typer.Option(metavar="NAME[=IN/OUT]", help="Another model that prompts may name, with its price; repeatable.")
    ] = None,
    candidates: Annotated[int, typer.Option(help="Ceiling of candidates.")] = 200,
    budget_usd: Annotated[float | None, typer.Option(help="Ceiling of spend in USD.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Ceiling of tokens.")] = None,
    budget_calls: Annotated[int | None, typer.Option(help="Ceiling of model calls.")] = None,
    role_budget: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=USD", help="Ceiling of one role: proposer, task or judge; repeatable.")
    ] = None,
    requests_per_minute: Annotated[float | None, typer.Option(help="What the endpoint may be asked.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="What the endpoint may be asked, input and output together.")] = None,
    in_flight: Annotated[int, typer.Option(help="Model calls at the same time.")] = 64,
    seconds: Annotated[float | None, typer.Option(help="Ceiling of wall seconds of the search.")] = None,
    target: Annotated[float | None, typer.Option(help="End when the best score on val reaches this.")] = None,
    patience: Annotated[int | None, typer.Option(metavar="N", help="End when N candidates in a row made nothing better.")] = None,
    stop_file: Annotated[str | None, typer.Option(metavar="FILE", help="End when this file appears.")] = None,
    effect: Annotated[
        float | None, typer.Option(help="Least difference in score that test must be able to show; refused at once where it cannot.")
    ] = None,
    best_of: Annotated[int, typer.Option(help="At most so many answers of the seed to a test example to compare with; 0: none.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of every choice.")] = 0,
    strategy: Annotated[str, typer.Option(help="auto, model, no-model, random or best-of-n.")] = "auto",
    archive: Annotated[
        str | None, typer.Option(help="What islands keep: examples, grid, objectives, signatures or top-k; else the strategy's own.")
    ] = None,
    reset_every: Annotated[
        int | None,
        typer.Option(metavar="N", help="Every N candidates the worse half of the islands begins again with a better one's best."),
    ] = None,
    spawn_after: Annotated[int | None, typer.Option(metavar="N", help="Open an island when N candidates made no better best.")] = None,
    window: Annotated[int, typer.Option(help="Candidates in flight.")] = 16,
    pool: Annotated[Literal["local", "ray"], typer.Option(help="Where programs run.")] = "local",
    slots: Annotated[int, typer.Option(help="Programs that run at the same time; 0 chooses.")] = 0,
    ray_address: Annotated[str | None, typer.Option(help="host:port or auto of a running Ray cluster.")] = None,
    sandbox: Annotated[Literal["standard", "weak"], typer.Option(help="weak only where the kernel cannot do better.")] = "standard",
    prefect: Annotated[bool, typer.Option("--prefect", help="Run as a Prefect flow under a local server.")] = False,  # noqa: FBT002 - a flag
    imported: Annotated[
        str | None, typer.Option("--import", metavar="FILE", help="A program, or an exported champion, to start from.")
    ] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", metavar="FOLDER|FILE", help="Programs with scores from elsewhere: the best are tried first.")
    ] = None,
    from_best: Annotated[int, typer.Option(help="How many of --from are tried.")] = 8,
    mirror: Annotated[str | None, typer.Option(metavar="PLACE", help="Keep a copy there, such as s3://bucket/prefix.")] = None,
    run_dir: Annotated[Path | None, typer.Option("--run", help="Folder for the run; else runs/<task>-<n>.")] = None,
) -> None:
    """Search for a better program."""
    from graftwork.flows.settings import make_settings

    settings = make_settings(
        model=model,
        proposer=proposer,
        base_url=base_url,
        price=price,
        values={
            "also_models": also_model or (),
            "judge": judge,
            "candidates": candidates,
            "budget_usd": budget_usd,
            "budget_tokens": budget_tokens,
            "budget_calls": budget_calls,
            "role_budgets_usd": _role_budgets(role_budget or ()),
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
            "in_flight": in_flight,
            "seconds": seconds,
            "target": target,
            "patience": patience,
            "stop_file": stop_file,
            "effect": effect,
            "best_of": best_of,
            "seed": seed,
            "strategy": strategy,
            "archive": archive,
            "reset_every": reset_every,
            "spawn_after": spawn_after,
            "window": window,
            "pool": pool,
            "slots": slots,
            "ray_address": ray_address,
            "sandbox": sandbox,
            "imported": imported,
            "start_from": start_from,
            "start_from_best": from_best,
            "mirror": mirror,
        },
    )
    console = Console()
    _start(task, settings, console, run_dir=run_dir, prefect=prefect)


def resume(  # noqa: PLR0913, PLR0917 - typer makes the options of the signature
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=local_folder, help="The run's folder.")],
    task: Annotated[str | None, typer.Option(help="Where its task is now, if it moved.")] = None,
    candidates: Annotated[int | None, typer.Option(help="Another ceiling of candidates, those of before counted in.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Another ceiling of spend in USD, likewise.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Another ceiling of tokens, likewise.")] = None,
    budget_calls: Annotated[int | None, typer.Option(help="Another ceiling of model calls, likewise.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Another ceiling of wall seconds, from now.")] = None,
    target: Annotated[float | None, typer.Option(help="Another score at which to end.")] = None,
    patience: Annotated[int | None, typer.Option(metavar="N", help="Another number of candidates without a better one.")] = None,
    stop_file: Annotated[str | None, typer.Option(metavar="FILE", help="Another file that ends it.")] = None,
    in_flight: Annotated[int | None, typer.Option(help="Model calls at the same time.")] = None,
    pool: Annotated[Literal["local", "ray"] | None, typer.Option(help="Where programs run.")] = None,
    slots: Annotated[int | None, typer.Option(help="Programs that run at the same time.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="host:port or auto of a running Ray cluster.")] = None,
    mirror: Annotated[str | None, typer.Option(metavar="PLACE|off", help="Another place for the copy, or none any more.")] = None,
) -> None:
    """Go on with a run that ended early or was killed: nothing that is recorded is done or paid for again."""
    from graftwork.flows.background import BackgroundSearch
    from graftwork.flows.resume import prepare_resume

    named = {
        "candidates": candidates,
        "budget_usd": budget_usd,
        "budget_tokens": budget_tokens,
        "budget_calls": budget_calls,
        "seconds": seconds,
        "target": target,
        "patience": patience,
        "stop_file": stop_file,
        "in_flight": in_flight,
        "pool": pool,
        "slots": slots,
        "ray_address": ray_address,
        "mirror": mirror,
    }
    changes = {name: None if value == "off" else value for name, value in named.items() if value is not None}
    prepared = prepare_resume(run_dir, task=task, changes=changes)
    console = Console()
    console.print(f"{prepared.task.name} in {run_dir}, going on", markup=False, highlight=False)
    finish(watch(BackgroundSearch(prepared), console), console)


def _role_budgets(texts: Iterable[str]) -> dict[str, str]:
    budgets = {role: usd for role, _, usd in (text.partition("=") for text in texts)}
    if not all(budgets.values()):
        raise ConfigError(f"--role-budget must be ROLE=USD, such as proposer=0.50, not {' '.join(texts)!r}")
    return budgets


def _start(task: str, settings: RunSettings, console: Console, *, run_dir: Path | None, prefect: bool) -> None:
    from graftwork.flows.prefect_local import prefect_is_configured, run_flow

    if prefect or prefect_is_configured():
        if prefect:
            console.print("starting a local Prefect server (10 to 20 s), its files in .prefect", style="dim")
        finished = run_flow(task, settings, run_dir=run_dir, local=prefect)
        show_scores(Path(finished), console)
        console.print(f"the champion stands in {Path(finished) / 'champion.py'}", markup=False, highlight=False)
        return
    console.print("no Prefect API is configured: running directly (--prefect starts a local server)", style="dim", soft_wrap=True)
    from graftwork.flows.background import BackgroundSearch
    from graftwork.flows.prepare import prepare

    prepared = prepare(task, settings, run_dir=run_dir)
    console.print(f"{prepared.task.name} in {prepared.run_dir}", markup=False, highlight=False)
    for line in prepared.said_first:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    finish(watch(BackgroundSearch(prepared), console), console)


def watch(search: BackgroundSearch, console: Console) -> Report:
    """Show a search until it ends. The first Ctrl-C ends it early with a champion, the second at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        console.print("ending: work in flight is finished first (again to end at once)", style="dim")
        search.stop()

    stopped = threading.Event()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4, transient=True) as live:
                while search.running:
                    live.update(progress_table(search.wait(timeout_s=_REFRESH_S)))
        else:
            while search.running:
                console.print(search.wait(timeout_s=_LINE_EVERY_S).line, markup=False, highlight=False, soft_wrap=True)
        return search.report()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def progress_table(progress: Progress) -> Table:
    """One small table: stage, candidates, scores, failures, spend, speed."""
    table = Table.grid(padding=(0, 2))
    table.add_row(progress.stage, f"{progress.told}/{progress.candidates} candidates", progress.speed)
    if progress.best_score is not None and progress.seed_score is not None:
        table.add_row("best", f"{progress.best_score:.4g} {progress.unit}", f"seed {progress.seed_score:.4g}")
    table.add_row("results", *_counts(progress.statuses))
    table.add_row("failures", *_counts(progress.failures))
    spend = [f"{role} {u.tokens} tokens / {u.calls} calls / {u.usd:.4f} usd" for role, u in progress.spent.items() if u.calls]
    table.add_row("spend", "; ".join(spend) or "none")
    if progress.trouble:
        table.add_row("trouble", progress.trouble)
    return table


def _counts(counts: Mapping[str, int]) -> tuple[str, ...]:
    return (", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none",)


def finish(report: Report, console: Console) -> None:
    """Say what was found and where it is."""
    from rich.markdown import Markdown

    from graftwork.flows.summary import report_markdown

    console.print(Markdown(report_markdown(report)))
    console.print(f"the champion stands in {report.run_dir / 'champion.py'}", markup=False, highlight=False)
    if report.mirrored:
        console.print(report.mirrored, markup=False, highlight=False, soft_wrap=True)
