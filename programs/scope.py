"""Scope: which names a stretch of code binds, and which it takes from outside, by Python's own rules."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["ALWAYS_DEFINED", "Scope", "ScopeKind"]

ScopeKind = Literal["module", "class", "function", "comprehension", "annotation"]

ALWAYS_DEFINED: Final = frozenset(dir(builtins)) | frozenset(
    ("__annotations__", "__builtins__", "__class__", "__file__", "__loader__", "__module__", "__package__", "__qualname__", "__spec__")
)
"""Names that resolve in every module or class body without a definition."""


# Mutable and local to one walk: it fills while its stretch of code is read.
@dataclass(slots=True)
class Scope:
    """One scope while it is read.

    Attributes:
        kind: `annotation` is one that is not evaluated where it stands.
        parent: The enclosing scope; None for the module.
        bound: Names bound here.
        used: Names taken from outside while this code runs.
        later: Names taken from outside by function bodies in it, which run when they are called.
        outer: Names declared `global`.
        nonlocals: Names declared `nonlocal` here.
        sought: Names declared `nonlocal` further in and not bound in between: a scope around must bind them.
        n_loops: Loops around the statement being read.
    """

    kind: ScopeKind
    parent: Scope | None = None
    bound: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    sought: set[str] = field(default_factory=set)
    n_loops: int = 0

    def load(self, name: str) -> None:
        """Note that a name is read. A class body sees its own names only from their binding on."""
        if self.kind != "class" or name not in self.bound:
            self.used.add(name)

    def annotate(self, name: str, *, lazy: bool) -> None:
        """Note that an annotation is a name; a lazy one is not evaluated where it stands."""
        if self.kind != "class" or name not in self.bound:
            (self.later if lazy else self.used).add(name)

    def bind_walrus(self, name: str) -> None:
        """Note an assignment expression: in a comprehension it binds in the scope around it."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        scope.bound.add(name)

    def close(self) -> Scope:
        """Hand what was not found here to the enclosing scope, and return that."""
        if (parent := self.parent) is None:
            return self
        if self.kind == "function":
            here = self.bound - self.outer - self.nonlocals
            parent.later |= (self.used | self.later) - here - self.outer
            parent.sought |= self.nonlocals | (self.sought - here)
        elif self.kind == "comprehension":
            parent.used |= self.used - self.bound
            parent.later |= self.later - self.bound
            parent.sought |= self.sought
        elif self.kind == "class":  # functions in a class do not see the names of its body
            parent.used |= self.used
            parent.later |= self.later
            parent.sought |= self.sought | self.nonlocals
        else:  # an annotation that nobody evaluates where it stands
            parent.later |= (self.used | self.later) - (parent.bound if parent.kind == "class" else frozenset())
        if self.outer:
            self._module().later.update(self.outer)
        return parent

    def _module(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope
