"""Bench: one component, taken apart so that it can be changed. It knows what is in scope where, and what the result must keep."""

from __future__ import annotations

import ast
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graftwork.programs.parsing import module_of
from graftwork.programs.splice import spliced

from .expressions import Grammar, n_hazards, tidied
from .sites import Site, find_sites, free_names, n_nodes

__all__ = ["MAX_NODES", "Bench", "constant", "open_bench"]

MAX_NODES: Final = 400
_GROWTH: Final = 1.5
_GROWTH_NODES: Final = 60
_PIECE_NODES: Final = 7
_HUGE: Final = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One component on the bench.

    Attributes:
        rng: All choices.
        source: The component's text.
        tree: That text, parsed. A change leaves it as it was.
        sites: Where something may be put.
        donors: Trees of components that expressions may be taken from.
        known: Module-level names of the program, imports included, and builtins that an expression may call.
        library: `np` (or numpy's alias), `math`, or empty.
        arrays: Names that hold arrays: a value that reads some must not end up reading none.
        limit: Nodes that the new text may have.
    """

    rng: random.Random
    source: str
    tree: ast.Module
    sites: tuple[Site, ...]
    donors: Sequence[ast.Module]
    known: Collection[str]
    library: str
    arrays: frozenset[str]
    limit: int

    @property
    def free_sites(self) -> list[Site]:
        """The sites where any expression may stand."""
        return [site for site in self.sites if not site.fixed]

    def grammar(self, site: Site) -> Grammar:
        """What may be grown at a site. The test of an `if` must be one truth, so that no array may come into it."""
        names = [name for name in site.names if name not in self.arrays or not isinstance(site.statement, ast.If | ast.While)]
        pieces = [
            other.node
            for other in self.free_sites
            if other.kind == "number"
            and not isinstance(other.node, ast.Constant | ast.Name)
            and n_nodes(other.node) <= _PIECE_NODES
            and free_names(other.node) <= {*names, *self.known}
        ]
        constants = [value for other in self.free_sites if (value := constant(other.node)) is not None]
        return Grammar(
            rng=self.rng,
            names=names,
            pieces=pieces,
            constants=constants,
            library=self.library,
            vectors=self.library not in {"", "math"},
        )

    def written(self, site: Site, node: ast.expr, *, trusted: int = 0) -> str | None:
        """The component with `node` at a site; None where nothing changes or the value would lose what it is about.

        Args:
            site: Where.
            node: What.
            trusted: Hazards of `node` that some program lives with already; more than these and those of the statement are refused.
        """
        before = ast.unparse(site.root)
        read = free_names(site.root)
        root = tidied(ast.fix_missing_locations(site.put(node)))
        after, reads = ast.unparse(root), free_names(root)
        site.put(site.node)
        arrays, inputs = self.arrays & read, read & set(site.names)
        if after == before or (arrays and not arrays & reads) or (inputs and not inputs & reads):
            return None
        if n_hazards(root) > n_hazards(site.root) + trusted:
            return None
        return self.checked(spliced(self.source, site.root, after))

    def checked(self, source: str) -> str | None:
        """The text, if it parses and is not too large."""
        try:
            tree = module_of(source)
        except (SyntaxError, ValueError, RecursionError):
            return None
        return source if n_nodes(tree) <= self.limit else None


def open_bench(source: str, *, rng: random.Random, outer: Collection[str], known: Mapping[str, str], donors: Sequence[str]) -> Bench:
    """Put a component on the bench.

    Args:
        source: Its text.
        rng: All choices.
        outer: Module-level names that hold numbers.
        known: Module-level names of the program, each with the module it is an import of, or an empty string.
        donors: Texts of components that expressions may be taken from.
    """
    tree = module_of(source)
    aliases = {module: name for name, module in known.items()}
    size = n_nodes(tree)
    return Bench(
        rng=rng,
        source=source,
        tree=tree,
        sites=find_sites(tree, outer),
        donors=[module_of(donor) for donor in donors],
        known={*known, "abs", "float", "int", "len", "max", "min", "round", "sum"},
        library=aliases.get("numpy") or aliases.get("math") or "",
        arrays=_arrays(tree),
        limit=max(size, min(MAX_NODES, max(int(size * _GROWTH), size + _GROWTH_NODES))),
    )


def _arrays(tree: ast.Module) -> frozenset[str]:
    """Parameters annotated as arrays, and what is computed from them by arithmetic alone."""
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation is not None]
    found = {node.arg for node in arguments if node.annotation is not None and "ndarray" in ast.unparse(node.annotation)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp | ast.UnaryOp) and free_names(node.value) & found:
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def constant(node: ast.expr) -> float | None:
    """The number that a literal stands for; None for other nodes, and for one that arithmetic with floats could not hold."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value if abs(node.value) < _HUGE else None
    return None
