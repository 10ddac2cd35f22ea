"""Composite: several scorers as one, each with its weight; the parts stay visible as metrics and in the feedback."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Final, cast

from graftwork.programs.errors import TaskError

from .task import Example, Score, Scorer
from .wording import as_number

__all__ = ["composite"]

_FEEDBACK_CHARS: Final = 600


def composite(parts: Mapping[str, Scorer | tuple[Scorer, float]]) -> Scorer:
    """A scorer that gives the weighted mean of others, and each one's value as a metric under its name.

    Where all parts keep to one range, so does the mean. Output that any part finds invalid is invalid, with that part's name and reason;
    where a part cannot judge, the whole is not judged. A part of weight 0 is only measured: it is reported where it judges, and neither
    its failing to judge nor its finding the output invalid counts.

    Args:
        parts: Scorers by name, each alone (of weight 1) or with its weight, such as `{"right": gw.exact, "short": (brevity, 0.2)}`.

    Raises:
        TaskError: If there are none, a name is no identifier, a part is no scorer, or the weights are negative, infinite or all 0.
    """
    weighted = {name: _part(name, part) for name, part in _checked(parts).items()}
    total = sum(part.weight for part in weighted.values())
    if not 0 < total < math.inf:
        raise TaskError("a composite needs a part whose weight is above 0, and a finite sum of weights")

    def score(output: object, example: Example, /) -> Score:
        given = {name: _scored(name, part.scorer(output, example)) for name, part in weighted.items()}
        metrics = dict(_metrics(given))
        counted = {name: one for name, one in given.items() if weighted[name].weight}
        feedback = "; ".join(_told(name, one) for name, one in given.items())
        if invalid := [f"{name}: {one.invalid}" for name, one in counted.items() if one.invalid]:
            return Score(value=None, feedback=feedback, invalid="; ".join(invalid), metrics=metrics)
        values = [None if one.value is None else weighted[name].weight * one.value for name, one in counted.items()]
        known = [value for value in values if value is not None]
        mean = math.fsum(known) / total if len(known) == len(values) else None
        return Score(value=_held(mean, counted), feedback=feedback, metrics=metrics)

    return score


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One scorer and its weight."""

    scorer: Scorer
    weight: float


def _checked(parts: object) -> Mapping[str, object]:
    if not isinstance(parts, Mapping) or not parts:
        raise TaskError('a composite needs scorers by name, such as {"right": gw.exact, "short": (brevity, 0.2)}')
    return parts


def _part(name: object, part: object) -> _Part:
    scorer, weight = part if isinstance(part, tuple) and len(part) == 2 else (part, 1.0)
    if not isinstance(name, str) or not name.isidentifier():
        raise TaskError(f"the name of a composite's part must be made of letters, digits and underscores, not {name!r}")
    if not callable(scorer):
        raise TaskError(f"the part {name!r} of a composite must be a scorer, or (scorer, weight), not a {type(part).__name__}")
    if not 0 <= as_number(weight) < math.inf:
        raise TaskError(f"the weight of a composite's part must be a number of at least 0; {name!r} has {weight!r}")
    return _Part(scorer=cast("Scorer", scorer), weight=float(weight))


def _scored(name: str, given: object) -> Score:
    value = given.value if isinstance(given, Score) else given
    if value is not None and not (isinstance(value, Real) and math.isfinite(value)):
        raise ValueError(f"the part {name!r} must give a Score, a finite number, a bool or None, not {value!r}")
    value = None if value is None else float(value)
    return replace(given, value=value) if isinstance(given, Score) else Score(value=value)


def _metrics(given: Mapping[str, Score]) -> list[tuple[str, float]]:
    """Each part's value under its name, and its own metrics behind a dot; nothing of a part that found the output invalid."""
    found = []
    for name, one in given.items():
        if not one.invalid:
            found += [(name, one.value)] if one.value is not None else []
            found += [(f"{name}.{metric}", value) for metric, value in one.metrics.items()]
    return found


def _held(mean: float | None, counted: Mapping[str, Score]) -> float | None:
    """The mean between the lowest and the highest value, which rounding may leave by the last digit."""
    values = [one.value for one in counted.values() if one.value is not None]
    return None if mean is None else min(max(mean, min(values)), max(values))


def _told(name: str, one: Score) -> str:
    value = "invalid" if one.invalid else "not judged" if one.value is None else f"{one.value:.4g}"
    said = (one.invalid or one.feedback)[:_FEEDBACK_CHARS]
    return f"{name} {value} ({said})" if said else f"{name} {value}"
