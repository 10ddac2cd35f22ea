"""Rename: module-level names called otherwise, by Python's own rules of scope. All else stays as written, docstrings included."""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .document import Document
from .errors import ProgramError
from .layout import imported_names, read
from .parse import parse
from .program import Component, Program
from .splice import Located, spliced_all, text_of
from .structure import syntax

__all__ = ["fresh_name", "import_as", "renamed", "renamed_program", "words_of"]

_WORD: Final = re.compile(r"[^\W\d]\w*")
_NUMBERED: Final = re.compile(r"_\d+$")
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def renamed(component: Component, names: Mapping[str, str]) -> str:
    """A component's text in which module-level names, its own among them, are called otherwise.

    Args:
        component: What is rewritten.
        names: New names by old ones; a new one may not stand in the text yet (`fresh_name`).

    Raises:
        ProgramError: If one text would have to mean two things, as where a class body binds the name of what it reads.
    """
    node = syntax(component)
    work = _Renaming(component.source, names)
    work.visit(node, _Scope(kind="module"))
    if component.name in names and isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        work.define(node, names[component.name])
    return spliced_all(component.source, work.changes)


def renamed_program(program: Program, names: Mapping[str, str]) -> Program:
    """A program whose components and imports are called otherwise, with all who use them; its main block is left alone.

    Raises:
        ProgramError: If it cannot be done, see `renamed` and `import_as`.
    """
    document = Document(program.source)
    for component in program.components:
        if component.name in names or component.refs & names.keys():
            document.replace(component.name, renamed(component, names))
    for item in program.imports:
        if item.name in names:
            document.remove_import(item.statement)
            document.add_import(import_as(item.statement, names[item.name]))
    return parse(document.text)


def import_as(statement: str, name: str) -> str:
    """A normalised import statement that binds another name.

    Raises:
        ProgramError: If the statement binds a package by importing a module in it, which no other name can do.
    """
    source, separator, _ = statement.partition(" as ")
    if not separator and source.startswith("import ") and "." in source:
        raise ProgramError(f"`{statement}` cannot bind another name; write `from … import`, or `import … as`")
    return f"{source} as {name}"


def fresh_name(name: str, taken: Collection[str]) -> str:
    """The name where it is not taken, else a readable one that is not: `plan_2` for `plan`, `plan_3` for `plan_2`."""
    stem = _NUMBERED.sub("", name)
    return next(found for found in itertools.chain((name,), (f"{stem}_{number}" for number in itertools.count(2))) if found not in taken)


def words_of(programs: Iterable[Program]) -> frozenset[str]:
    """Everything in some programs' texts that could be a name, wherever it stands: what a new name must differ from."""
    return frozenset(word for program in programs for word in _WORD.findall(program.source))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    kind: str
    bound: frozenset[str] = frozenset()
    outer: frozenset[str] = frozenset()
    parent: _Scope | None = None

    def reaches_module(self, name: str) -> bool:
        """Whether a name that is read here is the module's."""
        scope: _Scope | None = self
        while scope is not None and name not in scope.outer:
            if name in scope.bound and (scope is self or scope.kind != "class"):
                return False
            scope = scope.parent
        return True


