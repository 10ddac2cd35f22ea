"""Transplant: a component of one program, with all that it needs, called at a place of another where its signature fits.

What both programs share in text and in all that it needs is shared. What would collide gets a fresh name, with all references in what
comes along; docstrings stay, though the model reads the name of a tool. What nothing needs any more is dropped.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .calls import calls_in, given_by, local_names
from .edit import Add, AddImport, Edit, Remove, RemoveImport, Replace, apply
from .errors import ProgramError
from .program import Component, Import, Program
from .rename import fresh_name, import_as, renamed, words_of
from .scope import ALWAYS_DEFINED
from .signature import signature_of
from .sound import new_errors
from .splice import spliced, text_of
from .structure import call_graph, closed, reachable
from .unify import Types, pairing

__all__ = ["Graft", "Transplant", "grafts", "transplant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graft:
    """One way to put a component of a donor into a program.

    Attributes:
        caller: The component in whose text the call stands.
        number: Which of the calls in it, counted from 0 in the order of `calls_in`.
        callee: What is called there now.
        donor: The donor's component that is to be called there.
        pairs: Which parameter of it takes each argument, by the callee's parameters.
    """

    caller: str
    number: int
    callee: str
    donor: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transplant:
    """What a transplant gave.

    Attributes:
        program: The child.
        names: What each of the donor's components that came along is called in it.
        dropped: Components of the recipient that nothing needs any more; one of those that came along may have taken the name.
    """

    program: Program
    names: Mapping[str, str]
    dropped: tuple[str, ...]


def grafts(recipient: Program, donor: Program, *, entry: str, frozen: Collection[str] = ()) -> tuple[Graft, ...]:
    """Every way to put a component of the donor at a call in the recipient whose signature it fits, in the order of the texts.

    Args:
        recipient: Whose call sites are looked at: those that the entry reaches, not in frozen components.
        donor: Whose prompts, tools and functions are looked at, the entry aside.
        entry: The function that is called, in both.
        frozen: Components that stay as they are.
    """
    if entry not in recipient or entry not in donor:
        return ()
    types = Types(donor), Types(recipient)
    offered = {item.name: signature for item in donor.components if item.name != entry and (signature := signature_of(item))}
    used, same = reachable(recipient, entry), _shared(recipient, donor, changed=frozenset())
    found = []
    for caller in recipient.components:
        if caller.name not in used or caller.name in frozen:
            continue
        for number, call in enumerate(calls_in(recipient, caller)):
            site = signature_of(recipient[call.callee])
            given = given_by(call, site) if site is not None else None
            if site is None or given is None:
                continue
            for name, signature in offered.items():
                if name == call.callee and name in same:
                    continue
                if (pairs := pairing(signature, site, tuple(given), types=types)) is not None:
                    found.append(Graft(caller=caller.name, number=number, callee=call.callee, donor=name, pairs=tuple(pairs.items())))
    return tuple(found)


def transplant(recipient: Program, donor: Program, graft: Graft, *, entry: str, frozen: Collection[str] = ()) -> Transplant:
    """The recipient with the donor's component called at one place.

    Args:
        recipient: What is changed.
        donor: Where the component is from.
        graft: Which one goes where; one of `grafts`.
        entry: The function that is called.
        frozen: Components that stay as they are, needed or not.

    Raises:
        ProgramError: If no program comes of it that has no error which its parents have not, or if a name would take the place of a
            builtin that the other program uses.
    """
    return _Transplanting(recipient, donor, graft, entry=entry, frozen=frozen).run()


class _Transplanting:
    """One transplant while it is made."""

    def __init__(self, recipient: Program, donor: Program, graft: Graft, *, entry: str, frozen: Collection[str]) -> None:
        self.recipient, self.donor, self.graft, self.entry = recipient, donor, graft, entry
        caller = recipient[graft.caller]
        calls = calls_in(recipient, caller)
        self.call = calls[graft.number]
        self.locals = local_names(caller_node) if isinstance(caller_node := self.call.parents[0], ast.FunctionDef) else frozenset()
        # The callee goes if this was the only place in the caller that names it.
        alone = sum(isinstance(node, ast.Name) and node.id == graft.callee for node in ast.walk(self.call.parents[0])) == 1
        self.graph = {**call_graph(recipient)}
        self.graph[caller.name] -= {graft.callee} if alone else set()
        changed = frozenset(name for name in recipient.names if caller.name in reachable(recipient, name))
        self.closure = reachable(donor, graft.donor)
        self.shared = _shared(recipient, donor, changed=changed) & self.closure
        idle = set(recipient.names) - reachable(recipient, entry)
        self.kept = closed(self.graph, {entry, *idle, *(set(frozen) & set(recipient.names)), *self.shared})
        self.imports = self._imports_kept()
        self.names: dict[str, str] = {}

    def run(self) -> Transplant:
        arrivals = [item for item in self.donor.components if item.name in self.closure - self.shared]
        imports = self._name(arrivals)
        texts = {self.names[item.name]: renamed(item, self._changes()) for item in arrivals}
        edits: list[Edit] = [RemoveImport(statement=item.statement) for item in self.recipient.imports if self._gives_way(item, imports)]
        edits += [AddImport(statement=statement) for statement in imports]
        edits += [Replace(name=self.graft.caller, source=self._called(self._changes().get(self.graft.donor, self.graft.donor)))]
        edits += self._swaps(texts)
        outcome = apply(self.recipient, edits)
        self._require_sound(outcome, texts)
        names = {name: self.names.get(name, name) for name in self.donor.names if name in self.closure}
        dropped = tuple(name for name in self.recipient.names if name not in self.kept)
        return Transplant(program=outcome, names=names, dropped=dropped)

    def _imports_kept(self) -> dict[str, set[Import]]:
        """What the recipient's own components still import, by bound name."""
        used = frozenset[str]().union(*(item.refs for item in self.recipient.components if item.name in self.kept))
        found: dict[str, set[Import]] = {}
        for item in self.recipient.imports:
            if item.name in used:
                found.setdefault(item.name, set()).add(item)
        return found

    def _name(self, arrivals: Iterable[Component]) -> list[str]:
        """Find names for all that comes along; returns the import statements that are needed for it."""
        taken = set(words_of((self.recipient, self.donor)))

        def settle(name: str, *, collides: bool) -> str:
            self.names[name] = fresh_name(name, taken) if collides else name
            taken.add(self.names[name])
            return self.names[name]

        needed = frozenset[str]()
        for item in arrivals:
            hidden = item.name == self.graft.donor and item.name in self.locals
            settle(item.name, collides=hidden or item.name in self.kept or item.name in self.imports or item.name in ALWAYS_DEFINED)
            needed |= item.refs
        statements = []
        for imported in self.donor.imports:
            if imported.name not in needed or imported in self.imports.get(imported.name, ()):
                continue
            collides = imported.name in self.kept or imported.name in self.imports or imported.name in ALWAYS_DEFINED
            name = self.names.get(imported.name) or settle(imported.name, collides=collides)
            statements.append(import_as(imported.statement, name) if name != imported.name else imported.statement)
        return statements

    def _changes(self) -> dict[str, str]:
        return {name: new for name, new in self.names.items() if name != new}

    def _gives_way(self, item: Import, arriving: Iterable[str]) -> bool:
        """Whether an import that only dropped components used binds a name that is needed now."""
        return item.name not in self.imports and item.name in self.names.values() and item.statement not in arriving

    def _swaps(self, texts: Mapping[str, str]) -> list[Edit]:
        """Take out what nothing needs, and put what comes along where it was, or else before the caller."""
        gone = [name for name in self.recipient.names if name not in self.kept]
        left = [name for name in self.recipient.names if name in self.kept]
        place = self.recipient.names.index(self.graft.callee if self.graft.callee in gone else self.graft.caller)
        above = next((name for name in reversed(self.recipient.names[:place]) if name in left), None)
        edits: list[Edit] = [Remove(name=name) for name in gone]
        for name, text in texts.items():
            edits.append(Add(source=text, after=above))
            above = name
        return edits

    def _called(self, name: str) -> str:
        """The caller's text with the call made to another component."""
        source, call = self.recipient[self.graft.caller].source, self.call
        site, taking = signature_of(self.recipient[call.callee]), signature_of(self.donor[self.graft.donor])
        given = given_by(call, site) if site is not None else None
        if given is None or taking is None:
            raise ProgramError(f"the call of {call.callee!r} in {call.caller!r} does not fit; choose one of `grafts`")
        values = {parameter: text_of(source, given[argument]) for argument, parameter in self.graft.pairs}
        parts, by_position = [], True
        for item in taking.parameters:
            by_position = by_position and item.name in values and item.kind in ("positional", "any")
            if item.name in values:
                parts.append(values[item.name] if by_position else f"{item.name}={_bracketed(values[item.name])}")
        head = text_of(source, call.node.func)
        if not call.through:
            return spliced(source, call.node, f"{name}({', '.join(parts)})")
        own = [f"{item.arg}={text_of(source, item.value)}" for item in call.node.keywords if item.arg not in call.keywords]
        return spliced(source, call.node, f"{head}({', '.join([text_of(source, call.node.args[0]), name, *parts, *own])})")

    def _require_sound(self, outcome: Program, texts: Mapping[str, str]) -> None:
        if self.names.get(self.graft.donor, self.graft.donor) not in outcome[self.graft.caller].refs:
            raise ProgramError(f"{self.graft.donor!r} cannot be called in {self.graft.caller!r}, which has a value of that name")
        own = {self.names[item.name]: item.refs for item in self.donor.components if self.names.get(item.name) in texts}
        for component in outcome.components:
            if component.name == self.graft.caller:
                continue
            meant = own[component.name] if component.name in own else self.recipient[component.name].refs
            expected = {self.names.get(name, name) for name in meant} if component.name in own else meant
            if captured := component.refs - expected:
                raise ProgramError(f"{min(captured)!r} would take the place of the builtin that {component.name!r} uses")
        if errors := new_errors(outcome, (self.recipient, self.donor), entry=self.entry):
            raise ProgramError(f"the transplant is not sound: {errors[0]}")


def _shared(recipient: Program, donor: Program, *, changed: frozenset[str]) -> frozenset[str]:
    """Components that both have with the same text, and all that they need with them."""
    here = {item.name: (item.digest, item.refs) for item in recipient.components if item.name not in changed}
    same = {item.name for item in donor.components if here.get(item.name) == (item.digest, item.refs)}
    alike = {item.name for item in donor.imports if item in recipient.imports}
    while lost := {name for name in same if donor[name].refs - same - alike}:
        same -= lost
    return frozenset(same)


def _bracketed(value: str) -> str:
    return f"({value})" if ":=" in value else value
