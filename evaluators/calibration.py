"""Calibration: how far a model judge can be trusted, measured on outputs that people have graded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import uvloop
from numpy.typing import NDArray

from graftwork.programs.errors import CallFailed, TaskError
from graftwork.programs.model import Model, Usage

from .evaluation import Outcome
from .examples import make_examples
from .model_judge import ModelJudge
from .pool import Relayed
from .task import Example, Limits

__all__ = ["Calibration", "calibrate"]

_RESAMPLES: Final = 2_000
_AT_ONCE: Final = 8
_LEAST: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A judge held to people's grades. `print` shows it as a table.

    Attributes:
        grades: (grade of people, grade of the judge) by labelled output; None where the judge gave none.
        scale: The worst and the best grade.
        kappa: Cohen's kappa with quadratic weights (Psychological Bulletin 70, 1968): 1 is full agreement, 0 what chance gives; None
            where one of them gave a single grade throughout.
        interval: 95 % interval of kappa by a bootstrap over the outputs, percentiles.
        bias: Mean of the judge's grade minus people's.
        length: Rank correlation (Spearman) between an output's length and how much too high it was graded; None as for kappa.
        position: Mean shift of the judge's grade when the answer stands before what belongs to it; None where nothing could be compared.
        usage: What the judge's calls cost.
    """

    grades: tuple[tuple[int, int | None], ...]
    scale: tuple[int, int]
    kappa: float | None
    interval: tuple[float, float] | None
    bias: float | None
    length: float | None
    position: float | None
    usage: Usage = field(default_factory=Usage)

    @property
    def judged(self) -> tuple[tuple[int, int], ...]:
        """The pairs in which the judge gave a grade."""
        return tuple((label, grade) for label, grade in self.grades if grade is not None)

    @property
    def agreement(self) -> float | None:
        """Share of equal grades; None where the judge gave none."""
        return sum(label == grade for label, grade in self.judged) / len(self.judged) if self.judged else None

    @property
    def confusion(self) -> Mapping[tuple[int, int], int]:
        """How often people gave one grade and the judge another, by (grade of people, grade of the judge)."""
        counts: dict[tuple[int, int], int] = {}
        for pair in self.judged:
            counts[pair] = counts.get(pair, 0) + 1
        return counts

    def __str__(self) -> str:
        lo, hi = self.scale
        interval = f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}] (bootstrap, 95 %)" if self.interval is not None else ""
        rows = [
            f"{len(self.judged)} of {len(self.grades)} outputs judged",
            f"equal grades        {_shown(self.agreement, '.0%')}",
            f"weighted kappa      {_shown(self.kappa, '.2f')}{interval}",
            f"bias                {_shown(self.bias, '+.2f')} grades, judge minus people",
            f"bias by length      {_shown(self.length, '+.2f')} rank correlation of length and overrating",
            f"bias by position    {_shown(self.position, '+.2f')} grades when the answer stands first",
            "",
            f"people \\ judge {''.join(f'{grade:>5}' for grade in range(lo, hi + 1))}",
        ]
        for label in range(lo, hi + 1):
            counts = "".join(f"{self.confusion.get((label, grade), 0):>5}" for grade in range(lo, hi + 1))
            rows.append(f"{label:>14} {counts}")
        return "\n".join(rows)


