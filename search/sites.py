"""Sites: the places of a component where a number or a truth value stands and another may be put.

A site is never an annotation, a decorator, a docstring, a callee, a part of an f-string, a pattern or an assignment's target. What is
a number is guessed from use, since programs need no annotations: a name is one when it is annotated so, stands in arithmetic or in an
ordering, or is assigned such an expression.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

__all__ = ["Kind", "Site", "find_sites", "free_names", "n_nodes"]

Kind = Literal["number", "truth"]

_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_ORDERINGS: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NUMERIC_BUILTINS: Final = frozenset(("abs", "float", "int", "len", "max", "min", "pow", "round", "sum"))
_NUMERIC_MODULES: Final = frozenset(("math", "np", "numpy"))
# Their arguments are sequences or positions: another number there is an error more often than an idea.
_STRUCTURAL_BUILTINS: Final = frozenset(("enumerate", "isinstance", "len", "list", "range", "reversed", "sorted", "sum", "tuple", "zip"))
_ELEMENTWISE: Final = frozenset(
    ("abs", "ceil", "cos", "exp", "expm1", "floor", "log", "log1p", "maximum", "minimum", "sin", "sqrt", "square", "tanh", "where")
)
# Fields of expressions that hold values; those of calls, elements and comprehensions take more care.
_VALUE_FIELDS: Final[tuple[tuple[type[ast.expr], tuple[str, ...]], ...]] = (
    (ast.BinOp, ("left", "right")),
    (ast.UnaryOp, ("operand",)),
    (ast.BoolOp, ("values",)),
    (ast.Compare, ("left", "comparators")),
    (ast.IfExp, ("test", "body", "orelse")),
    (ast.Call, ("args",)),
    (ast.Tuple, ("elts",)),
    (ast.List, ("elts",)),
    (ast.Dict, ("values",)),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """A place in a component's tree.

    Attributes:
        node: The expression that stands there.
        parent: The node that holds it.
        field: Its field of `parent`.
        index: Its place where that field is a list, else -1.
        root: The outermost expression of its statement: what is written anew when the site changes.
        statement: The statement that it stands in.
        kind: What stands there.
        names: Numbers and arrays in scope there, parameters first.
        fixed: Whether only a constant may stand there (a default, an index, a bound of a loop).
    """

    node: ast.expr
    parent: ast.AST
    field: str
    index: int
    root: ast.expr
    statement: ast.stmt
    kind: Kind
    names: tuple[str, ...]
    fixed: bool

    def put(self, node: ast.expr) -> ast.expr:
        """Put another expression there, in place, and return the root as it then is."""
        if self.index < 0:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node
        return node if self.node is self.root else self.root


def n_nodes(tree: ast.AST) -> int:
    """Size of a tree in nodes; contexts and operators are not counted."""
    return sum(1 for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt))


def free_names(node: ast.expr) -> frozenset[str]:
    """Names that an expression reads and does not bind itself."""
    names = [item for item in ast.walk(node) if isinstance(item, ast.Name)]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    bound |= {item.arg for item in ast.walk(node) if isinstance(item, ast.arg)}
    return frozenset(name.id for name in names) - bound


def find_sites(tree: ast.Module, outer: Collection[str] = ()) -> tuple[Site, ...]:
    """Every site of one component, in the order of its text.

    Args:
        tree: The component's text, parsed.
        outer: Module-level names that hold numbers.
    """
    numbers = _numeric_names(tree) | set(outer)
    walk = _Walk(numbers=frozenset(numbers), outer=tuple(outer))
    return tuple(walk.body(tree.body, []))


def _numeric_names(tree: ast.Module) -> set[str]:
    """Names that hold numbers or arrays of numbers, as far as their use tells."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None and _says_number(node.annotation):
            found.add(node.arg)
        elif isinstance(node, ast.BinOp) and _is_arithmetic(node):
            found |= _bare(node.left, node.right)
        elif isinstance(node, ast.Compare) and all(isinstance(op, _ORDERINGS) for op in node.ops):
            found |= _bare(node.left, *node.comparators)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found |= _bare(node.operand)
        elif isinstance(node, ast.Call) and _elementwise(node):
            found |= _bare(*node.args)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_number(node.value, found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _bare(*nodes: ast.expr) -> set[str]:
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _says_number(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).strip("'\"") in {"int", "float", "np.ndarray", "numpy.ndarray", "ndarray"}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.Dict | ast.ListComp) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _is_arithmetic(node: ast.BinOp) -> bool:
    """Whether it computes a number, and does not join texts or lists."""
    if any(_is_text(side) or (isinstance(side, ast.BinOp) and not _is_arithmetic(side)) for side in (node.left, node.right)):
        return False
    return isinstance(node.op, _ARITHMETIC)


def _elementwise(node: ast.Call) -> bool:
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in _NUMERIC_MODULES
        and function.attr in _ELEMENTWISE
    )


