"""Walk: one pass over a component's syntax that yields its tokens without layout, and the names it takes from outside."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from .errors import ProgramError
from .layout import imported_names
from .program import ComponentKind
from .scope import Scope
from .syntax import constant_token, does_nothing, quoted_names

__all__ = ["MAX_DEPTH", "Walk", "walk"]

MAX_DEPTH: Final = 150
"""Deepest nesting of syntax nodes. Operators unparse and rewrite components with several Python frames a level, and must not overflow."""

_NOT_MEANING: Final = frozenset(("ctx", "kind", "type_comment"))
_LOAD: Final = ast.Load
# Values before targets: a class body's names depend on the order of evaluation.
_ORDER: Final[Mapping[str, tuple[str, ...]]] = {"Assign": ("value", "targets"), "AugAssign": ("value", "op", "target")}
_FIELDS: Final[Mapping[type, tuple[str, ...]]] = {
    node: _ORDER.get(name, tuple(field for field in node._fields if field not in _NOT_MEANING))
    for name, node in vars(ast).items()
    if isinstance(node, type) and issubclass(node, ast.AST)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What one pass finds.

    Attributes:
        tokens: Equal for two definitions exactly if they differ at most in layout, comments and docstrings that no model reads.
        free: Names taken from the module or the builtins, those that the definition binds left out.
        immediate: Those of `free` that are needed when the module is loaded: not the ones in function bodies.
        unused: Parameters of the function that its body never reads; empty for prompts and for bodies that do nothing yet.
        bound: Names that it binds in the module.
    """

    tokens: tuple[str, ...]
    free: frozenset[str]
    immediate: frozenset[str]
    unused: frozenset[str]
    bound: frozenset[str]


def walk(node: ast.stmt, *, kind_of: Callable[[ast.stmt], ComponentKind], lazy: bool) -> Walk:
    """Read one top-level statement.

    Args:
        node: The statement.
        kind_of: The kind of a decorated function: a prompt's docstring counts wherever it stands.
        lazy: Whether annotations are not evaluated (`from __future__ import annotations`).

    Raises:
        ProgramError: If it is nested deeper than `MAX_DEPTH`, or is no valid code although it parses, such as a `break` outside a loop.
    """
    walker = _Walker(kind_of, lazy=lazy)
    walker.visit(node, 0)
    root = walker.scope
    if root.sought:
        raise _error(node, f"nonlocal {min(root.sought)!r} is bound in no enclosing function; use a parameter")
    free = frozenset(root.used | root.later) - root.bound
    return Walk(
        tokens=tuple(walker.tokens), free=free, immediate=free & root.used, unused=frozenset(walker.unused), bound=frozenset(root.bound)
    )


