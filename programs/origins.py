"""Origins: where a value can come from, as bits of an integer: one for each component's output, one for each as a thing to call."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .parse import Kinds
from .program import CALLABLE, Component, Program
from .structure import syntax

__all__ = ["Interface", "Names", "Summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """How a function takes arguments.

    Attributes:
        positional: Parameters that a position can fill, in order.
        named: All parameters, in order; `*rest` and `**keywords` at the end.
        rest: The one that takes further positions; empty without one.
        keywords: The one that takes further names; empty without one.
    """

    positional: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    rest: str = ""
    keywords: str = ""

    @classmethod
    def of(cls, node: ast.AST) -> Interface:
        """The interface of a definition; a class takes everything under one empty name."""
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            return cls(named=("",), rest="", keywords="")
        given = node.args
        positional = tuple(item.arg for item in (*given.posonlyargs, *given.args))
        rest, keywords = given.vararg.arg if given.vararg else "", given.kwarg.arg if given.kwarg else ""
        named = (*positional, *(item.arg for item in given.kwonlyargs), *(name for name in (rest, keywords) if name))
        return cls(positional=positional, named=named, rest=rest, keywords=keywords)

    def bind(self, given: Iterable[tuple[str | int | None, int]]) -> dict[str, int]:
        """What each parameter gets: from values by position, by name, or (None) from anywhere on."""
        bound: dict[str, int] = {}
        for place, value in given:
            for name in self._filled(place):
                bound[name] = bound.get(name, 0) | value
        return bound

    def _filled(self, place: str | int | None) -> Sequence[str]:
        if place is None or self.named == ("",):
            return self.named
        if isinstance(place, int):
            name = self.positional[place] if place < len(self.positional) else self.rest
        else:
            name = place if place in self.named else self.keywords
        return (name,) if name else ()


class Names:
    """The components of a program as bits: what each gives back, and each as a value that can be called.

    Args:
        program: The program.
        used: Names of the components that are read, in the order of the text.

    Attributes:
        constants: Names of the constants.
        methods: Names of the methods of all classes: what they are given may stay in the object.
    """

    def __init__(self, program: Program, used: Iterable[str]) -> None:
        self.components: tuple[Component, ...] = tuple(program[name] for name in used)
        self.index: Mapping[str, int] = {component.name: place for place, component in enumerate(self.components)}
        self.nodes = tuple(syntax(component) for component in self.components)
        self.interfaces = tuple(Interface.of(node) for node in self.nodes)
        self.n = len(self.components)
        self.kinds = Kinds.of(program)
        kinds = [component.kind for component in self.components]
        self.constants = frozenset(component.name for component in self.components if component.kind == "constant")
        self.callable = sum(1 << (self.n + place) for place, kind in enumerate(kinds) if kind in CALLABLE)
        self.references = ((1 << self.n) - 1) << self.n
        self.methods = frozenset().union(*(_methods(syntax(component)) for component in self.components if "class " in component.source))
        self.first_parameter = 2 * self.n

    def called(self, value: int) -> int:
        """What comes back where the functions in a value are called."""
        return (value & self.callable) >> self.n

    def places(self, bits: int) -> Iterator[int]:
        """The positions of the bits that are set."""
        while bits:
            low = bits & -bits
            yield low.bit_length() - 1
            bits ^= low


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a call of a component does, as far as its text has been read.

    Attributes:
        returns: Origins of what it gives back; its own parameters from bit `Names.first_parameter` on.
        changes: Origins of what it puts into the objects that it is given, by parameter.
        raises: Origins of what an error that leaves it may hold.
        given: Origins of what it hands on, by (component, parameter); with an empty parameter, what it puts into a constant.
        is_recursive: Whether its text names itself.
    """

    returns: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    raises: int = 0
    given: dict[tuple[int, str], int] = field(default_factory=dict)
    is_recursive: bool = False


def _methods(node: ast.AST) -> set[str]:
    classes = (item for item in ast.walk(node) if isinstance(item, ast.ClassDef))
    return {item.name for each in classes for item in each.body if isinstance(item, ast.FunctionDef)}
