"""Changes: what a variation does to the text of one component. Each takes a setting and gives the new text, or None.

A change replaces the text of one expression or of whole lines; everything else stays as written. Whether the result is a sensible
component (its size, the values that it still reads) is asked in one place, `Setting.written`.
"""

from __future__ import annotations

import ast
import copy
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .expressions import Grammar, n_hazards, number, perturbed, tidied
from .sites import Site, find_sites, free_names, n_nodes, spliced

__all__ = ["MAX_NODES", "Change", "Setting", "change_statement", "graft_expression", "grow", "open_setting", "perturb", "swap_operator"]

MAX_NODES: Final = 400
_GROWTH: Final = 1.5
_GROWTH_NODES: Final = 60
_PIECE_NODES: Final = 7

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One component on the bench.

    Attributes:
        rng: All choices.
        source: The component's text.
        tree: That text, parsed. A change leaves it as it was.
        sites: Where something may be put.
        donors: Trees of components that expressions may be taken from.
        known: Module-level names of the program, imports included, and builtins that an expression may call.
        library: `np` (or numpy's alias), `math`, or empty.
        arrays: Names that hold arrays: a value that reads some must not end up reading none.
        limit: Nodes that the new text may have.
    """

    rng: random.Random
    source: str
    tree: ast.Module
    sites: tuple[Site, ...]
    donors: Sequence[ast.Module]
    known: Collection[str]
    library: str
    arrays: frozenset[str]
    limit: int

    @property
    def free_sites(self) -> list[Site]:
        """The sites where any expression may stand."""
        return [site for site in self.sites if not site.fixed]

    def grammar(self, site: Site) -> Grammar:
        """What may be grown at a site. The test of an `if` must be one truth, so that no array may come into it."""
        names = [name for name in site.names if name not in self.arrays or not isinstance(site.statement, ast.If | ast.While)]
        pieces = [
            other.node
            for other in self.free_sites
            if other.kind == "number"
            and not isinstance(other.node, ast.Constant | ast.Name)
            and n_nodes(other.node) <= _PIECE_NODES
            and free_names(other.node) <= {*names, *self.known}
        ]
        constants = [value for other in self.free_sites if (value := constant(other.node)) is not None]
        return Grammar(
            rng=self.rng,
            names=names,
            pieces=pieces,
            constants=constants,
            library=self.library,
            vectors=self.library not in {"", "math"},
        )

    def written(self, site: Site, node: ast.expr, *, trusted: int = 0) -> str | None:
        """The component with `node` at a site; None where nothing changes or the value would lose what it is about.

        Args:
            site: Where.
            node: What.
            trusted: Hazards of `node` that some program lives with already; more than these and those of the statement are refused.
        """
        before = ast.unparse(site.root)
        read = free_names(site.root)
        root = tidied(ast.fix_missing_locations(site.put(node)))
        after, reads = ast.unparse(root), free_names(root)
        site.put(site.node)
        arrays, inputs = self.arrays & read, read & set(site.names)
        if after == before or (arrays and not arrays & reads) or (inputs and not inputs & reads):
            return None
        if n_hazards(root) > n_hazards(site.root) + trusted:
            return None
        return self.checked(spliced(self.source, site.root, after))

    def checked(self, source: str) -> str | None:
        """The text, if it parses and is not too large."""
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return None
        return source if n_nodes(tree) <= self.limit else None


def open_setting(source: str, *, rng: random.Random, outer: Collection[str], known: Mapping[str, str], donors: Sequence[str]) -> Setting:
    """Put a component on the bench.

    Args:
        source: Its text.
        rng: All choices.
        outer: Module-level names that hold numbers.
        known: Module-level names of the program, each with the module it is an import of, or an empty string.
        donors: Texts of components that expressions may be taken from.
    """
    tree = ast.parse(source)
    aliases = {module: name for name, module in known.items()}
    size = n_nodes(tree)
    return Setting(
        rng=rng,
        source=source,
        tree=tree,
        sites=find_sites(tree, outer),
        donors=[ast.parse(donor) for donor in donors],
        known={*known, "abs", "float", "int", "len", "max", "min", "round", "sum"},
        library=aliases.get("numpy") or aliases.get("math") or "",
        arrays=_arrays(tree),
        limit=max(size, min(MAX_NODES, max(int(size * _GROWTH), size + _GROWTH_NODES))),
    )


def _arrays(tree: ast.Module) -> frozenset[str]:
    """Parameters annotated as arrays, and what is computed from them by arithmetic alone."""
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation is not None]
    found = {node.arg for node in arguments if node.annotation is not None and "ndarray" in ast.unparse(node.annotation)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp | ast.UnaryOp) and free_names(node.value) & found:
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def constant(node: ast.expr) -> float | None:
    """The number that a literal stands for, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    return None


def perturb(setting: Setting) -> Change | None:
    """Other numbers for one constant."""
    sites = [site for site in setting.sites if constant(site.node) is not None]
    if not sites:
        return None
    site = setting.rng.choice(sites)
    value = constant(site.node) or 0
    changed = perturbed(value, setting.rng)
    if site.fixed and isinstance(value, int):
        changed = max(0, changed)
    source = setting.written(site, number(changed))
    return _changed(source, f"{value:g} -> {changed:g}")


def swap_operator(setting: Setting) -> Change | None:
    """Another operator or function of the same shape, or the operands the other way round."""
    options = [(site, other) for site in setting.sites for other in _swaps(site.node)]
    if not options:
        return None
    site, other = setting.rng.choice(options)
    return _replaced(setting, site, other)


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


def graft_expression(setting: Setting) -> Change | None:
    """A subexpression taken from a donor; names unknown here become names in scope, each always the same one."""
    sites = setting.free_sites
    donated = [(site.node, site.kind) for donor in setting.donors for site in find_sites(donor) if not site.fixed]
    if not sites or not donated:
        return None
    site = setting.rng.choice(sites)
    fitting = [node for node, kind in donated if kind == site.kind and not isinstance(node, ast.Constant | ast.Name)]
    fitting = fitting or [node for node, kind in donated if kind == site.kind]
    if not fitting:
        return None
    node = _at_home(copy.deepcopy(setting.rng.choice(fitting)), site, setting)
    return None if node is None else _replaced(setting, site, node, trusted=n_hazards(node))


def _at_home(node: ast.expr, site: Site, setting: Setting) -> ast.expr | None:
    """The expression with every free name in scope at the site; None where something that it calls is not known there."""
    called = {item.func for item in ast.walk(node) if isinstance(item, ast.Call)}
    holders = {item.value for item in ast.walk(node) if isinstance(item, ast.Attribute)}
    strangers = sorted(free_names(node) - {*site.names, *setting.known})
    if strangers and not site.names:
        return None
    homes = {name: setting.rng.choice(site.names) for name in strangers}
    for item in ast.walk(node):
        if isinstance(item, ast.Name) and item.id in homes:
            if item in called or item in holders:
                return None
            item.id = homes[item.id]
    return node


def grow(setting: Setting) -> Change | None:
    """A fresh expression instead of one, or around one."""
    sites = setting.free_sites
    if not sites:
        return None
    site = setting.rng.choice(sites)
    grammar = setting.grammar(site)
    depth = setting.rng.choices((1, 2, 3), weights=(45, 35, 20))[0]
    if site.kind == "truth":
        return _replaced(setting, site, grammar.condition(depth - 1))
    if setting.rng.random() < 0.5:
        return _replaced(setting, site, grammar.wrap(copy.deepcopy(site.node), depth - 1))
    return _replaced(setting, site, grammar.grow(depth))


def change_statement(setting: Setting) -> Change | None:
    """A statement deleted, written twice or put in, or an expression shrunk to a part of itself."""
    change = setting.rng.choices((_shrink, _delete, _duplicate, _insert), weights=(60, 15, 5, 20))[0]
    return change(setting)


def _shrink(setting: Setting) -> Change | None:
    """One of its own parts instead of an expression: what keeps programs short."""
    options: list[tuple[Site, ast.expr]] = []
    for site in setting.free_sites:
        inside = set(ast.walk(site.node)) - {site.node}
        options += [(site, part.node) for part in setting.free_sites if part.node in inside and part.kind == site.kind]
    if not options:
        return None
    site, part = setting.rng.choice(options)
    return _replaced(setting, site, part)


def _delete(setting: Setting) -> Change | None:
    """One statement less: not the last of a block, no `return`, and nothing without which a name would be undefined."""
    blocks = [block for block in _blocks(setting.tree) if len(block) > 1]
    options = [node for block in blocks for node in block[:-1] if _is_loose(node) and not _needed(node, setting.tree)]
    return _relined(setting, options, "deleted", repeat=0)


def _duplicate(setting: Setting) -> Change | None:
    options = [node for block in _blocks(setting.tree) for node in block if isinstance(node, ast.Assign | ast.AugAssign)]
    return _relined(setting, options, "repeated", repeat=2)


def _relined(setting: Setting, options: Sequence[ast.stmt], verb: str, *, repeat: int) -> Change | None:
    if not options:
        return None
    node = setting.rng.choice(options)
    lines = setting.source.splitlines(keepends=True)
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    source = setting.checked("".join([*lines[:first], *lines[first:last] * repeat, *lines[last:]]))
    return _changed(source, f"{verb} `{_brief(ast.unparse(node))}`")


def _insert(setting: Setting) -> Change | None:
    """`name = <something grown>` before a `return`, for a number that the return reads."""
    options = [
        (site, name)
        for site in setting.free_sites
        if isinstance(site.statement, ast.Return) and site.node is site.root
        for name in sorted(free_names(site.node) & set(site.names))
    ]
    if not options:
        return None
    site, name = setting.rng.choice(options)
    grammar = setting.grammar(site)
    value = grammar.wrap(ast.Name(id=name, ctx=ast.Load()), 1)
    line = f"{name} = {ast.unparse(ast.fix_missing_locations(value))}"
    lines = setting.source.splitlines(keepends=True)
    place = site.statement.lineno - 1
    indent = lines[place][: site.statement.col_offset]
    source = None if indent.strip() else setting.checked("".join([*lines[:place], f"{indent}{line}\n", *lines[place:]]))
    return _changed(source, f"inserted `{_brief(line)}`")


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
    rebound = {item.arg for item in others if isinstance(item, ast.arg)}
    rebound |= {item.id for item in others if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    read = {item.id for item in others if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load)}
    return bool(bound & read - rebound)


def _replaced(setting: Setting, site: Site, node: ast.expr, *, trusted: int = 0) -> Change | None:
    before, after = _brief(ast.unparse(site.node)), _brief(ast.unparse(ast.fix_missing_locations(node)))
    source = setting.written(site, node, trusted=trusted)
    return _changed(source, f"`{before}` -> `{after}`")


def _changed(source: str | None, note: str) -> Change | None:
    return None if source is None else Change(source=source, note=note)


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."