class _Walker:
    """Turns syntax into tokens, and fills scopes on the way. Every method reads one sort of node."""

    __slots__ = ("kind_of", "lazy", "scope", "tokens", "unused")

    def __init__(self, kind_of: Callable[[ast.stmt], ComponentKind], *, lazy: bool) -> None:
        self.kind_of = kind_of
        self.lazy = lazy
        self.scope = Scope("module")
        self.tokens: list[str] = []
        self.unused: set[str] = set()

    def visit(self, node: ast.AST, depth: int) -> None:
        _HANDLERS[node.__class__](self, node, depth)

    def fields(self, node: ast.AST, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _too_deep(node)
        tokens, handlers = self.tokens, _HANDLERS
        cls = node.__class__
        tokens.append(cls.__name__)
        depth += 1
        for name in _FIELDS[cls]:
            value = getattr(node, name)
            if not value and (value is None or value.__class__ is list):
                continue  # absent fields leave no token: a later Python's new ones must not change old digests
            tokens.append(name)
            if (handler := handlers.get(value.__class__)) is not None:
                handler(self, value, depth)
            elif value.__class__ is list:
                self.items(value, depth)
            else:
                tokens.append(str(value))
        tokens.append(")")

    def items(self, values: Iterable[ast.AST | str | None], depth: int) -> None:
        handlers = _HANDLERS
        for value in values:
            if (handler := handlers.get(value.__class__)) is not None:
                handler(self, value, depth)
            else:
                self.tokens.append("-" if value is None else str(value))
        self.tokens.append("]")

    def leaf(self, node: ast.AST, _depth: int) -> None:
        self.tokens.append(node.__class__.__name__)

    def name(self, node: ast.Name, _depth: int) -> None:
        name, scope = node.id, self.scope
        self.tokens.append("n" + name)
        if node.ctx.__class__ is not _LOAD:
            scope.bound.add(name)
        elif scope.kind == "class":
            scope.load(name)
        else:
            scope.used.add(name)

    def attribute(self, node: ast.Attribute, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _too_deep(node)
        value = node.value
        _HANDLERS[value.__class__](self, value, depth + 1)
        self.tokens.append("." + node.attr)

    def binary(self, node: ast.BinOp, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _too_deep(node)
        self.tokens.append(node.op.__class__.__name__)
        for side in (node.left, node.right):
            _HANDLERS[side.__class__](self, side, depth + 1)

    def constant(self, node: ast.Constant, _depth: int) -> None:
        self.tokens.append(constant_token(node.value))

    def call(self, node: ast.Call, depth: int) -> None:
        if len(node.keywords) > 1:
            names = [keyword.arg for keyword in node.keywords if keyword.arg]
            if len(set(names)) < len(names):
                raise _error(node, "a keyword argument is given twice; give it once")
        if depth > MAX_DEPTH:
            raise _too_deep(node)
        self.tokens += ("Call", "func")
        function = node.func
        _HANDLERS[function.__class__](self, function, depth + 1)
        for name, values in (("args", node.args), ("keywords", node.keywords)):
            if values:
                self.tokens.append(name)
                self.items(values, depth + 1)
        self.tokens.append(")")

    def augmented(self, node: ast.AugAssign, depth: int) -> None:
        if isinstance(node.target, ast.Name):
            self.scope.load(node.target.id)
        self.fields(node, depth)

    def annotated(self, node: ast.AnnAssign, depth: int) -> None:
        self.tokens.append("AnnAssign")
        self.annotation(node.annotation, depth + 1)
        if node.value is not None:
            self.visit(node.value, depth + 1)
        self.visit(node.target, depth + 1)
        self.tokens.append(")")

    def joined(self, node: ast.JoinedStr, depth: int) -> None:
        self.tokens.append("JoinedStr")
        # Some releases of Python 3.12 put empty strings between the parts.
        self.items((part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")), depth + 1)

    def sequence(self, node: ast.Tuple | ast.List, depth: int) -> None:
        if node.ctx.__class__ is ast.Store and sum(item.__class__ is ast.Starred for item in node.elts) > 1:
            raise _error(node, "two starred targets; star one, and take the others from it")
        self.fields(node, depth)

    def walrus(self, node: ast.NamedExpr, depth: int) -> None:
        self.tokens.append("NamedExpr" + node.target.id)
        self.visit(node.value, depth + 1)
        self.scope.bind_walrus(node.target.id)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, depth: int) -> None:
        self.tokens += (node.__class__.__name__, node.name)
        self.scope.bound.add(node.name)
        self.items(node.decorator_list, depth + 1)
        self.signature(node.args, depth + 1)
        if node.returns is not None:
            self.tokens.append("returns")
            self.annotation(node.returns, depth + 1)
        kind = self.kind_of(node) if node.decorator_list else "function"
        body = self.docstring(node.body, kept=kind in {"prompt", "tool"})
        if kind == "prompt":
            body = [statement for statement in body if not does_nothing(statement)]
        names = self.open_function(node.args)
        self.items(body, depth + 1)
        scope = self.scope
        if depth == 0 and kind != "prompt" and not all(does_nothing(statement) or isinstance(statement, ast.Raise) for statement in body):
            known = scope.used | scope.later
            self.unused.update(() if "locals" in known else (name for name in names if name not in known))
        self.scope = scope.close()

    def lambda_(self, node: ast.Lambda, depth: int) -> None:
        self.tokens.append("Lambda")
        self.signature(node.args, depth + 1)
        self.open_function(node.args)
        self.visit(node.body, depth + 1)
        self.scope = self.scope.close()

    def signature(self, args: ast.arguments, depth: int) -> None:
        """Tokens of the parameters; their defaults and annotations belong to the scope around the function."""
        for label, group in (("posonly", args.posonlyargs), ("args", args.args), ("kwonly", args.kwonlyargs)):
            if group:
                self.tokens.append(label)
                self.items(group, depth)
        for label, one in (("*", args.vararg), ("**", args.kwarg)):
            if one is not None:
                self.tokens.append(label)
                self.visit(one, depth)
        for label, defaults in (("defaults", args.defaults), ("kw_defaults", args.kw_defaults)):
            if defaults:
                self.tokens.append(label)
                self.items(defaults, depth)

    def parameter(self, node: ast.arg, depth: int) -> None:
        self.tokens.append("p" + node.arg)
        if node.annotation is not None:
            self.annotation(node.annotation, depth)

    def open_function(self, args: ast.arguments) -> list[str]:
        """Enter a function's scope with its parameters bound; returns the names that a caller fills one by one."""
        names = [item.arg for group in (args.posonlyargs, args.args, args.kwonlyargs) for item in group]
        everything = names + [item.arg for item in (args.vararg, args.kwarg) if item is not None]
        if len(set(everything)) < len(everything):
            raise ProgramError("a parameter is named twice; rename one", line=getattr(args.args[0] if args.args else args, "lineno", 0))
        self.scope = Scope("function", self.scope, set(everything))
        return names

    def class_(self, node: ast.ClassDef, depth: int) -> None:
        self.tokens += ("ClassDef", node.name)
        self.items(node.decorator_list, depth + 1)
        self.items(node.bases, depth + 1)
        self.items(node.keywords, depth + 1)
        kept = self.scope.kind in {"module", "class"}
        self.scope.bound.add(node.name)
        body = self.docstring(node.body, kept=kept)
        self.scope = Scope("class", self.scope)
        self.items(body, depth + 1)
        self.scope = self.scope.close()

    def docstring(self, body: list[ast.stmt], *, kept: bool) -> list[ast.stmt]:
        """The body without its docstring, which becomes a token if a model reads it."""
        match body[0]:
            case ast.Expr(value=ast.Constant(value=str(text))):
                if kept:
                    self.tokens += ("doc", constant_token(inspect.cleandoc(text)))
                return body[1:] or [ast.Pass()]
        return body

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, depth: int) -> None:
        self.tokens.append(node.__class__.__name__)
        first = node.generators[0]
        self.visit(first.iter, depth + 1)  # evaluated in the scope around it
        self.scope = Scope("comprehension", self.scope)
        for generator in node.generators:
            self.tokens.append("async for" if generator.is_async else "for")
            self.visit(generator.target, depth + 1)
            if generator is not first:
                self.visit(generator.iter, depth + 1)
            self.items(generator.ifs, depth + 1)
        if isinstance(node, ast.DictComp):
            self.visit(node.key, depth + 1)
            self.visit(node.value, depth + 1)
        else:
            self.visit(node.elt, depth + 1)
        self.scope = self.scope.close()

    def loop(self, node: ast.For | ast.AsyncFor | ast.While, depth: int) -> None:
        self.tokens.append(node.__class__.__name__)
        if isinstance(node, ast.While):
            self.visit(node.test, depth + 1)
        else:
            self.visit(node.iter, depth + 1)
            self.visit(node.target, depth + 1)
        self.scope.n_loops += 1
        self.items(node.body, depth + 1)
        self.scope.n_loops -= 1
        self.items(node.orelse, depth + 1)

    def jump(self, node: ast.Break | ast.Continue, _depth: int) -> None:
        word = node.__class__.__name__
        if not self.scope.n_loops:
            raise _error(node, f"{word.lower()} outside a loop; remove it")
        self.tokens.append(word)

    def leave(self, node: ast.Return | ast.Yield | ast.YieldFrom, depth: int) -> None:
        if self.scope.kind != "function":
            raise _error(node, f"{node.__class__.__name__.lower()} outside a function; move it into one")
        self.fields(node, depth)

    def declare(self, node: ast.Global | ast.Nonlocal, _depth: int) -> None:
        self.tokens += (node.__class__.__name__, *node.names, "]")
        (self.scope.outer if isinstance(node, ast.Global) else self.scope.nonlocals).update(node.names)

    def import_(self, node: ast.Import | ast.ImportFrom, depth: int) -> None:
        if any(alias.name == "*" for alias in node.names):
            raise _error(node, "a star import; name what is imported")
        self.scope.bound.update(name for _, name, _ in imported_names(node))
        self.fields(node, depth)

    def binder(self, node: ast.AST, depth: int) -> None:
        """Nodes that bind a name which is a plain string in the syntax."""
        if name := getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name", None):
            self.scope.bound.add(name)
        self.fields(node, depth)

    def annotation(self, node: ast.expr, depth: int) -> None:
        if isinstance(node, ast.Name):  # as most are: nothing is quoted in it, and no scope needed
            self.tokens.append("n" + node.id)
            self.scope.annotate(node.id, lazy=self.lazy)
            return
        if self.lazy:
            self.scope = Scope("annotation", self.scope)
        self.visit(node, depth)
        self.scope.used.update(quoted_names(node))
        if self.lazy:
            self.scope = self.scope.close()


_Handler = Callable[[_Walker, Any, int], None]
_HANDLERS: Final = cast(
    "Mapping[type, _Handler]",
    {
        **{node: _Walker.fields if fields else _Walker.leaf for node, fields in _FIELDS.items()},
        ast.AnnAssign: _Walker.annotated,
        ast.AsyncFor: _Walker.loop,
        ast.AsyncFunctionDef: _Walker.function,
        ast.Attribute: _Walker.attribute,
        ast.AugAssign: _Walker.augmented,
        ast.BinOp: _Walker.binary,
        ast.Break: _Walker.jump,
        ast.Call: _Walker.call,
        ast.ClassDef: _Walker.class_,
        ast.Constant: _Walker.constant,
        ast.Continue: _Walker.jump,
        ast.DictComp: _Walker.comprehension,
        ast.ExceptHandler: _Walker.binder,
        ast.For: _Walker.loop,
        ast.FunctionDef: _Walker.function,
        ast.GeneratorExp: _Walker.comprehension,
        ast.Global: _Walker.declare,
        ast.Import: _Walker.import_,
        ast.ImportFrom: _Walker.import_,
        ast.JoinedStr: _Walker.joined,
        ast.Lambda: _Walker.lambda_,
        ast.List: _Walker.sequence,
        ast.ListComp: _Walker.comprehension,
        ast.MatchAs: _Walker.binder,
        ast.MatchMapping: _Walker.binder,
        ast.MatchStar: _Walker.binder,
        ast.Name: _Walker.name,
        ast.NamedExpr: _Walker.walrus,
        ast.Nonlocal: _Walker.declare,
        ast.Return: _Walker.leave,
        ast.SetComp: _Walker.comprehension,
        ast.Tuple: _Walker.sequence,
        ast.While: _Walker.loop,
        ast.Yield: _Walker.leave,
        ast.YieldFrom: _Walker.leave,
        ast.arg: _Walker.parameter,
    },
)


def _error(node: ast.AST, message: str) -> ProgramError:
    return ProgramError(message, line=getattr(node, "lineno", 0))


def _too_deep(node: ast.AST) -> ProgramError:
    return _error(node, f"nested more than {MAX_DEPTH} levels deep; use intermediate names")
