"""Duplicates: components that nothing but their own names tells apart."""

from __future__ import annotations

from .program import Program

__all__ = ["duplicates"]


def duplicates(program: Program) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more components that do the same, in the order of the text; names in a group likewise.

    Functions that call themselves are compared too. Constants are left out: two numbers are often equal by chance.
    """
    groups: dict[str, list[str]] = {}
    for component in program.components:
        if component.shape and component.kind != "constant":
            groups.setdefault(component.shape, []).append(component.name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)
