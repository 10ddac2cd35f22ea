"""Embedding: the part of the runtime that a text needs, as one piece of plain Python without imports of ours.

Definitions are taken from the files that the run itself uses, word for word but for their docstrings, of which the first line stays.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from . import combinators, converse, decode, direct, render, standalone
from .parsing import module_of

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["SWITCHES", "Embedding", "embed"]

COMMENT_FOR_TOOLS: Final = re.compile(r"  # (noqa|type:).*")
SWITCHES: Final = frozenset(("STRUCTURES", "TOOLS"))
SWITCH: Final = re.compile(rf"(\s*)if ({'|'.join(sorted(SWITCHES))}) and ")
SOURCES: Final[tuple[ModuleType, ...]] = (decode, render, converse, direct, combinators, standalone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One top-level definition of the runtime.

    Attributes:
        name: What it binds.
        source: Its text; an import as one statement that binds this name alone.
        refs: Names that it refers to.
    """

    name: str
    source: str
    refs: frozenset[str]
    is_import: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A piece of the runtime.

    Attributes:
        source: Its text.
        names: What each definition is called in it: one whose name the surrounding text uses for itself gets an underscore.
    """

    source: str
    names: Mapping[str, str]


def embed(roots: Iterable[str], *, taken: Mapping[str, str], settings: Mapping[str, object], unused: Collection[str] = ()) -> Embedding:
    """The definitions that some names need.

    Args:
        roots: Names of definitions.
        taken: Names that the surrounding text binds, each with the import statement that does, or an empty string.
        settings: Values in place of the runtime's constants, by name.
        unused: Of `SWITCHES`, what the text has no use for: what is behind them is left out.
    """
    # A program that calls a function `min` must not change what `min` means here.
    shadowed = {name: _import(f"from builtins import {name}", name) for name in taken if hasattr(builtins, name)}
    definitions = {**shadowed, **{name: _switched(item, unused) for name, item in _definitions().items()}}
    needed, open_names = set[str](), list(roots)
    while open_names:
        if (name := open_names.pop()) in definitions and name not in needed:
            needed.add(name)
            open_names += definitions[name].refs
    kept = [definition for name, definition in definitions.items() if name in needed]
    names = {item.name: item.name if taken.get(item.name) == item.source else _free(item.name, taken) for item in kept}
    changed = {old: new for old, new in names.items() if old != new}
    imports = [f"{item.source} as {changed[item.name]}" if item.name in changed else item.source for item in kept if item.is_import]
    parts = [
        f"{names[item.name]}: {names['Final']} = {settings[item.name]!r}" if item.name in settings else _renamed(item, changed)
        for item in kept
        if not item.is_import
    ]
    return Embedding(source="\n\n".join(("\n".join(_grouped(imports)), _spaced(parts))), names=names)


@cache
def _definitions() -> Mapping[str, Definition]:
    found: dict[str, Definition] = {}
    for module in SOURCES:
        text = inspect.getsource(module)
        for node in module_of(text).body:
            found |= {item.name: item for item in _defined(node, text)}
    return {name: found[name] for name in sorted(found, key=lambda name: not found[name].is_import)}


def _defined(node: ast.stmt, text: str) -> Iterator[Definition]:
    refs = _refs(node)
    match node:
        case ast.Import(names=names):
            for item in names:
                yield _import(f"import {item.name}", item.name)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            for item in names:
                yield _import(f"from {module} import {item.name}", item.name)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield Definition(name=name, source=_brief(node, text), refs=refs)
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if name != "__all__":
            yield Definition(name=name, source=_brief(node, text), refs=refs)


def _brief(node: ast.stmt, text: str) -> str:
    """The text of a definition, its docstrings cut to their first line."""
    lines = text.splitlines()
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part):
            docstring = part.body[0]
            first, last = docstring.lineno - 1, (docstring.end_lineno or docstring.lineno) - 1
            if last > first:
                lines[first : last + 1] = [lines[first] + '"""', *[""] * (last - first)]
    start = node.lineno - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    return "\n".join(COMMENT_FOR_TOOLS.sub("", line) for line in lines[start : node.end_lineno] if line.strip())


def _switched(definition: Definition, unused: Collection[str]) -> Definition:
    """A definition without its switches, and without the branches whose switch is among the unused."""
    if not definition.refs & SWITCHES:
        return definition
    lines: list[str] = []
    left_out = -1  # indentation of the branch that is being left out
    for line in definition.source.split("\n"):
        indentation = len(line) - len(line.lstrip())
        if left_out >= 0 and indentation > left_out:
            continue
        switch = SWITCH.match(line)
        left_out = indentation if switch and switch[2] in unused else -1
        if left_out < 0:
            lines.append(line if switch is None else f"{switch[1]}if {line[switch.end() :]}")
    source = "\n".join(lines)
    return replace(definition, source=source, refs=_refs(module_of(source).body[0]))


def _refs(node: ast.stmt) -> frozenset[str]:
    return frozenset(part.id for part in ast.walk(node) if isinstance(part, ast.Name)) - _locals(node)


def _locals(node: ast.AST) -> frozenset[str]:
    """Names that a function binds for itself; none for other definitions."""
    if not isinstance(node, ast.FunctionDef):
        return frozenset()
    stored = (part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))
    return frozenset(stored) | frozenset(part.arg for part in ast.walk(node) if isinstance(part, ast.arg))


def _import(statement: str, name: str) -> Definition:
    return Definition(name=name, source=statement, refs=frozenset(), is_import=True)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _renamed(definition: Definition, names: Mapping[str, str]) -> str:
    """The text of a definition with other names for some of what it refers to; as written where it refers to none."""
    if not names.keys() & {definition.name, *definition.refs}:
        return definition.source
    tree = module_of(definition.source)
    own = _locals(tree.body[0])
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in own:
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.name = names.get(node.name, node.name)
    return ast.unparse(tree)


def _grouped(imports: Iterable[str]) -> list[str]:
    """Import statements, those from one module on one line."""
    modules: dict[str, list[str]] = {}
    for statement in sorted(imports):
        head, _, name = statement.partition(" import ")
        modules.setdefault(head, []).append(name)
    return [head if names == [""] else f"{head} import {', '.join(names)}" for head, names in modules.items()]


def _spaced(parts: Iterable[str]) -> str:
    """Definitions one below the other, with two blank lines around functions and classes."""
    text, was_block = "", False
    for part in parts:
        is_block = part.startswith(("def ", "class ", "@"))
        text += ("\n\n\n" if is_block or was_block else "\n") * bool(text) + part
        was_block = is_block
    return text
