"""Merge: two programs that were changed from a third become one that holds the changes of both, component by component.

The rules, in this order, for every name that one of the three defines as a component or by an import:

1. What only one side changed is as that side has it: another text, removed, or added. Layout alone is no change beside another one.
2. Removed on one side and changed on the other: the changed one stays.
3. Changed on both sides: the lines of both where they do not meet and the result is such a component again; else the preferred side's.
4. Added on both sides and different, or a component here and an import there: the other side's gets a new name, with all who use it.
   So does a name that would take the place of a builtin which the other side uses.
5. What a kept text still needs is kept, from the side that the text is from.
6. What the entry no longer needs is dropped, if each parent that has it needed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from .edit import Add, AddImport, Edit, Remove, RemoveImport, Replace, apply
from .errors import ProgramError
from .joining import joined
from .program import Component, Import, Program
from .rename import fresh_name, renamed_program, words_of
from .sound import new_errors
from .structure import closed, reachable

__all__ = ["Conflict", "Merge", "Side", "merge"]

Side = Literal["a", "b", "both", "base"]
_Definition = Component | frozenset[Import] | None
_ROUNDS: Final = 4
_DROPPED: Final = "nothing needs it any more: it was dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One thing that the two sides did not agree on.

    Attributes:
        name: What it is about.
        problem: How they differ.
        resolution: What was done.
    """

    name: str
    problem: str
    resolution: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}; {self.resolution}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What merging gave.

    Attributes:
        program: The outcome.
        sides: For each of its components, in order, who it is from: `a`, `b`, `both` (changed alike, or joined line by line), or `base`.
        conflicts: In the order in which they were settled.
    """

    program: Program
    sides: Mapping[str, Side]
    conflicts: tuple[Conflict, ...]


def merge(a: Program, b: Program, base: Program, *, entry: str = "solve", prefer: Literal["a", "b"] = "a") -> Merge:
    """One program with what `a` and `b` changed in `base`.

    Laws, on digests and texts of components: `merge(a, a, base)` is `a`, `merge(base, b, base)` is `b`, `merge(a, base, base)` is `a`;
    exchanging the parents and the preference gives the same program. Docstring, main block and layout are the preferred side's.

    Args:
        a: One descendant.
        b: The other.
        base: Their common ancestor.
        entry: The function that is called; it keeps its name.
        prefer: The side that decides what nothing else does.

    Raises:
        ProgramError: If no program comes of it that has no error which its parents have not.
    """
    labels: tuple[Side, Side] = ("a", "b") if prefer == "a" else ("b", "a")
    ours, theirs = (a, b) if prefer == "a" else (b, a)
    return _Merging(ours, theirs, base, entry=entry, labels=labels).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    component: Component
    side: Side
    homes: tuple[Program, ...]  # where what it needs is looked for


class _Merging:
    """One merge while it is made. `ours` is the preferred side."""

    def __init__(self, ours: Program, theirs: Program, base: Program, *, entry: str, labels: tuple[Side, Side]) -> None:
        self.parents = (ours, theirs, base)
        self.ours, self.theirs, self.base = ours, theirs, base
        self.entry, self.labels = entry, labels
        self.renames: list[Conflict] = []
        self.conflicts: list[Conflict] = []
        self.joins = True

    def run(self) -> Merge:
        """Merge, and again with other names or without joining lines, until nothing is wrong."""
        self._part_names()
        for _ in range(_ROUNDS):
            self.conflicts = []
            choices = self._needed(self._chosen())
            outcome = apply(self.ours, self._edits(choices))
            if captured := self._captured(outcome, choices):
                self._rename_captured(captured, choices)
            elif not (errors := self._errors(outcome)):
                sides: dict[str, Side] = {name: choices[name].side for name in outcome.names}
                told = [item if item.name in outcome else replace(item, resolution=_DROPPED) for item in self.conflicts]
                return Merge(program=outcome, sides=sides, conflicts=(*self.renames, *told))
            elif self.joins:
                self.joins = False
            else:
                raise ProgramError(f"the two do not merge into a sound program: {errors[0]}")
        raise ProgramError("the two do not merge: too many of their names mean different things; rename some in one of them")

    def _part_names(self) -> None:
        """Rule 4: give what they define under one name for different purposes two names."""
        names = {}
        for name in sorted(_defined(self.ours) & _defined(self.theirs) - {self.entry}):
            base, ours, theirs = (_definition(program, name) for program in (self.base, self.ours, self.theirs))
            changed = _key(ours) != _key(theirs) and _key(base) not in (_key(ours), _key(theirs))
            if changed and not all(isinstance(item, Component) for item in (base, ours, theirs)):
                names[name] = self._fresh(name)
                what = "both added it, and differently" if base is None else "it means two things"
                self._renamed(name, names[name], what, side=self.labels[1])
        if names:
            self.theirs = renamed_program(self.theirs, names)

    def _chosen(self) -> dict[str, _Choice]:
        """Rules 1 to 3: every component of the outcome, whether it is needed or not."""
        choices: dict[str, _Choice] = {}
        for name in (*self.ours.names, *self.theirs.names, *self.base.names):
            if name not in choices and (choice := self._choose(name)) is not None:
                choices[name] = choice
        return choices

    def _choose(self, name: str) -> _Choice | None:
        base, ours, theirs = (_definition(program, name) for program in (self.base, self.ours, self.theirs))
        if _key(ours) == _key(theirs):
            return self._same(ours, theirs, base)
        if _key(ours) == _key(base):
            return self._as_theirs(theirs, self.labels[1])
        if _key(theirs) == _key(base):
            return self._as_ours(ours, self.labels[0])
        if isinstance(ours, Component) and isinstance(theirs, Component):
            return self._settle(ours, theirs, base)
        one, label = (ours, 0) if isinstance(ours, Component) else (theirs, 1)
        self._note(name, f"changed in {self.labels[label]}, removed in {self.labels[1 - label]}", "the changed one stays")
        return self._as_ours(one, self.labels[0]) if label == 0 else self._as_theirs(one, self.labels[1])

    def _same(self, ours: _Definition, theirs: _Definition, base: _Definition) -> _Choice | None:
        """Alike on both sides; of different layouts the changed one."""
        if not isinstance(ours, Component) or not isinstance(theirs, Component):
            return None
        side: Side = "base" if _key(ours) == _key(base) else "both"
        unchanged = isinstance(base, Component) and ours.source == base.source
        return self._as_theirs(theirs, side) if unchanged else self._as_ours(ours, side)

    def _settle(self, ours: Component, theirs: Component, base: _Definition) -> _Choice:
        """Rule 3."""
        problem = "changed in both"
        if self.joins and isinstance(base, Component) and (both := joined(ours, theirs, base, imports=self._imports())) is not None:
            self._note(ours.name, problem, "the lines of both were joined")
            return _Choice(component=both, side="both", homes=(self.ours,))
        self._note(ours.name, problem, f"that of {self.labels[0]} was taken")
        return _Choice(component=ours, side=self.labels[0], homes=(self.ours,))

    def _as_ours(self, component: _Definition, side: Side) -> _Choice | None:
        return _Choice(component=component, side=side, homes=(self.ours,)) if isinstance(component, Component) else None

    def _as_theirs(self, component: _Definition, side: Side) -> _Choice | None:
        return _Choice(component=component, side=side, homes=(self.theirs,)) if isinstance(component, Component) else None

    def _needed(self, choices: dict[str, _Choice]) -> dict[str, _Choice]:
        """Rules 5 and 6: the choices with what they need and without what only the losing texts needed."""
        waiting = list(choices.values())
        while waiting:
            user = waiting.pop()
            for name in sorted(user.component.refs - choices.keys()):
                home = next((program for program in user.homes if name in program), None)
                if home is None or self._import_of(name):
                    continue
                side = self.labels[0] if home is self.ours else self.labels[1]
                choices[name] = _Choice(component=home[name], side=side, homes=(home,))
                self._note(name, f"removed, and still needed by {user.component.name!r}", "it stays")
                waiting.append(choices[name])
        if self.entry not in choices:
            return choices
        used = {program.digest: reachable(program, self.entry) for program in (self.ours, self.theirs) if self.entry in program}
        graph = {name: choice.component.refs & choices.keys() for name, choice in choices.items()}
        alive = closed(graph, [self.entry, *(name for name in choices if not self._only_lost(name, used))])
        return {name: choice for name, choice in choices.items() if name in alive}

    def _only_lost(self, name: str, used: Mapping[str, frozenset[str]]) -> bool:
        """Whether each parent that has it needed it, and one has it otherwise than the base: what all three share is not ours to drop."""
        homes = [program for program in (self.ours, self.theirs) if name in program]
        if len({program[name].digest for program in (*homes, self.base) if name in program}) == 1 and len(homes) == 2:
            return False
        return all(name in used.get(program.digest, ()) for program in homes)

    def _edits(self, choices: Mapping[str, _Choice]) -> list[Edit]:
        """What turns `ours` into the outcome."""
        imports = self._wanted_imports(choices)
        bound = {item.name for item in imports}
        stale = [
            item
            for item in self.ours.imports
            if item not in imports and (item.name in bound or item.name in choices or item.module == "__future__")
        ]
        edits: list[Edit] = [RemoveImport(statement=item.statement) for item in stale]
        edits += [Remove(name=name) for name in self.ours.names if name not in choices]
        placed = [name for name in self.ours.names if name in choices]
        edits += [
            Replace(name=name, source=choices[name].component.source)
            for name in placed
            if choices[name].component.source != self.ours[name].source
        ]
        for program in (self.theirs, self.base):
            above: str | None = None
            for name in program.names:
                if name in choices and name not in placed:
                    edits.append(Add(source=choices[name].component.source, after=above))
                    placed.append(name)
                above = name if name in placed else above
        return [*edits, *(AddImport(statement=item.statement) for item in imports if item not in self.ours.imports)]

    def _wanted_imports(self, choices: Mapping[str, _Choice]) -> list[Import]:
        needs = (choice.component.refs & _defined(home) for choice in choices.values() for home in choice.homes)
        used = frozenset[str]().union(*needs) - choices.keys()
        found = {item for name in used for item in self._import_of(name)}
        future = [{item for item in program.imports if item.module == "__future__"} for program in (self.base, self.ours, self.theirs)]
        base, ours, theirs = future
        found |= (ours & theirs) | ((ours | theirs) - base)
        return sorted(found, key=lambda item: item.statement)

    def _import_of(self, name: str) -> frozenset[Import]:
        """What a name that is no component is bound by in the outcome; empty where it is not imported."""
        base, ours, theirs = (_definition(program, name) for program in (self.base, self.ours, self.theirs))
        first = theirs if _key(ours) == _key(base) else ours
        return next((item for item in (first, ours, theirs, base) if isinstance(item, frozenset)), frozenset())

    def _imports(self) -> list[Import]:
        names = {item.name for program in (self.ours, self.theirs) for item in program.imports}
        return [item for name in sorted(names) for item in sorted(self._import_of(name), key=lambda item: item.statement)]

    def _captured(self, outcome: Program, choices: Mapping[str, _Choice]) -> str:
        """A name that hides a builtin from a component which meant the builtin; empty where none does."""
        return min((name for item in outcome.components for name in item.refs - choices[item.name].component.refs), default="")

    def _rename_captured(self, name: str, choices: Mapping[str, _Choice]) -> None:
        others = [item.component.name for item in choices.values() if name not in item.component.refs]
        if name == self.entry or (name in self.ours and name in self.theirs):
            raise ProgramError(f"{name!r} would take the place of the builtin that {others[0]!r} uses; rename it in one of the two")
        new = self._fresh(name)
        if name in _defined(self.ours):
            self.ours, label = renamed_program(self.ours, {name: new}), self.labels[0]
        else:
            self.theirs, label = renamed_program(self.theirs, {name: new}), self.labels[1]
        if name in _defined(self.base):
            self.base = renamed_program(self.base, {name: new})
        self._renamed(name, new, "it would hide the builtin that the other side uses", side=label)

    def _errors(self, outcome: Program) -> tuple[str, ...]:
        """Errors of the outcome that neither parent has; what all three agree on may not change."""
        ours, theirs, base = self.parents
        for component in base.components:
            agreed = all(component.name in one and one[component.name].digest == component.digest for one in (ours, theirs))
            if agreed and not (component.name in outcome and outcome[component.name].digest == component.digest):
                return (f"{component.name!r} is the same in all three and would change",)
        return new_errors(outcome, (ours, theirs), entry=self.entry)

    def _fresh(self, name: str) -> str:
        return fresh_name(name, words_of((*self.parents, self.ours, self.theirs)) | {item.resolution.split()[-2] for item in self.renames})

    def _note(self, name: str, problem: str, resolution: str) -> None:
        self.conflicts.append(Conflict(name=name, problem=problem, resolution=resolution))

    def _renamed(self, name: str, new: str, problem: str, *, side: Side) -> None:
        self.renames.append(Conflict(name=name, problem=problem, resolution=f"that of {side} is called {new} now"))


def _defined(program: Program) -> frozenset[str]:
    """Names of the components and of the imports that mean something by name."""
    return frozenset((*program.names, *(item.name for item in program.imports if item.module != "__future__")))


def _definition(program: Program, name: str) -> _Definition:
    if name in program:
        return program[name]
    return frozenset(item for item in program.imports if item.name == name and item.module != "__future__") or None


def _key(definition: _Definition) -> object:
    """Equal for definitions that mean the same: a text means something else where a builtin's name in it becomes the program's."""
    return (definition.digest, definition.refs) if isinstance(definition, Component) else definition
