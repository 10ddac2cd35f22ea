"""Archives: which there are, by name, and the one that a strategy names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from graftwork.programs.errors import ConfigError

from .archive import Archive, MemberOrder, TopK, rank, sure_rank
from .fronts import ExampleFront, ObjectiveFront
from .grid import Grid
from .signatures import Signatures
from .strategy import Strategy

__all__ = ["ARCHIVES", "ArchiveKind", "make_archive", "order_of", "with_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKind:
    """One kind of archive.

    Attributes:
        make: An empty one, as a strategy has it, for a task of this entry.
        size: What it holds unless a strategy says otherwise: members, or clusters of them.
    """

    make: Callable[[Strategy, str], Archive]
    size: int


def _top_k(strategy: Strategy, entry: str) -> Archive:
    del entry
    return TopK(strategy.archive_size, order_of(strategy), tournament=strategy.tournament)


def _grid(strategy: Strategy, entry: str) -> Archive:
    return Grid(strategy.archive_size, strategy.dimensions, entry=entry, order=order_of(strategy))


def _examples(strategy: Strategy, entry: str) -> Archive:
    del entry
    return ExampleFront(strategy.archive_size, order_of(strategy))


def _objectives(strategy: Strategy, entry: str) -> Archive:
    del entry
    return ObjectiveFront(strategy.archive_size, strategy.objectives, order_of(strategy))


def _signatures(strategy: Strategy, entry: str) -> Archive:
    del entry
    return Signatures(strategy.archive_size, strategy.cluster_size, order_of(strategy), temperature=strategy.temperature)


ARCHIVES: Final[Mapping[str, ArchiveKind]] = MappingProxyType(
    {
        "examples": ArchiveKind(make=_examples, size=24),
        "grid": ArchiveKind(make=_grid, size=48),
        "objectives": ArchiveKind(make=_objectives, size=24),
        "signatures": ArchiveKind(make=_signatures, size=12),
        "top-k": ArchiveKind(make=_top_k, size=12),
    }
)
"""The archives that a strategy may name."""


def make_archive(strategy: Strategy, entry: str) -> Archive:
    """An empty archive as the strategy has it, for a task of this entry."""
    return ARCHIVES[strategy.archive].make(strategy, entry)


def order_of(strategy: Strategy) -> MemberOrder:
    """What the strategy sorts members by."""
    return sure_rank if strategy.selection == "estimate" else rank


def with_archive(strategy: Strategy, name: str) -> Strategy:
    """The strategy with another archive, of the size that suits that one; itself where it has that archive.

    Raises:
        ConfigError: If there is none of that name.
    """
    if name not in ARCHIVES:
        raise ConfigError(f"no archive {name!r}; there are {', '.join(sorted(ARCHIVES))}")
    return strategy if name == strategy.archive else replace(strategy, archive=name, archive_size=ARCHIVES[name].size)
