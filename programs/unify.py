"""Unify: whether a value of the type that one program names may stand where another program asks for a type."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .errors import ProgramError
from .layout import read
from .parse import Kinds
from .program import Component, Program
from .signature import Parameter, Signature
from .structure import syntax

__all__ = ["Types", "pairing", "unify"]

_MAX_DEPTH: Final = 8
_TYPING: Final = frozenset(("typing", "typing_extensions", "collections.abc", "builtins"))
_LOWER: Final = frozenset(("Dict", "FrozenSet", "List", "Set", "Tuple", "Type"))
_RECORDS: Final = frozenset(("dataclasses.dataclass", "pydantic.BaseModel", "typing.NamedTuple", "typing.TypedDict"))
# What may stand for what, beyond itself. An integer is a float to every checker of Python's types.
_WIDER: Final[Mapping[str, frozenset[str]]] = {
    "bool": frozenset(("int", "float", "complex")),
    "int": frozenset(("float", "complex")),
    "float": frozenset(("complex",)),
    "list": frozenset(("Sequence", "Collection", "Iterable", "MutableSequence")),
    "tuple": frozenset(("Sequence", "Collection", "Iterable")),
    "set": frozenset(("Collection", "Iterable")),
    "dict": frozenset(("Mapping", "Collection", "Iterable")),
    "Sequence": frozenset(("Collection", "Iterable")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Type:
    """One type: what it is called, and what it is made of.

    Attributes:
        head: `any`, `union`, `literal`, a builtin's or a typing name, a dotted origin, or the name of a class.
        parts: Type arguments, members of a union.
        values: Of a literal, each as its type's name and its text.
        digest: Of a class of the program.
        fields: Of a record, by name; None for other classes.
    """

    head: str
    parts: tuple[_Type, ...] = ()
    values: frozenset[tuple[str, str]] = frozenset()
    digest: str = ""
    fields: Mapping[str, _Type] | None = None


_ANY: Final = _Type(head="any")
_NONE: Final = _Type(head="None")


class Types:
    """Reads the annotations of one program.

    Args:
        program: Where their names are looked up: aliases and classes among its components, origins among its imports.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._kinds = Kinds.of(program)
        self._known: dict[str, _Type] = {}

    def read(self, annotation: str) -> _Type:
        """The type that an annotation's text names; anything where it is empty or unreadable."""
        if annotation not in self._known:
            self._known[annotation] = self._text(annotation, 0)
        return self._known[annotation]

    def _text(self, annotation: str, depth: int) -> _Type:
        try:
            statements = read(annotation.strip())
        except ProgramError:
            return _ANY
        expression = statements[0].value if statements and isinstance(statements[0], ast.Expr) else None
        return _ANY if expression is None else self._type(expression, depth)

    def _type(self, node: ast.expr, depth: int) -> _Type:
        if depth > _MAX_DEPTH:  # a type that contains itself
            return _ANY
        match node:
            case ast.Constant(value=str(text)):
                return self._text(text, depth + 1)
            case ast.Constant(value=None | builtins.Ellipsis as value):
                return _NONE if value is None else _Type(head="...")
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return _union([self._type(left, depth + 1), self._type(right, depth + 1)])
            case ast.List(elts=items):
                return _Type(head="[]", parts=tuple(self._type(item, depth + 1) for item in items))
            case ast.Subscript(value=base, slice=inner):
                return self._generic(base, list(inner.elts) if isinstance(inner, ast.Tuple) else [inner], depth)
            case ast.Name() | ast.Attribute():
                return self._named(node, depth)
        return _ANY

    def _named(self, node: ast.Name | ast.Attribute, depth: int) -> _Type:
        if isinstance(node, ast.Name) and node.id in self._program:
            return self._own(self._program[node.id], depth)
        head = _plain(self._kinds.origin(node) or ast.unparse(node))
        return _ANY if head in ("Any", "object") else _Type(head=head)

    def _generic(self, base: ast.expr, arguments: Sequence[ast.expr], depth: int) -> _Type:
        outer = self._type(base, depth + 1)
        match outer.head:
            case "Literal":
                constants = [item.value for item in arguments if isinstance(item, ast.Constant)]
                return _Type(head="literal", values=frozenset((type(value).__name__, repr(value)) for value in constants))
            case "Optional":
                return _union([self._type(arguments[0], depth + 1), _NONE])
            case "Union":
                return _union([self._type(item, depth + 1) for item in arguments])
            case "Annotated" | "Final" | "ClassVar" | "Required" | "NotRequired":
                return self._type(arguments[0], depth + 1)
        return _Type(head=outer.head, parts=tuple(self._type(item, depth + 1) for item in arguments), digest=outer.digest)

    def _own(self, component: Component, depth: int) -> _Type:
        """The type that a component of the program is: a class with its fields, or what an alias stands for."""
        match syntax(component):
            case ast.ClassDef() as node:
                fields = self._fields(node, depth) if self._is_record(node) else None
                return _Type(head=component.name, digest=component.digest, fields=fields)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                return self._type(value, depth + 1)
            case other if isinstance(meant := getattr(other, "value", None), ast.expr):  # `type X = …`, from Python 3.12 on
                return self._type(meant, depth + 1)
        return _Type(head=component.name, digest=component.digest)

    def _is_record(self, node: ast.ClassDef) -> bool:
        named = [item.func if isinstance(item, ast.Call) else item for item in (*node.decorator_list, *node.bases)]
        return any(self._kinds.origin(item).replace("typing_extensions", "typing") in _RECORDS for item in named)

    def _fields(self, node: ast.ClassDef, depth: int) -> Mapping[str, _Type]:
        return {
            item.target.id: self._type(item.annotation, depth + 1)
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        }


