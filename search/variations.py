"""Variations: operators without a model. Classical genetic programming on the components of a program.

`Reshape` changes the text of one component (Koza 1992, on Python's own trees); `SwapComponent` takes a whole component, with all that
it needs, from the other parent. Both are pure: every choice comes from the brief's seed and the attempt.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from graftwork.programs.edit import Replace, apply, graft_source
from graftwork.programs.errors import ProgramError
from graftwork.programs.program import Component, Program
from graftwork.programs.structure import reachable, syntax

from .bench import Bench, open_bench
from .candidate import Brief
from .changes import Change, graft_expression, has_place
from .operator import Draft, Facts

__all__ = ["Reshape", "SwapComponent", "closure", "mutable"]

# How many draws one attempt makes before it says that there is nothing to do.
_DRAWS: Final = 12
_KINDS: Final = frozenset(("function", "tool", "constant"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """A variation that changes the text of one component.

    Attributes:
        name: Its name in strategies.
        change: What it does to the component.
        n_parents: 2 where it takes expressions from the other parent.
    """

    name: str
    change: Callable[[Bench], Change | None]
    n_parents: int = 1

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """A child with one component changed, larger ones more often; None where no draw found anything to do."""
        rng = random.Random(f"{brief.seed}/{attempt}")
        program = brief.parents[0].candidate.program
        benches = self._benches(brief, facts, rng)
        if not benches:
            return None
        weights = [len(bench.source) for bench in benches.values()]
        for _ in range(_DRAWS):
            name = rng.choices(list(benches), weights=weights)[0]
            change = self.change(benches[name])
            if change is None or change.source == benches[name].source:
                continue
            child = _replaced(program, name, change.source)
            if child is not None and all(child.digest != parent.candidate.program.digest for parent in brief.parents):
                return Draft(program=child, note=f"{self.name} {name}: {change.note}")
        return None

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether a component that may change has a place for the change."""
        return bool(self._benches(brief, facts, random.Random(0)))

    def _benches(self, brief: Brief, facts: Facts, rng: random.Random) -> dict[str, Bench]:
        """The components that may change and have a place for the change."""
        program = brief.parents[0].candidate.program
        components = [program[name] for name in mutable(program, facts) if program[name].kind in _KINDS]
        benches = {component.name: self._bench(component, brief, facts, rng) for component in components}
        return {name: bench for name, bench in benches.items() if has_place(self.change, bench)}

    def _bench(self, component: Component, brief: Brief, facts: Facts, rng: random.Random) -> Bench:
        program = brief.parents[0].candidate.program
        # What needs this component may not be called by it: that would never end.
        known = {name: "" for name in program.names if component.name not in reachable(program, name)}
        for item in program.imports:
            # Only `import x` and `import x as y` name a module whose functions may be called.
            known[item.name] = item.module if item.statement.startswith("import ") else ""
        return open_bench(
            component.source,
            rng=rng,
            outer=_numeric_constants(program, component.name),
            known=known,
            donors=_donors(component, brief, facts) if self.n_parents > 1 else [],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapComponent:
    """A crossover: one component of the other parent in place of its namesake, and of what it needs what is missing, or more.

    So it means what its names mean here; `transplant` brings it as it was there.
    Where that would only give one of the parents again, as in programs of one component, an expression is grafted instead.
    """

    name: str = "swap_component"
    n_parents: int = 2

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """The first parent with one component, or an expression, of the second; None where neither gives anything new."""
        rng = random.Random(f"{brief.seed}/{attempt}")
        program, other = brief.parents[0].candidate.program, brief.parents[1].candidate.program
        names = [name for name in mutable(program, facts) if name in other and other[name].digest != program[name].digest]
        rng.shuffle(names)
        for name in names:
            # What it needs comes along where it is missing here; what exists under the same name here is swapped half of the time.
            needs = [need for need in closure(other, name) if need not in program or (need not in facts.frozen and rng.random() < 0.5)]
            taken = [item for item in other.components if item.name == name or item.name in needs]
            try:
                child = graft_source(program, _snippet(other, taken))
            except ProgramError:
                continue
            if child.digest not in (program.digest, other.digest):
                return Draft(program=child, note=f"{self.name}: {name} of candidate {brief.parents[1].candidate.number}")
        return self._in_its_place.write(brief, facts, attempt=attempt)

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether the parents differ in a component that may change and in something else too, or an expression can be grafted.

        Where they differ in that one alone, taking it gives the other parent again.
        """
        program, other = brief.parents[0].candidate.program, brief.parents[1].candidate.program
        differing = {item.digest for item in program.components} ^ {item.digest for item in other.components}
        shared = [name for name in mutable(program, facts) if name in other and other[name].digest != program[name].digest]
        return (bool(shared) and len(differing) > 2) or self._in_its_place.applies(brief, facts)

    @property
    def _in_its_place(self) -> Reshape:
        return Reshape(name=self.name, change=graft_expression, n_parents=2)


def closure(program: Program, name: str) -> tuple[str, ...]:
    """Names of the components that a component needs, directly or not, in the order of the text, itself left out."""
    needed = reachable(program, name)
    return tuple(item for item in program.names if item in needed and item != name)


def mutable(program: Program, facts: Facts) -> tuple[str, ...]:
    """Names of the components that may change and that the entry, or without one anybody, uses, in the order of the text."""
    if facts.entry and facts.entry not in program:
        return ()
    used = reachable(program, facts.entry)
    return tuple(name for name in program.names if name in used and name not in facts.frozen)


def _replaced(program: Program, name: str, source: str) -> Program | None:
    try:
        return apply(program, [Replace(name=name, source=source)])
    except ProgramError:
        return None


def _numeric_constants(program: Program, besides: str) -> list[str]:
    """Names of the constants of a program that are plain numbers."""
    return [item.name for item in program.components if item.kind == "constant" and item.name != besides and _is_numeric(item)]


def _is_numeric(component: Component) -> bool:
    statement = syntax(component)
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, int | float) and not isinstance(value.value, bool)


def _donors(component: Component, brief: Brief, facts: Facts) -> list[str]:
    """Texts that expressions may be taken from: the namesake in the other parent, or else every function of both."""
    program, other = brief.parents[0].candidate.program, brief.parents[1].candidate.program
    if component.name in other and other[component.name].digest != component.digest:
        return [other[component.name].source]
    functions: Mapping[str, Component] = {item.digest: item for parent in (program, other) for item in parent.components}
    return [item.source for item in functions.values() if item.kind in _KINDS and item.name not in facts.frozen]


def _snippet(program: Program, components: list[Component]) -> str:
    needed = {ref for component in components for ref in component.refs}
    imports = [item.statement for item in program.imports if item.name in needed]
    return "\n".join(imports) + "\n\n\n" + "\n\n\n".join(component.source for component in components) + "\n"
