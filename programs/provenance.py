"""Provenance: where each component of a program is from, found by comparison with its parents, whatever made it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .program import Component, Program

__all__ = ["Descent", "Origin", "Parent", "Provenance", "provenance", "self_made"]

_ALIKE: Final = 0.4
"""Least share of equal words at which a new component counts as another one changed, not as added."""
_MAX_WORDS: Final = 1000
"""Words of each text that are compared: the time grows with their square."""
_WORD: Final = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a component's text is from.

    Attributes:
        candidate: Number of the candidate that had this very text first.
        name: What the component was called there.
        digest: Its digest there.
    """

    candidate: int
    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """One component of a child that none of its parents has under that name.

    Attributes:
        name: The component.
        predecessor: Where what it was made from has its text from; None where it was made from nothing.
        is_renamed: Whether only its name is new.
    """

    name: str
    predecessor: Origin | None
    is_renamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A parent as its children see it.

    Attributes:
        program: The program.
        origins: Of its components, by name.
    """

    program: Program
    origins: Mapping[str, Origin]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the components of one candidate are from; as large as the candidate, whatever came before it.

    Attributes:
        origins: One for each component, in the order of the text.
        changes: Of those that are not a parent's as they are.
    """

    origins: tuple[Origin, ...] = ()
    changes: tuple[Descent, ...] = ()


def provenance(child: Program, number: int, parents: Sequence[Parent]) -> Provenance:
    """Where each component of a child is from.

    Inherited: the name and digest of a parent's. Renamed: a parent's but for its name. Changed: made from its namesake, or else from
    the most similar component of the same kind that the child did not inherit; of several parents' namesakes, from the most similar.
    Added: all others. Of two parents that agree, the one with the earlier origin counts.

    Args:
        child: The program.
        number: Of the candidate that it is.
        parents: In the order of the brief; none for a seed.
    """
    origins: list[Origin] = []
    changes: list[Descent] = []
    for component in child.components:
        own = Origin(candidate=number, name=component.name, digest=component.digest)
        same = [parent.origins[component.name] for parent in parents if _has(parent.program, component)]
        if same:
            origins.append(min(same, key=lambda origin: origin.candidate))
        elif parents:
            change = _change(component, child, parents)
            changes.append(change)
            origins.append(change.predecessor if change.is_renamed and change.predecessor is not None else own)
        else:
            origins.append(own)
    return Provenance(origins=tuple(origins), changes=tuple(changes))


def self_made(program: Program, number: int) -> Parent:
    """A parent of which nothing older is known: all it has is from itself."""
    origins = {item.name: Origin(candidate=number, name=item.name, digest=item.digest) for item in program.components}
    return Parent(program=program, origins=origins)


def _change(component: Component, child: Program, parents: Sequence[Parent]) -> Descent:
    namesakes = [(parent.program[component.name], parent) for parent in parents if component.name in parent.program]
    others = namesakes or [(item, parent) for parent in parents for item in _left(parent.program, child, component)]
    if not namesakes and (twin := next((pair for pair in others if _unnamed(pair[0]) == _unnamed(component)), None)) is not None:
        return Descent(name=component.name, predecessor=twin[1].origins[twin[0].name], is_renamed=True)
    alike = [1.0] if len(namesakes) == 1 else [_similarity(item, component) for item, _ in others]
    most = max(alike, default=0.0)
    if not alike or (not namesakes and most < _ALIKE):
        return Descent(name=component.name, predecessor=None)
    nearest, parent = others[alike.index(most)]
    return Descent(name=component.name, predecessor=parent.origins[nearest.name])


def _has(program: Program, component: Component) -> bool:
    return component.name in program and program[component.name].digest == component.digest


def _left(parent: Program, child: Program, component: Component) -> Iterator[Component]:
    """Components of a parent that may have become another: of the same kind, and not inherited."""
    return (item for item in parent.components if item.kind == component.kind and not _has(child, item))


def _unnamed(component: Component) -> str:
    return re.sub(rf"\b{re.escape(component.name)}\b", "_", component.source)


def _similarity(one: Component, other: Component) -> float:
    words: list[list[str]] = [_WORD.findall(_unnamed(item))[:_MAX_WORDS] for item in (one, other)]
    return difflib.SequenceMatcher(None, words[0], words[1], autojunk=False).ratio()
