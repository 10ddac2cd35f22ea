"""Changed: what two programs differ in, component by component."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .program import Program

__all__ = ["ChangeWord", "Changed", "changed", "describe"]

ChangeWord = Literal["added", "removed", "changed", "laid out anew"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One difference between two programs.

    Attributes:
        word: What became of it; what is laid out anew differs in layout and comments only.
        kind: A component's kind; `import`; or `other` for statements that are no component, all of them together.
        name: The component's name, the name that an import binds, or `statements`.
        diff: Lines of a unified diff without its heading.
    """

    word: ChangeWord
    kind: str
    name: str
    diff: str

    @property
    def title(self) -> str:
        """What became of what, in a few words."""
        return f"{self.word} {self.kind} {self.name}"


def changed(a: Program, b: Program) -> tuple[Changed, ...]:
    """What differs from `a` to `b`: imports, removed components, then added and changed ones in the order of `b`."""
    return tuple(_changes(a, b))


def describe(a: Program, b: Program) -> str:
    """What changed from `a` to `b`: one heading and one unified diff for each component; empty when nothing did but layout between them."""
    lines: list[str] = []
    for change in changed(a, b):
        lines += [change.diff] if change.kind == "import" else [f"@ {change.title}", *change.diff.splitlines()]
    return "\n".join(lines)


def _changes(a: Program, b: Program) -> Iterator[Changed]:
    for item in a.imports:
        if item not in b.imports:
            yield Changed(word="removed", kind="import", name=item.name, diff=f"- {item.statement}")
    for item in b.imports:
        if item not in a.imports:
            yield Changed(word="added", kind="import", name=item.name, diff=f"+ {item.statement}")
    for component in a.components:
        if component.name not in b:
            yield Changed(word="removed", kind=component.kind, name=component.name, diff=_diff(component.source, ""))
    for component in b.components:
        if component.name not in a:
            yield Changed(word="added", kind=component.kind, name=component.name, diff=_diff("", component.source))
        elif component.source != (old := a[component.name]).source:
            word: ChangeWord = "changed" if component.digest != old.digest else "laid out anew"
            yield Changed(word=word, kind=component.kind, name=component.name, diff=_diff(old.source, component.source))
    others = ["\n".join(statement.source for statement in program.statements) for program in (a, b)]
    if others[0] != others[1]:
        yield Changed(word="changed", kind="other", name="statements", diff=_diff(*others))


def _diff(old: str, new: str) -> str:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))
