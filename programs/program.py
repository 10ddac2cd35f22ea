"""Program: one Python module as named components. A frozen value without score and without parents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from .errors import ProgramError
from .layout import Piece

__all__ = ["CALLABLE", "Component", "ComponentKind", "Import", "Program", "Statement"]

ComponentKind = Literal["prompt", "tool", "function", "type", "constant"]
CALLABLE: Final[frozenset[ComponentKind]] = frozenset(("prompt", "tool", "function"))
"""The kinds that are called with arguments and give an output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported name. Imports are a set on the program, attached by use.

    Attributes:
        statement: Normalised text that binds this one name, such as `import numpy as np` or `from math import exp`.
        name: The module-level name that it binds.
        module: Top-level package, such as `numpy`; what permission is asked for.
    """

    statement: str
    name: str
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One module-level definition.

    Attributes:
        name: The name that it binds; unique in its program.
        kind: `prompt` and `tool` by their decorators, `type` for classes and aliases, `constant` for assignments, else `function`.
        source: Text as written, from its first decorator or the comment lines that touch it, to its last line; no trailing newline.
        digest: Of what matters: layout and comments do not; docstrings only where a model reads them.
        refs: Module-level names that its text refers to, other components and imports alike, itself left out; a name here that
            is neither is missing.
        immediate: Those of `refs` that are needed when the program is loaded: not the ones in function bodies; not part of equality.
        unused: Parameters that its body never reads; empty for prompts; not part of equality.
        shape: The digest that it would have without its name; not part of equality.
        first_line: First line of `source` in the program's text, counted from 1; not part of equality.
        last_line: Last line, inclusive; not part of equality.
    """

    name: str
    kind: ComponentKind
    source: str
    digest: str
    refs: frozenset[str]
    immediate: frozenset[str] = field(default=frozenset(), compare=False)
    unused: frozenset[str] = field(default=frozenset(), compare=False)
    shape: str = field(default="", compare=False)
    first_line: int = field(default=0, compare=False)
    last_line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Top-level code that is no component. Only programs made for elsewhere have it; no edit touches it.

    Attributes:
        source: Text as written.
        digest: Of what matters, as a component's.
        refs: Module-level names that it refers to.
        binds: Module-level names that it binds, such as an import in a `try`.
    """

    source: str
    digest: str
    refs: frozenset[str]
    binds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One Python module, taken apart. Make it with `parse`, change it with `edit`.

    Attributes:
        source: The whole text; rendering a program gives it back unchanged.
        imports: Imported names, sorted by name.
        components: In the order of the text.
        digest: 32 hexadecimal digits over components and imports; equal for programs that differ in layout, comments or order only.
        doc: The module's docstring, or an empty string.
        pieces: What `source` is made of, in order; empty where `parse` did not make the program; not part of equality.
        statements: Other top-level code in the order of the text; a program that has none is never given any.
    """

    source: str
    imports: tuple[Import, ...]
    components: tuple[Component, ...]
    digest: str
    doc: str = ""
    pieces: tuple[Piece, ...] = field(default=(), compare=False, repr=False)
    statements: tuple[Statement, ...] = ()

    def __getitem__(self, name: str) -> Component:
        """The component of that name.

        Raises:
            ProgramError: If there is none; the message lists the names there are.
        """
        for component in self.components:
            if component.name == name:
                return component
        raise ProgramError(f"no component {name!r}; this program has {', '.join(self.names) or 'none'}")

    def __contains__(self, name: object) -> bool:
        return any(component.name == name for component in self.components)

    @property
    def names(self) -> tuple[str, ...]:
        """Component names in the order of the text."""
        return tuple(component.name for component in self.components)

    @property
    def bound(self) -> frozenset[str]:
        """Every module-level name: of components, imports and what other statements bind."""
        others = frozenset().union(*(statement.binds for statement in self.statements))
        return frozenset(self.names) | frozenset(item.name for item in self.imports) | others

    @property
    def prompts(self) -> tuple[Component, ...]:
        """The components whose body a model does."""
        return tuple(component for component in self.components if component.kind == "prompt")
