"""optimize: a whole search in one call, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from graftwork.evaluators.examples import ExampleRow
from graftwork.evaluators.make_task import TaskOptions, make_task
from graftwork.evaluators.task import Scorer, Task
from graftwork.programs.errors import TaskError
from graftwork.programs.program import Program

from .background import BackgroundSearch
from .prepare import prepare
from .run import Report
from .settings import RunSettings, make_settings
from .summary import headline

__all__ = ["Optimized", "optimize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """What a search brought.

    Attributes:
        best: Text of the champion: a Python module.
        program: The champion, taken apart.
        report: Everything that is known of it.
        run_dir: The run on disk; open it with `graftwork.open`.
    """

    best: str
    program: Program
    report: Report
    run_dir: Path

    def __str__(self) -> str:
        return f"{headline(self.report.crown.measured, self.report.unit)}\n{self.best}"


def optimize(
    program: str | Path | Task,
    examples: Iterable[ExampleRow] | Mapping[str, Iterable[ExampleRow]] = (),
    score: Scorer | None = None,
    *,
    model: str | None = None,
    run_dir: str | Path | None = None,
    **options: object,
) -> Optimized:
    """Search for a better program and give it back with its evidence.

    Args:
        program: A Python file or its text; or a whole task, and then neither examples nor score.
        examples: Pairs (inputs, target), or such lists by split; one list is cut into train, val, confirm and test by content.
        score: A plain function from output and example to a number, higher is better.
        model: Name of a chat model that proposes programs and answers their prompts; None searches without a model.
        run_dir: Where the run goes; None takes the first free `runs/<task>-<n>`.
        **options: `base_url`, `proposer` and `price` of the model, see `make_settings`; settings (`judge`, `candidates`, `budget_usd`,
            `seconds`, `seed`, `strategy`, `pool`, …), see `RunSettings`; all others go to the task (`score_range`, `entry`, `frozen`,
            `packages`, `limits`, `environment`, `evaluate`, …), see `make_task`.

    Raises:
        UserError: One line that says what is wrong; before the seed was run, nothing was made or paid for.
    """
    base_url, price = (cast("str | None", options.pop(name, None)) for name in ("base_url", "price"))
    proposer = cast("str | Sequence[str] | None", options.pop("proposer", None))
    chosen = {name: options.pop(name) for name in tuple(options) if name in RunSettings.model_fields}
    if isinstance(program, Task):
        if options or examples or score is not None:
            raise TaskError(f"a whole task takes no {next(iter(options), 'examples or score')!r}: mend the name, or say it in the task")
        task = program
    else:
        task = make_task(program, examples, score, **cast("TaskOptions", options))
    settings = make_settings(model=model, proposer=proposer, base_url=base_url, price=price, values=chosen)
    run = prepare(task, settings, run_dir=None if run_dir is None else Path(run_dir))
    search = BackgroundSearch(run)
    try:
        report = search.report()
    except KeyboardInterrupt:
        search.stop()
        report = search.report()
    champion = report.crown.champion.program
    return Optimized(best=champion.source, program=champion, report=report, run_dir=report.run_dir)
