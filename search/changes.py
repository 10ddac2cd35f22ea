"""Changes: what a variation does to the text of one component. Each takes a bench and gives the new text, or None.

A change replaces the text of one expression or of whole lines; everything else stays as written. Whether the result is a sensible
component (its size, the values that it still reads) is asked in one place, `Bench.written`.
"""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from graftwork.programs.splice import lines_of, stands_alone

from .bench import Bench, constant
from .expressions import n_hazards, number, perturbed
from .sites import Site, find_sites, free_names

__all__ = ["Change", "change_statement", "graft_expression", "grow", "has_place", "perturb", "swap_operator"]

_OPERATORS: Final[tuple[tuple[type[ast.AST], ...], ...]] = (
    (ast.Add, ast.Sub, ast.Mult),
    (ast.Div, ast.FloorDiv, ast.Mod),
    (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
    (ast.And, ast.Or),
    (ast.BitAnd, ast.BitOr),
)
# What may stand instead of a function without leaving the numbers: a root needs an argument that is not negative, a square does not.
_FUNCTIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("sqrt", ("log1p", "square", "abs", "tanh")),
    ("log1p", ("sqrt", "square", "abs", "tanh")),
    ("log", ("sqrt", "square", "abs", "tanh")),
    ("exp", ("square", "abs", "tanh")),
    ("square", ("abs", "tanh")),
    ("abs", ("square", "tanh")),
    ("tanh", ("abs", "square")),
    ("maximum", ("minimum",)),
    ("minimum", ("maximum",)),
    ("floor", ("ceil",)),
    ("ceil", ("floor",)),
    ("sin", ("cos", "tanh")),
    ("cos", ("sin", "tanh")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A component's new text.

    Attributes:
        source: The whole component.
        note: What was done, one line.
    """

    source: str
    note: str


def has_place(change: Callable[[Bench], Change | None], bench: Bench) -> bool:
    """Whether a component has anything that one of the changes of this file could be made to. Most draws then find a new text."""
    if change is perturb:
        return any(constant(site.node) is not None for site in bench.sites)
    if change is swap_operator:
        return any(_swaps(site.node) for site in bench.sites)
    if change is graft_expression:
        kinds = {site.kind for site in bench.free_sites}
        return any(site.kind in kinds and not site.fixed for donor in bench.donors for site in find_sites(donor))
    if change is change_statement:
        # To repeat a statement is tried too seldom to count on.
        return bool(_parts(bench) or _deletable(bench) or _insertable(bench))
    return bool(bench.free_sites)


def perturb(bench: Bench) -> Change | None:
    """Other numbers for one constant."""
    sites = [site for site in bench.sites if constant(site.node) is not None]
    if not sites:
        return None
    site = bench.rng.choice(sites)
    value = constant(site.node) or 0
    changed = perturbed(value, bench.rng)
    if site.fixed and isinstance(value, int):
        changed = max(0, changed)
    source = bench.written(site, number(changed))
    return _changed(source, f"{value:g} -> {changed:g}")


def swap_operator(bench: Bench) -> Change | None:
    """Another operator or function of the same shape, or the operands the other way round."""
    options = [(site, other) for site in bench.sites for other in _swaps(site.node)]
    if not options:
        return None
    site, other = bench.rng.choice(options)
    return _replaced(bench, site, other)


def _swaps(node: ast.expr) -> list[ast.expr]:
    """Every expression that differs in one operator or function name."""
    found: list[ast.expr] = []
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            found = [ast.BinOp(left=left, op=other(), right=right) for other in _others(op)]  # type: ignore[arg-type]  # same group
            if isinstance(op, ast.Sub):
                found.append(ast.BinOp(left=right, op=op, right=left))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            found = [ast.Compare(left=left, ops=[other()], comparators=[right]) for other in _others(op)]  # type: ignore[list-item]
        case ast.BoolOp(op=op, values=values):
            found = [ast.BoolOp(op=other(), values=values) for other in _others(op)]  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            found = [operand]
        case ast.Call(func=ast.Attribute(value=module, attr=name), args=args, keywords=[]):
            functions = [ast.Attribute(value=module, attr=other, ctx=ast.Load()) for other in _other_functions(module, name)]
            found = [ast.Call(func=function, args=args, keywords=[]) for function in functions]
        case ast.Call(func=ast.Name(id="max" | "min" as name), args=args, keywords=keywords):
            other = ast.Name(id="min" if name == "max" else "max", ctx=ast.Load())
            found = [ast.Call(func=other, args=args, keywords=keywords)]
        case _:
            pass
    return found


def _others(operator: ast.AST) -> list[type[ast.AST]]:
    return [other for group in _OPERATORS if type(operator) in group for other in group if other is not type(operator)]


def _other_functions(module: ast.expr, name: str) -> list[str]:
    others = next((others for function, others in _FUNCTIONS if function == name), ())
    scalar = isinstance(module, ast.Name) and module.id == "math"
    return [other for other in others if not scalar or hasattr(math, other)]


def graft_expression(bench: Bench) -> Change | None:
    """A subexpression taken from a donor; names unknown here become names in scope, each always the same one."""
    sites = bench.free_sites
    donated = [(site.node, site.kind) for donor in bench.donors for site in find_sites(donor) if not site.fixed]
    if not sites or not donated:
        return None
    site = bench.rng.choice(sites)
    fitting = [node for node, kind in donated if kind == site.kind and not isinstance(node, ast.Constant | ast.Name)]
    fitting = fitting or [node for node, kind in donated if kind == site.kind]
    if not fitting:
        return None
    node = _at_home(copy.deepcopy(bench.rng.choice(fitting)), site, bench)
    return None if node is None else _replaced(bench, site, node, trusted=n_hazards(node))


def _at_home(node: ast.expr, site: Site, bench: Bench) -> ast.expr | None:
    """The expression with every free name in scope at the site; None where something that it calls is not known there."""
    called = {item.func for item in ast.walk(node) if isinstance(item, ast.Call)}
    holders = {item.value for item in ast.walk(node) if isinstance(item, ast.Attribute)}
    strangers = sorted(free_names(node) - {*site.names, *bench.known})
    if strangers and not site.names:
        return None
    homes = {name: bench.rng.choice(site.names) for name in strangers}
    for item in ast.walk(node):
        if isinstance(item, ast.Name) and item.id in homes:
            if item in called or item in holders:
                return None
            item.id = homes[item.id]
    return node


def grow(bench: Bench) -> Change | None:
    """A fresh expression instead of one, or around one."""
    sites = bench.free_sites
    if not sites:
        return None
    site = bench.rng.choice(sites)
    grammar = bench.grammar(site)
    depth = bench.rng.choices((1, 2, 3), weights=(45, 35, 20))[0]
    if site.kind == "truth":
        return _replaced(bench, site, grammar.condition(depth - 1))
    if bench.rng.random() < 0.5:
        return _replaced(bench, site, grammar.wrap(copy.deepcopy(site.node), depth - 1))
    return _replaced(bench, site, grammar.grow(depth))


def change_statement(bench: Bench) -> Change | None:
    """A statement deleted, written twice or put in, or an expression shrunk to a part of itself."""
    change = bench.rng.choices((_shrink, _delete, _duplicate, _insert), weights=(60, 15, 5, 20))[0]
    return change(bench)


def _shrink(bench: Bench) -> Change | None:
    """One of its own parts instead of an expression: what keeps programs short."""
    options = _parts(bench)
    if not options:
        return None
    site, part = bench.rng.choice(options)
    return _replaced(bench, site, part)


def _parts(bench: Bench) -> list[tuple[Site, ast.expr]]:
    options: list[tuple[Site, ast.expr]] = []
    for site in bench.free_sites:
        inside = set(ast.walk(site.node)) - {site.node}
        options += [(site, part.node) for part in bench.free_sites if part.node in inside and part.kind == site.kind]
    return options


def _delete(bench: Bench) -> Change | None:
    """One statement less: not the last of a block, no `return`, and nothing without which a name would be undefined."""
    return _relined(bench, _deletable(bench), "deleted", repeat=0)


def _deletable(bench: Bench) -> list[ast.stmt]:
    blocks = [block for block in _blocks(bench.tree) if len(block) > 1]
    return [
        node
        for block in blocks
        for node in block[:-1]
        if _is_loose(node) and stands_alone(bench.source, node) and not _needed(node, bench.tree)
    ]


def _duplicate(bench: Bench) -> Change | None:
    options = [node for block in _blocks(bench.tree) for node in block if isinstance(node, ast.Assign | ast.AugAssign)]
    return _relined(bench, [node for node in options if stands_alone(bench.source, node)], "repeated", repeat=2)


def _relined(bench: Bench, options: Sequence[ast.stmt], verb: str, *, repeat: int) -> Change | None:
    if not options:
        return None
    node = bench.rng.choice(options)
    lines = lines_of(bench.source)
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    source = bench.checked("".join([*lines[:first], *lines[first:last] * repeat, *lines[last:]]))
    return _changed(source, f"{verb} `{_brief(ast.unparse(node))}`")


def _insert(bench: Bench) -> Change | None:
    """`name = <something grown>` before a `return`, for a number that the return reads."""
    options = _insertable(bench)
    if not options:
        return None
    site, name = bench.rng.choice(options)
    grammar = bench.grammar(site)
    value = grammar.wrap(ast.Name(id=name, ctx=ast.Load()), 1)
    line = f"{name} = {ast.unparse(ast.fix_missing_locations(value))}"
    lines = lines_of(bench.source)
    place = site.statement.lineno - 1
    indent = lines[place][: site.statement.col_offset]
    source = None if indent.strip() else bench.checked("".join([*lines[:place], f"{indent}{line}\n", *lines[place:]]))
    return _changed(source, f"inserted `{_brief(line)}`")


def _insertable(bench: Bench) -> list[tuple[Site, str]]:
    return [
        (site, name)
        for site in bench.free_sites
        if isinstance(site.statement, ast.Return) and site.node is site.root
        for name in sorted(free_names(site.node) & set(site.names))
    ]


def _blocks(tree: ast.Module) -> list[list[ast.stmt]]:
    """Every block inside a function, without its docstring."""
    blocks: list[list[ast.stmt]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.If | ast.For | ast.While):
            body = node.body[1:] if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None else node.body
            blocks.append(body)
    return blocks


def _is_loose(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AugAssign | ast.Expr | ast.If | ast.For | ast.While)


def _needed(node: ast.stmt, tree: ast.Module) -> bool:
    """Whether it alone binds a name that is read elsewhere."""
    own = set(ast.walk(node))
    bound = {item.id for item in own if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    others = [item for item in ast.walk(tree) if item not in own]
    grown = {item.target for item in others if isinstance(item, ast.AugAssign)}  # it reads its target first
    names = [item for item in others if isinstance(item, ast.Name)]
    rebound = {item.arg for item in others if isinstance(item, ast.arg)}
    rebound |= {item.id for item in names if isinstance(item.ctx, ast.Store) and item not in grown}
    read = {item.id for item in names if isinstance(item.ctx, ast.Load) or item in grown}
    return bool(bound & read - rebound)


def _replaced(bench: Bench, site: Site, node: ast.expr, *, trusted: int = 0) -> Change | None:
    before, after = _brief(ast.unparse(site.node)), _brief(ast.unparse(ast.fix_missing_locations(node)))
    source = bench.written(site, node, trusted=trusted)
    return _changed(source, f"`{before}` -> `{after}`")


def _changed(source: str | None, note: str) -> Change | None:
    return None if source is None else Change(source=source, note=note)


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."