def _is_number(node: ast.expr, numbers: Collection[str]) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id=name):
            return name in numbers
        case ast.BinOp():
            return _is_arithmetic(node)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _NUMERIC_BUILTINS
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
            return module == "math" or (module in _NUMERIC_MODULES and name in _ELEMENTWISE)
        case ast.IfExp():
            return _is_number(node.body, numbers) and _is_number(node.orelse, numbers)
        case _:
            return False


def _kind(node: ast.expr, numbers: Collection[str]) -> Kind | None:
    if isinstance(node, ast.Compare | ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return "truth"
    return "number" if _is_number(node, numbers) else None


def _wanted(parent: ast.AST, node: ast.expr) -> Kind | None:
    """`number` for a call, an element or an attribute that arithmetic works on: its use says what it is."""
    if not isinstance(node, ast.Call | ast.Subscript | ast.Attribute):
        return None
    if isinstance(parent, ast.BinOp) and _is_arithmetic(parent):
        return "number"
    return "number" if isinstance(parent, ast.Compare) and all(isinstance(op, _ORDERINGS) for op in parent.ops) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """Where the walk stands inside a statement."""

    statement: ast.stmt
    names: tuple[str, ...]
    root: ast.expr | None = None
    fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """Walks statements in order, and knows which names are bound at each."""

    numbers: frozenset[str]
    outer: tuple[str, ...]

    def body(self, statements: list[ast.stmt], bound: list[str]) -> Iterator[Site]:
        """Sites of a block; names that it binds for certain are added to `bound`."""
        for statement in statements:
            yield from self.statement(statement, bound)

    def statement(self, node: ast.stmt, bound: list[str]) -> Iterator[Site]:
        spot = _Spot(statement=node, names=self._in_scope(bound))
        match node:
            case ast.FunctionDef():
                yield from self._function(node, bound, spot)
            case ast.Return() | ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                yield from self._field(node, "value", spot)
                bound.extend(_bound_by(node))
            case ast.Expr() if not isinstance(node.value, ast.Constant):
                yield from self._field(node, "value", spot)
            case ast.If():
                yield from self._field(node, "test", spot)
                first, second = list(bound), list(bound)
                yield from self.body(node.body, first)
                yield from self.body(node.orelse, second)
                bound.extend(name for name in first if name in second and name not in bound)
            case ast.While():
                yield from self._field(node, "test", spot)
                yield from self.body(node.body, list(bound))
            case ast.For():
                yield from self._field(node, "iter", spot)
                yield from self.body(node.body, bound + _targets(node.target))
            case ast.With() | ast.Try():
                yield from self.body(node.body, list(bound))
            case _:
                return

    def _function(self, node: ast.FunctionDef, bound: list[str], spot: _Spot) -> Iterator[Site]:
        for place, default in enumerate(node.args.defaults):
            yield from self._expression(default, (node.args, "defaults", place), replace(spot, fixed=True))
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        yield from self.body(node.body, bound + [argument.arg for argument in arguments])

    def _in_scope(self, bound: list[str]) -> tuple[str, ...]:
        inner = dict.fromkeys(name for name in bound if name in self.numbers)
        return (*inner, *(name for name in self.outer if name not in bound))

    def _field(self, node: ast.AST, field: str, spot: _Spot) -> Iterator[Site]:
        value = getattr(node, field)
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, ast.expr):
                yield from self._expression(item, (node, field, index if isinstance(value, list) else -1), spot)

    def _expression(self, node: ast.expr, place: tuple[ast.AST, str, int], spot: _Spot) -> Iterator[Site]:
        parent, field, index = place
        spot = replace(spot, root=spot.root or node)
        kind = _kind(node, self.numbers) or _wanted(parent, node)
        if kind is not None and spot.root is not None:
            yield Site(
                node=node,
                parent=parent,
                field=field,
                index=index,
                root=spot.root,
                statement=spot.statement,
                kind=kind,
                names=spot.names,
                fixed=spot.fixed,
            )
        for name, inner in self._children(node, spot):
            yield from self._field(node, name, inner)

    def _children(self, node: ast.expr, spot: _Spot) -> list[tuple[str, _Spot]]:
        """The fields of an expression that hold values, each with the spot it is looked at from."""
        match node:
            case ast.Subscript():
                return [("slice", replace(spot, fixed=True))]
            case ast.Call(func=ast.Name(id=name)) if name in _STRUCTURAL_BUILTINS:
                return [("args", replace(spot, fixed=True))]
            case ast.Lambda():
                return [("body", self._inside(spot, [argument.arg for argument in node.args.args]))]
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                targets = [name for generator in node.generators for name in _targets(generator.target)]
                return [("elt", self._inside(spot, targets))]
            case _:
                fields = next((fields for kind, fields in _VALUE_FIELDS if isinstance(node, kind)), ())
                return [(field, spot) for field in fields]

    def _inside(self, spot: _Spot, names: list[str]) -> _Spot:
        """The spot inside an expression that binds names of its own."""
        return replace(spot, names=(*spot.names, *(name for name in names if name in self.numbers and name not in spot.names)))


def _bound_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in _targets(target)]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return _targets(node.target)
    return []


def _targets(node: ast.expr) -> list[str]:
    return [item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)]