def unify(given: str, wanted: str, *, giver: Types, taker: Types) -> bool:
    """Whether a value of one type may stand where another is asked for.

    Args:
        given: The annotation of the value, as normalised text; empty means anything.
        wanted: The annotation of where it goes.
        giver: Reads `given`.
        taker: Reads `wanted`.
    """
    return _fits(giver.read(given), taker.read(wanted))


def pairing(donor: Signature, site: Signature, given: Sequence[str], *, types: tuple[Types, Types]) -> Mapping[str, str] | None:
    """Which parameter of the donor takes each argument that a call site gives, by the callee's parameters; None where it does not fit.

    Names pair first, then types in order. Every argument must be taken, what the donor takes beyond them must have a default, and its
    result must do for the callee's.

    Args:
        donor: What shall be called.
        site: What is called now.
        given: Those of its parameters that the call gives.
        types: Of the donor's program, and of the site's.
    """
    theirs, ours = types
    if not unify(donor.returns, site.returns, giver=theirs, taker=ours):
        return None
    free = {item.name: item for item in donor.parameters if item.kind not in ("rest", "keywords")}
    asked = {item.name: item for item in site.parameters}
    pairs: dict[str, str] = {}
    for name in sorted(given, key=lambda name: name not in free):
        taken = _taker(asked[name], free, theirs, ours)
        if taken is None:
            return None
        pairs[name] = taken
        del free[taken]
    return None if any(item.is_required for item in free.values()) else pairs


def _taker(argument: Parameter, free: Mapping[str, Parameter], theirs: Types, ours: Types) -> str | None:
    candidates = [free[argument.name]] if argument.name in free else list(free.values())
    return next((item.name for item in candidates if unify(argument.annotation, item.annotation, giver=ours, taker=theirs)), None)


def _fits(given: _Type, wanted: _Type) -> bool:
    if _ANY in (given, wanted):
        return True
    if given.head == "union":
        return all(_fits(item, wanted) for item in given.parts)
    if wanted.head == "union":
        return any(_fits(given, item) for item in wanted.parts)
    if given.head == "literal":
        return given.values <= wanted.values if wanted.head == "literal" else all(_heads_fit(kind, wanted.head) for kind, _ in given.values)
    if given.digest or wanted.digest:
        return _classes_fit(given, wanted)
    if not _heads_fit(given.head, wanted.head):
        return False
    if given.head == wanted.head == "tuple":
        return _tuples_fit(given.parts, wanted.parts)
    # Of an unparameterised generic nothing is known; of parameters that differ in number those that both have count.
    return all(_fits(one, other) for one, other in zip(given.parts, wanted.parts, strict=False))


def _classes_fit(given: _Type, wanted: _Type) -> bool:
    if given.fields is None or wanted.fields is None:
        return given.digest == wanted.digest
    same = given.fields.keys() == wanted.fields.keys()
    return same and all(_fits(kind, wanted.fields[name]) for name, kind in given.fields.items())


def _tuples_fit(given: Sequence[_Type], wanted: Sequence[_Type]) -> bool:
    if not given or not wanted:
        return True
    if wanted[-1].head == "...":
        return all(_fits(item, wanted[0]) for item in given if item.head != "...")
    return len(given) == len(wanted) and all(_fits(one, other) for one, other in zip(given, wanted, strict=True))


def _heads_fit(given: str, wanted: str) -> bool:
    return given == wanted or wanted in _WIDER.get(given, ())


def _plain(origin: str) -> str:
    """`list` for `typing.List`, `Sequence` for `collections.abc.Sequence`; other origins as they are."""
    package, _, name = origin.rpartition(".")
    if package not in _TYPING:
        return origin
    return name.lower() if name in _LOWER else name


def _union(members: Sequence[_Type]) -> _Type:
    flat = [part for member in members for part in (member.parts if member.head == "union" else (member,))]
    return _ANY if _ANY in flat else _Type(head="union", parts=tuple(flat))