def calibrate(judge: ModelJudge, labelled: Iterable[tuple[object, object, int]], *, model: Model, seed: int = 0) -> Calibration:
    """Have a judge grade what people have graded, and say how far it agrees. Each output is judged twice: where it stands is varied.

    Args:
        judge: Made by `model_judge`.
        labelled: `(example, output, grade)`: the example as a row `(inputs, target)` or an `Example`, and the grade that people gave.
        model: Answers; `programs.OpenAIModel` for an endpoint.
        seed: Of the bootstrap.

    Raises:
        TaskError: If there are fewer than 10 outputs, or a grade is off the judge's scale.
        EndpointError: If the endpoint refuses the key or the model's name.
    """
    rows = [(_example(example), output, grade) for example, output, grade in labelled]
    (lo, hi), n_rows = judge.scale, len(rows)
    if n_rows < _LEAST:
        raise TaskError(f"a calibration needs at least {_LEAST} graded outputs, not {n_rows}: few say nothing")
    if strange := [grade for _, _, grade in rows if type(grade) is not int or not lo <= grade <= hi]:
        raise TaskError(f"people's grades must be whole numbers from {lo} to {hi}, as the judge's are, not {strange[0]!r}")
    usual, turned, usage = uvloop.run(_both(judge, rows, model))
    pairs = [(label, grade, len(str(output))) for (_, output, label), grade in zip(rows, usual, strict=True) if grade is not None]
    labels, grades, lengths = (np.array([pair[part] for pair in pairs], dtype=float) for part in range(3))
    shifts = [second - first for first, second in zip(usual, turned, strict=True) if first is not None and second is not None]
    return Calibration(
        grades=tuple((label, grade) for (_, _, label), grade in zip(rows, usual, strict=True)),
        scale=judge.scale,
        kappa=_kappa(labels, grades),
        interval=_interval(labels, grades, np.random.default_rng(seed)),
        bias=float(np.mean(grades - labels)) if pairs else None,
        length=_rank_correlation(lengths, grades - labels),
        position=float(np.mean(shifts)) if shifts else None,
        usage=usage,
    )


class _Asking:
    """The tools of a judge outside of a run: a model, asked directly."""

    def __init__(self, model: Model, places: asyncio.Semaphore) -> None:
        self._model, self._places = model, places
        self.used = Usage()

    async def ask(self, body: Mapping[str, object], *, attempt: int = 0) -> Relayed:
        """Ask; see `ScorerTools`."""
        async with self._places:
            try:
                reply = await self._model.complete(body, draw=f"calibrate/judge#{attempt}")
            except CallFailed as error:
                return Relayed(failure=error.failure, usage=Usage())
        self.used += replace(reply.usage, calls=1)
        return Relayed(reply=reply, usage=reply.usage)

    async def run(self, source: str, *, entry: str, inputs: Sequence[Mapping[str, object]], limits: Limits) -> tuple[Outcome, ...]:
        """Nothing: a judge runs no programs."""
        raise TaskError(
            f"a judge runs no programs, and {source[:40]!r} was to be run: {entry}, {len(inputs)} times, {limits.timeout_s:g} s each"
        )


async def _both(
    judge: ModelJudge, rows: Sequence[tuple[Example, object, int]], model: Model
) -> tuple[list[int | None], list[int | None], Usage]:
    """The grades with the answer last and first, and what they cost."""
    tools, turned = _Asking(model, asyncio.Semaphore(_AT_ONCE)), replace(judge, answer_first=not judge.answer_first)
    tasks = [_grade(each, output, example, tools) for each in (judge, turned) for example, output, _ in rows]
    grades = await asyncio.gather(*tasks)
    return list(grades[: len(rows)]), list(grades[len(rows) :]), tools.used


async def _grade(judge: ModelJudge, output: object, example: Example, tools: _Asking) -> int | None:
    value = (await judge.score_with(output, example, tools)).value
    lo, hi = judge.scale
    return None if value is None else round(lo + value * (hi - lo))


def _example(given: object) -> Example:
    if isinstance(given, Example):
        return given
    return make_examples([given], name="labelled")[0]  # type: ignore[list-item] # checked there, with one line for what is no row


def _kappa(labels: NDArray[np.float64], grades: NDArray[np.float64]) -> float | None:
    """One minus the mean squared difference, by that of independent grades with the same frequencies."""
    if not len(labels):
        return None
    chance = float(np.mean((labels[:, None] - grades[None, :]) ** 2))
    if chance == 0 or np.ptp(labels) == 0 or np.ptp(grades) == 0:
        return None
    return 1 - float(np.mean((labels - grades) ** 2)) / chance


def _interval(labels: NDArray[np.float64], grades: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float] | None:
    if _kappa(labels, grades) is None:
        return None
    drawn = (rng.integers(len(labels), size=len(labels)) for _ in range(_RESAMPLES))
    kappas = [kappa for places in drawn if (kappa := _kappa(labels[places], grades[places])) is not None]
    low, high = np.percentile(kappas, [2.5, 97.5])
    return float(low), float(high)


def _rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: NDArray[np.float64] = (last - counts + last - 1) / 2
    return mean[places]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
