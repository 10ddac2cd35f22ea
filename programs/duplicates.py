"""Duplicates: components that nothing but their own names tells apart."""

from __future__ import annotations

from .program import Program
from .structure import syntax

__all__ = ["duplicates"]


def duplicates(program: Program) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more components that do the same, in the order of the text; names in a group likewise.

    Functions that call themselves are compared too. Left out are constants, since two numbers are often equal by chance, and classes
    with bases, such as errors, which are told apart by being two.
    """
    groups: dict[str, list[str]] = {}
    for component in program.components:
        if component.shape and component.kind != "constant":
            groups.setdefault(component.shape, []).append(component.name)
    # Equal shapes have bases alike.
    alike = [names for names in groups.values() if len(names) > 1]
    return tuple(tuple(names) for names in alike if not getattr(syntax(program[names[0]]), "bases", ()))
