"""Parse: from a program's text to its components."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

from .cutting import split, statement_of
from .digest import component_digest, component_digests, program_digest
from .errors import ProgramError
from .layout import Piece
from .program import Component, ComponentKind, Import, Program, Statement
from .readings import Reading, place_of
from .scope import ALWAYS_DEFINED
from .walk import Walk, walk

__all__ = ["PUBLIC_NAMES", "Kinds", "parse"]

PUBLIC_NAMES: Final = frozenset(("parallel", "prompt", "retry", "tool", "vote"))
"""What a program may import from `graftwork.programs`."""

_COMBINATORS: Final = PUBLIC_NAMES - {"prompt", "tool"}
_TYPING: Final = frozenset(("typing", "typing_extensions", "collections"))
_TYPE_MAKERS: Final = frozenset(("NamedTuple", "NewType", "ParamSpec", "TypeVar", "TypeVarTuple", "TypedDict", "namedtuple"))
_Origins = tuple[tuple[str, str], ...]
_LAZY: Final[_Origins] = (("annotations", "__future__.annotations"),)
_BUILTIN_TYPES: Final = frozenset(
    ("bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "set", "str", "tuple", "type")
)


def parse(source: str, *, statements: bool = False) -> Program:
    """The program that a text is. Rendering it back is `program.source`.

    Args:
        source: One Python module: imports, components, a docstring, an `if __name__ == "__main__"` block.
        statements: Whether other top-level statements are carried along instead of refused: for programs made for elsewhere.

    Raises:
        ProgramError: If it is not Python, or holds another top-level statement, or binds a name twice; with the line and what to do.
            No text makes it raise anything else.
    """
    pieces = split(source, statements=statements)
    defining = [piece for piece in pieces if piece.kind == "component"]
    imports, origins = _imports(pieces)
    _require_unique(defining, imports)
    kinds, bound = Kinds(origins), tuple(sorted(origins.items()))
    others = tuple(_statement(piece, kinds) for piece in pieces if piece.kind == "statement")
    known = frozenset(piece.name for piece in defining).union((item.name for item in imports), *(item.binds for item in others))
    components = tuple(_component(piece, _read(piece, kinds, bound), known) for piece in defining)
    used = frozenset().union(*(item.refs for item in components), *(item.refs for item in others))
    counted = [item for item in imports if item.name in used or item.module == "__future__"]
    return Program(
        source=source,
        imports=imports,
        components=components,
        digest=program_digest((component.digest for component in components), counted, [item.digest for item in others]),
        doc=next((_docstring(piece.text) for piece in pieces if piece.kind == "doc"), ""),
        pieces=pieces,
        statements=others,
    )


class Kinds:
    """Tells the kind of a definition, given what the program's imports bind.

    Args:
        origins: Dotted origin by bound name, such as `{"np": "numpy", "prompt": "graftwork.programs.prompt"}`.
    """

    def __init__(self, origins: Mapping[str, str]) -> None:
        self._origins = origins
        self.lazy_annotations = origins.get("annotations") == "__future__.annotations"

    @classmethod
    def of(cls, program: Program) -> Kinds:
        """The kinds of a program's definitions."""
        return cls({item.name: _origin(item.statement) for item in program.imports})

    def __call__(self, node: ast.stmt) -> ComponentKind:
        """The kind of a statement that binds one name."""
        match node:
            case ast.FunctionDef(decorator_list=decorators) | ast.AsyncFunctionDef(decorator_list=decorators):
                for item in decorators:
                    if (kind := self.decorated(item)) is not None:
                        return kind
                return "function"
            case ast.ClassDef():
                return "type"
            case ast.Assign(value=value):
                return "type" if self._is_type(value) else "constant"
            case ast.AnnAssign(annotation=annotation, value=ast.expr() as value):
                return "type" if self.origin(annotation).endswith(".TypeAlias") or self._is_type(value) else "constant"
        return "type"

    def origin(self, node: ast.expr, hidden: Container[str] = ()) -> str:
        """Dotted origin of a name or attribute, such as `typing.Literal`; empty for anything else and for names not imported.

        Args:
            node: The expression.
            hidden: Names that mean something else where it stands.
        """
        match node:
            case ast.Name(id=name):
                return self._origins.get(name, "") if name not in hidden else ""
            case ast.Attribute(value=value, attr=attr):
                return f"{base}.{attr}" if (base := self.origin(value, hidden)) else ""
        return ""

    def combinator(self, node: ast.expr, hidden: Container[str] = ()) -> str:
        """`parallel`, `retry` or `vote` where a name or attribute means it, else empty; `hidden` as in `origin`."""
        package, _, name = self.origin(node, hidden).rpartition(".")
        return name if package == "graftwork.programs" and name in _COMBINATORS else ""

    def decorated(self, node: ast.expr) -> ComponentKind | None:
        """`prompt` or `tool` where a decorator makes one, else None."""
        package, _, name = self.origin(node.func if isinstance(node, ast.Call) else node).rpartition(".")
        if package.partition(".")[0] == "graftwork" and name in {"prompt", "tool"}:
            return cast("ComponentKind", name)
        return None

    def _is_type(self, node: ast.expr) -> bool:
        match node:
            case ast.Subscript(value=base):
                return self._is_type_name(base)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return all(self._is_type(side) or (isinstance(side, ast.Constant) and side.value is None) for side in (left, right))
            case ast.Call(func=function):
                package, _, name = self.origin(function).rpartition(".")
                return package in _TYPING and name in _TYPE_MAKERS
        return self._is_type_name(node)

    def _is_type_name(self, node: ast.expr) -> bool:
        package = self.origin(node).partition(".")[0]
        return package in _TYPING or (isinstance(node, ast.Name) and node.id in _BUILTIN_TYPES)


