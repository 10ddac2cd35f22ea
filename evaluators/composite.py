"""Composite: several scorers as one, each with its weight; the parts stay visible as metrics and in the feedback."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Final, cast

from graftwork.programs.errors import TaskError

from .task import Example, Score, Scorer
from .tools import ScorerTools
from .wording import as_number

__all__ = ["composite"]

_FEEDBACK_CHARS: Final = 600
_AWAITED: Final = "score_with"


def composite(parts: Mapping[str, Scorer | tuple[Scorer, float]]) -> Scorer:
    """A scorer that gives the weighted mean of others, and each one's value as a metric under its name.

    Where all parts keep to one range, so does the mean. Output that any part finds invalid is invalid, with that part's name and reason;
    where a part cannot judge, the whole is not judged. A part of weight 0 is only measured: it is reported where it judges, and neither
    its failing to judge nor its finding the output invalid counts. Where a part is awaited, so is the whole.

    Args:
        parts: Scorers by name, each alone (of weight 1) or with its weight, such as `{"right": gw.exact, "short": (brevity, 0.2)}`.

    Raises:
        TaskError: If there are none, a name is no identifier, a part is no scorer, or the weights are negative, infinite or all 0.
    """
    weighted = {name: _part(name, part) for name, part in _checked(parts).items()}
    if not 0 < sum(part.weight for part in weighted.values()) < math.inf:
        raise TaskError("a composite needs a part whose weight is above 0, and a finite sum of weights")
    awaited = any(hasattr(part.scorer, _AWAITED) for part in weighted.values())
    return _AwaitedComposite(parts=weighted) if awaited else _Composite(parts=weighted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One scorer and its weight."""

    scorer: Scorer
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Composite:
    """Several scorers as one."""

    parts: Mapping[str, _Part]

    def __call__(self, output: object, example: Example, /) -> Score:
        return self._combined({name: _scored(name, part.scorer(output, example)) for name, part in self.parts.items()})

    def _combined(self, given: Mapping[str, Score]) -> Score:
        metrics = dict(_metrics(given))
        counted = {name: one for name, one in given.items() if self.parts[name].weight}
        feedback = "; ".join(_told(name, one) for name, one in given.items())
        if invalid := [f"{name}: {one.invalid}" for name, one in counted.items() if one.invalid]:
            return Score(value=None, feedback=feedback, invalid="; ".join(invalid), metrics=metrics)
        values = {name: one.value for name, one in counted.items() if one.value is not None}
        if len(values) < len(counted):
            return Score(value=None, feedback=feedback, metrics=metrics)
        weights = {name: self.parts[name].weight for name in counted}
        mean = math.fsum(weights[name] * value for name, value in values.items()) / sum(weights.values())
        # Rounding may leave the range by the last digit.
        return Score(value=min(max(mean, min(values.values())), max(values.values())), feedback=feedback, metrics=metrics)


class _AwaitedComposite(_Composite):
    """One of which some parts are awaited: those with a coroutine `score_with(output, example, tools)`."""

    __slots__ = ()

    @property
    def needs_judge(self) -> bool:
        """Whether one of its parts asks the judge."""
        return any(getattr(part.scorer, "needs_judge", False) for part in self.parts.values())

    async def score_with(self, output: object, example: Example, tools: ScorerTools, /) -> Score:
        """Score one output, part by part."""
        given = {}
        for name, part in self.parts.items():
            score_with = getattr(part.scorer, _AWAITED, None)
            given[name] = _scored(name, part.scorer(output, example) if score_with is None else await score_with(output, example, tools))
        return self._combined(given)


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


def _told(name: str, one: Score) -> str:
    value = "invalid" if one.invalid else "not judged" if one.value is None else f"{one.value:.4g}"
    said = (one.invalid or one.feedback)[:_FEEDBACK_CHARS]
    return f"{name} {value} ({said})" if said else f"{name} {value}"
