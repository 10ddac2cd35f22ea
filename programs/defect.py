"""Defect: one thing that is wrong with a program, found without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

from .program import Component

__all__ = ["Defect", "Severity", "defect_at"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One thing that is wrong.

    Attributes:
        severity: A program with an `error` is not run; a `warning` is told and no more.
        component: Where it is; None for the program as a whole.
        line: Line of the program's text, counted from 1; 0 where no line is to blame.
        message: What is wrong and what to do.
    """

    severity: Severity
    component: str | None
    line: int
    message: str

    def __str__(self) -> str:
        place = ", ".join(item for item in (f"line {self.line}" if self.line else "", self.component or "") if item)
        return f"{self.severity}: {place}: {self.message}" if place else f"{self.severity}: {self.message}"


def defect_at(component: Component, node: ast.AST | None, message: str, *, severity: Severity = "error") -> Defect:
    """A defect at a node of a component's own text; at its first line without one."""
    line = component.first_line + getattr(node, "lineno", 1) - 1
    return Defect(severity=severity, component=component.name, line=line, message=message)