def _docstring(text: str) -> str:
    return ast.get_docstring(ast.Module(body=[statement_of(text)], type_ignores=[])) or ""


@lru_cache(maxsize=1024)
def _origin(statement: str) -> str:
    """Dotted origin of the name that a normalised import statement binds."""
    words = statement.split()
    if words[0] == "from":
        return f"{words[1]}.{words[3]}"
    return words[1] if "as" in words else words[1].partition(".")[0]


def _read(piece: Piece, kinds: Kinds, bound: _Origins) -> Reading:
    """What a component's text says: read now, or when it was first seen among the same imports."""
    place = place_of(piece.text, _deciding(piece.text, kinds, bound))
    if (reading := place.reading) is None:
        node = statement_of(piece.text)
        kind, found = kinds(node), _walked(piece, node, kinds)
        digest, shape = component_digests(kind, piece.name, found.tokens)
        reading = Reading(
            kind=kind,
            digest=digest,
            shape=shape,
            free=found.free,
            immediate=found.immediate,
            unused=found.unused,
        )
        place.reading = reading
    return reading


def _deciding(text: str, kinds: Kinds, bound: _Origins) -> _Origins:
    """Those imports that decide what a text says: what its decorators are, and whether annotations are evaluated."""
    if "@" not in text and text.startswith(("def ", "class ")):
        return _LAZY if kinds.lazy_annotations else ()
    return tuple(pair for pair in bound if pair[0] in text or pair in _LAZY)


def _walked(piece: Piece, node: ast.stmt, kinds: Kinds) -> Walk:
    try:
        return walk(node, kind_of=kinds, lazy=kinds.lazy_annotations)
    except ProgramError as error:
        raise error.below(piece.first_line - 1) from None


def _component(piece: Piece, reading: Reading, known: frozenset[str]) -> Component:
    refs = _refs(reading.free - {piece.name}, known)
    return Component(
        name=piece.name,
        kind=reading.kind,
        source=piece.text,
        digest=reading.digest,
        shape=reading.shape,
        refs=refs,
        immediate=refs & reading.immediate,
        unused=reading.unused,
        first_line=piece.first_line,
        last_line=piece.last_line,
    )


def _statement(piece: Piece, kinds: Kinds) -> Statement:
    found = _walked(piece, statement_of(piece.text), kinds)
    # What it binds in one place it may read before: it needs no definition elsewhere.
    refs = found.free - ALWAYS_DEFINED
    return Statement(source=piece.text, digest=component_digest("statement", found.tokens), refs=refs, binds=found.bound)


def _refs(free: frozenset[str], known: frozenset[str]) -> frozenset[str]:
    """A name that is no builtin must be the module's, whether it is there or missing; a builtin's may be."""
    return (free & known) | (free - ALWAYS_DEFINED)


def _imports(pieces: Sequence[Piece]) -> tuple[tuple[Import, ...], dict[str, str]]:
    """The set of imports, and the dotted origin of every name that they bind."""
    found: dict[str, Import] = {}
    origins: dict[str, str] = {}
    for piece in pieces:
        for statement, name, origin in piece.imports:
            if origins.setdefault(name, origin) != origin:
                raise ProgramError(f"{name!r} is imported as {origins[name]} and as {origin}; rename one with `as`", line=piece.line)
            found[statement] = Import(statement=statement, name=name, module=origin.partition(".")[0])
    return tuple(sorted(found.values(), key=lambda item: (item.name, item.statement))), origins


def _require_unique(components: Iterable[Piece], imports: Iterable[Import]) -> None:
    lines: dict[str, int] = {}
    imported = frozenset(item.name for item in imports if item.module != "__future__")
    for piece in components:
        if piece.name in lines:
            raise ProgramError(f"{piece.name!r} is defined again, first in line {lines[piece.name]}; rename or remove one", line=piece.line)
        if piece.name in imported:
            raise ProgramError(f"{piece.name!r} is defined and imported; rename one", line=piece.line)
        lines[piece.name] = piece.line
