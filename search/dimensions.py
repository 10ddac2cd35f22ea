"""Dimensions: numbers that place a member among others, each with the fixed bins that a grid divides it into.

Bins are fixed before anything is seen, so that a cell means the same at the first candidate and at the millionth.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from graftwork.evaluators.evaluation import Unkept
from graftwork.programs.descriptors import depth_of
from graftwork.programs.program import ComponentKind
from graftwork.programs.structure import levels
from graftwork.programs.worst_case import worst_case_calls

from .candidate import Member
from .rows import json_text

__all__ = ["DIMENSIONS", "Cell", "Dimension", "cell_of"]

Cell = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One number of a member.

    Attributes:
        measure: The number, from the member and the task's entry; infinite where it has no bound.
        edges: Rising. Bin k holds what is at least edge k−1 and below edge k; the last bin holds the rest.
    """

    measure: Callable[[Member, str], float]
    edges: tuple[float, ...]


def cell_of(member: Member, names: tuple[str, ...], entry: str) -> Cell:
    """The bins that a member falls into, one for each of these dimensions."""
    chosen = (DIMENSIONS[name] for name in names)
    return tuple(bisect.bisect_right(one.edges, one.measure(member, entry)) for one in chosen)


def _count(kind: ComponentKind) -> Callable[[Member, str], float]:
    def count(member: Member, entry: str) -> float:
        program = member.candidate.program
        found = levels(program, entry)
        return Counter(component.kind for component in program.components if component.name in found)[kind]

    return count


def _components(member: Member, entry: str) -> float:
    return len(levels(member.candidate.program, entry))


def _calls(member: Member, entry: str) -> float:
    program = member.candidate.program
    if not program.prompts:
        return 0
    most = worst_case_calls(program, entry) if entry else None
    return math.inf if most is None else most


def _failures(member: Member, entry: str) -> float:
    del entry
    return len(member.val.failures) / max(1, len(member.val.judgements))


def _usd(member: Member, entry: str) -> float:
    del entry
    return member.val.objectives.usd


def _output(member: Member, entry: str) -> float:
    """Mean length of an output's JSON text; one that is too long to be kept makes it infinite."""
    del entry
    outputs = [judgement.outcome.output for judgement in member.val.judgements if judgement.outcome.failure is None]
    if any(isinstance(output, Unkept) for output in outputs):
        return math.inf
    return sum(len(json_text(output)) for output in outputs) / len(outputs) if outputs else 0.0


DIMENSIONS: Final[Mapping[str, Dimension]] = MappingProxyType(
    {
        "prompts": Dimension(measure=_count("prompt"), edges=(1, 2, 3, 4, 6)),
        "tools": Dimension(measure=_count("tool"), edges=(1, 2, 3)),
        "components": Dimension(measure=_components, edges=(2, 3, 4, 6, 9, 13)),
        "depth": Dimension(measure=lambda member, entry: depth_of(member.candidate.program, entry), edges=(1, 2, 3, 5)),
        "calls": Dimension(measure=_calls, edges=(1, 2, 3, 5, 9, 17, math.inf)),
        "size": Dimension(
            measure=lambda member, _: len(member.candidate.program.source),
            edges=tuple(250 * 2 ** (step / 2) for step in range(12)),  # characters, two bins to a doubling
        ),
        "failures": Dimension(measure=_failures, edges=(1e-9, 0.05, 0.2, 0.5)),
        "usd": Dimension(measure=_usd, edges=(1e-9, *(10 ** (step / 2) for step in range(-10, 1)))),  # a run; two bins to a power of ten
        "output": Dimension(measure=_output, edges=tuple(4.0 * 2**step for step in range(11))),  # characters
    }
)
"""Those of a program are `prompts`, `tools`, `components` and `depth` of what its entry reaches, `calls` of models in the worst case, and
`size` of its text; those of what it did on val are `failures`, their share, `usd` of a run, and the length of an `output`."""