class _Renaming:
    """Gathers the places in one text where a module-level name stands."""

    def __init__(self, source: str, names: Mapping[str, str]) -> None:
        self.source = source
        self.names = names
        self.changes: list[tuple[Located, str]] = []

    def visit(self, node: ast.AST, scope: _Scope) -> None:
        match node:
            case ast.Name(id=name) if name in self.names:
                if scope.kind == "class" and name in scope.bound and isinstance(node.ctx, ast.Load):
                    raise ProgramError(f"a class body binds {name!r} and reads it: it cannot be told which one is meant; rename one")
                if scope.reaches_module(name):
                    self.changes.append((node, self.names[name]))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._function(node, scope)
            case ast.ClassDef():
                self._all([*node.decorator_list, *node.bases, *node.keywords], scope)
                self._all(node.body, _inner("class", node.body, scope))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node, scope)
            case ast.JoinedStr():
                self._joined(node, scope)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                self._annotation(annotation, scope)
                self._all([target, *([value] if value is not None else [])], scope)
            case ast.Global(names=declared) if self.names.keys() & set(declared):
                self.changes.append((node, "global " + ", ".join(self.names.get(name, name) for name in declared)))
            case _:
                self._all(ast.iter_child_nodes(node), scope)

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, name: str) -> None:
        """Give a definition its new name."""
        line = text_of(self.source, node).partition("\n")[0]
        if (found := re.match(rf"((?:async\s+)?(?:def|class)\s+){re.escape(node.name)}\b", line)) is None:
            raise ProgramError(f"the name of {node.name!r} stands apart from its `def`; write both on one line", line=node.lineno)
        start = node.col_offset + len(found[1].encode())
        end = start + len(node.name.encode())
        place = ast.Name(node.name, ast.Store(), lineno=node.lineno, col_offset=start, end_lineno=node.lineno, end_col_offset=end)
        self.changes.append((place, name))

    def _all(self, nodes: Iterable[ast.AST], scope: _Scope) -> None:
        for node in nodes:
            self.visit(node, scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope) -> None:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
        self._all([item for item in (*arguments.defaults, *arguments.kw_defaults) if item is not None], scope)
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        if not isinstance(node, ast.Lambda):
            self._all(node.decorator_list, scope)
            for annotation in (*(item.annotation for item in every), node.returns):
                if annotation is not None:
                    self._annotation(annotation, scope)
        self._all(body, _inner("function", body, scope, bound={item.arg for item in every}))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: _Scope) -> None:
        first = node.generators[0]
        self.visit(first.iter, scope)
        targets = {item.id for generator in node.generators for item in ast.walk(generator.target) if isinstance(item, ast.Name)}
        inner = _Scope(kind="comprehension", bound=frozenset(targets), parent=scope)
        for generator in node.generators:
            self._all([generator.target, *generator.ifs, *([generator.iter] if generator is not first else [])], inner)
        self._all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inner)

    def _joined(self, node: ast.JoinedStr, scope: _Scope) -> None:
        """Before Python 3.12 what stands in an f-string has no position of its own: then the whole is written anew."""
        before, self.changes = self.changes, []
        self._all(node.values, scope)
        found, self.changes = self.changes, before
        if not found:
            return
        copies: dict[int, ast.AST] = {}
        whole = copy.deepcopy(node, copies)
        for place, name in found:
            inner = copies[id(place)]
            if isinstance(inner, ast.Name):
                inner.id = name
        try:
            self.changes.append((node, ast.unparse(whole)))
        except ValueError:
            raise ProgramError("an f-string is too involved to be written anew; use intermediate names", line=node.lineno) from None

    def _annotation(self, node: ast.expr, scope: _Scope) -> None:
        """An annotation, with the quoted parts of it."""
        match node:
            case ast.Constant(value=str(text)) if any(word in self.names for word in _WORD.findall(text)):
                inner = _Renaming(text.strip(), self.names)
                try:
                    inner._all(read(text.strip()), scope)
                except ProgramError:
                    return
                if inner.changes:
                    self.changes.append((node, repr(spliced_all(text.strip(), inner.changes))))
            case ast.Subscript(value=ast.Name(id="Literal") | ast.Attribute(attr="Literal")):
                self.visit(node.value, scope)
            case ast.Subscript(value=ast.Name(id="Annotated") | ast.Attribute(attr="Annotated"), slice=ast.Tuple(elts=[first, *rest])):
                self.visit(node.value, scope)
                self._annotation(first, scope)
                self._all(rest, scope)
            case ast.Subscript() | ast.BinOp() | ast.Tuple() | ast.List():
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._annotation(child, scope)
            case _:
                self.visit(node, scope)


def _inner(kind: str, body: Iterable[ast.AST], parent: _Scope, *, bound: Iterable[str] = ()) -> _Scope:
    """The scope of a function's or a class's body."""
    found, outer, elsewhere = set(bound), set[str](), set[str]()
    for node in _own_nodes(body):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
            case ast.Import() | ast.ImportFrom():
                found.update(name for _, name, _ in imported_names(node))
            case ast.Global(names=declared):
                outer.update(declared)
            case ast.Nonlocal(names=declared):
                elsewhere.update(declared)
    return _Scope(kind=kind, bound=frozenset(found - outer - elsewhere), outer=frozenset(outer), parent=parent)


def _own_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node of some bodies that is not in a scope further in; of comprehensions what they bind outside themselves."""
    for node in nodes:
        yield node
        if isinstance(node, _COMPREHENSIONS):
            yield from (item.target for item in ast.walk(node) if isinstance(item, ast.NamedExpr))
        elif not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield from _own_nodes(ast.iter_child_nodes(node))
