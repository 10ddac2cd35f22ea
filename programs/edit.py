"""Edit: programs are changed component by component; what an edit does not name stays as written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .cutting import split
from .document import Document
from .errors import ProgramError
from .parse import PUBLIC_NAMES, parse
from .program import Program
from .structure import misplaced

__all__ = ["Add", "AddImport", "Edit", "Remove", "RemoveImport", "Replace", "apply", "diff", "graft", "graft_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Give a component another text.

    Attributes:
        name: The component.
        source: A text that defines it; imports in it are attached by use, components beside it replace their namesakes or are added.
    """

    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Add one or more components.

    Attributes:
        source: Their text; imports in it are attached by use.
        after: The component that they follow; None = before all others.
    """

    source: str
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Take a component out. Who refers to it is not changed."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddImport:
    """Import names, used or not.

    Attributes:
        statement: One import statement.
    """

    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImport:
    """Import a name no longer.

    Attributes:
        statement: Normalised, as in `Import.statement`: it binds one name.
    """

    statement: str


Edit = Replace | Add | Remove | AddImport | RemoveImport


def apply(program: Program, edits: Iterable[Edit]) -> Program:
    """The program after some edits, done in order.

    Only the outcome must be a program, not what stands between two edits. An import that the edits made unused is dropped. A
    component that is needed when the program is loaded is moved above the first one that needs it.

    Raises:
        ProgramError: If an edit does not fit or the outcome is no program.
    """
    work = _Work(program)
    for edit in edits:
        work.do(edit)
    return work.finish()


def graft_source(program: Program, snippet: str) -> Program:
    """The program with every component of a snippet put in: it replaces its namesake, or is added before the one that uses it.

    Imports of the snippet are attached by use, and those of Graftwork's own names where the snippet forgot them. Its docstring and
    main block are ignored.

    Args:
        program: What is changed.
        snippet: Imports and components, as a model writes them.

    Raises:
        ProgramError: If the snippet is no program or defines nothing, or if one of its names would change the meaning of a component
            that it leaves alone.
    """
    return graft(program, parse(snippet))


def graft(program: Program, new: Program) -> Program:
    """As `graft_source`, of a snippet that is read already.

    Raises:
        ProgramError: As there.
    """
    if not new.components:
        raise ProgramError("the snippet defines no component; write at least one function, class or constant")
    work = _Work(program)
    work.graft(new)
    outcome = work.finish()
    missing = {name for component in outcome.components for name in component.refs & PUBLIC_NAMES if name not in outcome}
    missing -= {item.name for item in outcome.imports}
    if missing:
        outcome = apply(outcome, [AddImport(statement=f"from graftwork.programs import {name}") for name in sorted(missing)])
    _require_no_capture(program, outcome, new)
    return outcome


def diff(a: Program, b: Program) -> tuple[Edit, ...]:
    """The edits that turn `a` into `b`.

    Law: `apply(a, diff(a, b))` has the digest of `b`, and its components in their text and, where `b` can be loaded, their order.
    The module's docstring and main block are no components, and stay those of `a`.
    """
    staying = _in_order(a.names, b.names)
    edits: list[Edit] = [RemoveImport(statement=item.statement) for item in a.imports if item not in b.imports]
    edits += [Remove(name=name) for name in a.names if name not in staying]
    after: str | None = None
    for component in b.components:
        if component.name not in staying:
            edits.append(Add(source=component.source, after=after))
        elif component.source != a[component.name].source:
            edits.append(Replace(name=component.name, source=component.source))
        after = component.name
    edits += [AddImport(statement=item.statement) for item in b.imports if item not in a.imports]
    return tuple(edits)


class _Work:
    """One program on the bench."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.statements = bool(program.statements)
        self.document = Document(program.source, pieces=program.pieces, statements=self.statements)
        self.main_names = self.document.main_names
        self.refs = {component.name: component.refs for component in program.components}
        self.kept_imports: set[str] = set()

    def do(self, edit: Edit) -> None:
        match edit:
            case Replace(name=name, source=source):
                new = parse(source)
                if name not in new:
                    raise ProgramError(f"the replacement must define {name!r}, it defines {', '.join(new.names) or 'nothing'}")
                if name not in self.document.names:
                    raise ProgramError(f"no component {name!r} to replace; this program has {', '.join(self.document.names) or 'none'}")
                self.graft(new)
            case Add(source=source, after=after):
                self._add(parse(source), after)
            case Remove(name=name):
                self.document.remove(name)
                self.refs.pop(name)
            case AddImport(statement=statement):
                self._add_import(statement)
            case RemoveImport(statement=statement):
                self.document.remove_import(statement)

    def graft(self, new: Program) -> None:
        """Put a snippet's components in place: those that are there, then those that have a user by now."""
        for component in new.components:
            self.refs[component.name] = component.refs
        self._attach(new)
        for component in new.components:
            if component.name in self.document.names:
                self.document.replace(component.name, component.source)
        added = [component for component in new.components if component.name not in self.document.names]
        while added:
            component, user = next(((item, user) for item in added if (user := self._user(item.name))), (added[0], None))
            added.remove(component)
            if user is not None:
                self.document.add_before(component.name, component.source, user=user)
            else:
                self.document.add(component.name, component.source, after=self._neighbour(component.name, new))

    def finish(self) -> Program:
        """The outcome, settled: unused imports dropped, and components in an order in which they can be loaded."""
        outcome = self._parsed()
        used = self.main_names.union(*(item.refs for item in outcome.components), *(item.refs for item in outcome.statements))
        before = self.main_names.union(*(component.refs for component in self.program.components))
        # Where blocks are marked, an import may stand outside them, and that is not ours to change.
        unused = frozenset() if self.document.has_blocks else before - used
        for statement, name in self.document.imports.items():
            if name in unused and statement not in self.kept_imports:
                self.document.remove_import(statement)
        moved: set[tuple[str, str]] = set()
        while pairs := [pair for pair in misplaced(outcome) if pair not in moved]:
            user, needed = pairs[0]
            moved.add((user, needed))  # two that need each other cannot be put in order
            self.document.add_before(needed, self.document.remove(needed), user=user)
            outcome = self._parsed()
        return outcome if self.document.text == outcome.source else self._parsed()

    def _parsed(self) -> Program:
        return parse(self.document.text, statements=self.statements)

    def _add(self, new: Program, after: str | None) -> None:
        if not new.components:
            raise ProgramError("the text to add defines no component; write at least one function, class or constant")
        for component in new.components:
            self.document.add(component.name, component.source, after=after)
            self.refs[component.name] = component.refs
            after = component.name
        self._attach(new)

    def _user(self, name: str) -> str | None:
        """The first component in place that refers to a name."""
        return next((user for user in self.document.names if name in self.refs[user]), None)

    def _neighbour(self, name: str, new: Program) -> str | None:
        """What a component without a user comes after: the one above it in the snippet, else the last of all."""
        names = self.document.names
        above = new.names[: new.names.index(name)]
        return next((item for item in reversed(above) if item in names), names[-1] if names else None)

    def _add_import(self, statement: str) -> None:
        pieces = split(statement)
        if [piece.kind for piece in pieces if piece.kind != "gap"] != ["import"]:
            raise ProgramError(f"an import statement was expected, not {statement[:80]!r}")
        for single, _, _ in (bound for piece in pieces for bound in piece.imports):
            self.document.add_import(single)
            self.kept_imports.add(single)

    def _attach(self, new: Program) -> None:
        """Take over the imports that a snippet's components use."""
        wanted = frozenset().union(*(component.refs for component in new.components))
        for item in new.imports:
            if item.name not in wanted and item.module != "__future__":
                continue
            rivals = [statement for statement, name in self.document.imports.items() if name == item.name and statement != item.statement]
            rivals = [statement for statement in rivals if not _same_package(statement, item.statement)]
            for rival in rivals:
                users = [name for name, refs in self.refs.items() if item.name in refs and name not in new]
                if users:
                    raise ProgramError(f"`{item.statement}` clashes with `{rival}`, which {users[0]!r} uses; import it under another name")
                self.document.remove_import(rival)
            self.document.add_import(item.statement)


def _same_package(one: str, other: str) -> bool:
    """Whether both bind the same package, as `import xml` and `import xml.dom` do."""
    return all(item.startswith("import ") and " as " not in item for item in (one, other))


def _require_no_capture(program: Program, outcome: Program, new: Program) -> None:
    """A name that shadows a builtin must not reach components that meant the builtin."""
    for component in program.components:
        if component.name not in new and (captured := outcome[component.name].refs - component.refs):
            name = min(captured)
            raise ProgramError(f"{name!r} would take the place of the builtin that {component.name!r} uses; choose another name")


def _in_order(one: Sequence[str], other: Sequence[str]) -> frozenset[str]:
    """Names that both have in the same order; the others have to move."""
    blocks = difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return frozenset(name for block in blocks for name in one[block.a : block.a + block.size])
