"""Normal form: a program's tokens without what its author could have called otherwise, so that a renamed copy is found to be one.

Left out are the names of local variables, of components that another component refers to, and in the instructions of prompts case, white
space and punctuation. What a caller or a model can see keeps its name: parameters, tools, types, and components that none refers to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from .parsing import module_of
from .program import Component, ComponentKind, Program
from .scope import ALWAYS_DEFINED
from .structure import call_graph, callees_first
from .walk import walk

__all__ = ["Normal", "normal"]

_WORDS: Final = re.compile(r"\w+|[^\w\s.,;:!?'\"()`]")
_NAMED_FOR_ITSELF: Final[frozenset[ComponentKind]] = frozenset(("function", "prompt", "constant"))
_SEES_NAMES: Final = frozenset(("locals", "vars", "eval", "exec", "globals", "dir"))  # with one of these a local's name is no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """The normal form of a program.

    Attributes:
        digest: 32 hexadecimal digits; equal for two programs exactly if they differ in nothing but what is left out.
        tokens: Of its components in the order of the text; a reference to a component is the same token whichever it is.
    """

    digest: str
    tokens: tuple[str, ...]


def normal(program: Program, *, entry: str) -> Normal:
    """The normal form.

    Args:
        program: The program.
        entry: The function that is called from outside; empty where there is none.
    """
    graph = call_graph(program)
    referred = frozenset().union(*graph.values()) - {entry}
    components = {component.name: component for component in program.components}
    names: dict[str, str] = {}
    found: dict[str, tuple[str, ...]] = {}
    called_by_name: set[str] = set()  # in a circle somebody is read before what it refers to
    for name in callees_first(graph, sorted(graph)):
        component = components[name]
        anonymous = name in referred - called_by_name and component.kind in _NAMED_FOR_ITSELF
        called_by_name |= graph[name] - found.keys()
        found[name] = _tokens(component, tuple(sorted((ref, names[ref]) for ref in graph[name] & names.keys())), anonymous)
        if anonymous:
            names[name] = f"<{_digest(found[name])}>"
    digests = sorted(_digest(tokens) for tokens in found.values())
    rest = [item.statement for item in program.imports] + [statement.digest for statement in program.statements]
    tokens = tuple("n<>" if token.startswith("n<") else token for component in program.components for token in found[component.name])
    return Normal(digest=_digest((*digests, "rest", *rest)), tokens=tokens)


@lru_cache(maxsize=4096)
def _tokens(component: Component, others: tuple[tuple[str, str], ...], anonymous: bool) -> tuple[str, ...]:  # noqa: FBT001 - for the cache
    """The tokens of a component, in which others are called by what they are."""
    (node,) = module_of(component.source).body
    called = dict(others)
    if anonymous:
        called[component.name] = "<itself>"
        if isinstance(node, ast.FunctionDef):
            node.name = ""
    if isinstance(node, ast.FunctionDef):
        called |= _locals(node, component.refs | {component.name})
        if component.kind == "prompt":
            _simplify_instruction(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            inner.id = called.get(inner.id, inner.id)
    return walk(node, kind_of=lambda inner: component.kind if inner is node else "tool", lazy=True).tokens


def _locals(node: ast.FunctionDef, taken: frozenset[str]) -> dict[str, str]:
    """New names for a function's variables, in the order in which they stand; none for those that anything but plain names could show."""
    names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    if any(name.id in _SEES_NAMES for name in names):
        return {}
    kept = taken | ALWAYS_DEFINED | frozenset(_words(node))
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)} - kept
    order = dict.fromkeys(name.id for name in names if name.id in stored)
    return {name: f"<{place}>" for place, name in enumerate(order)}


def _words(node: ast.AST) -> Iterator[str]:
    """Names that stand in the syntax as plain text: parameters, inner definitions, imports, what is declared global, and the like."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name | ast.Attribute | ast.keyword | ast.Constant):
            continue
        for _, value in ast.iter_fields(inner):
            for one in value if isinstance(value, list) else (value,):
                if isinstance(one, str):
                    yield one


def _simplify_instruction(node: ast.FunctionDef) -> None:
    match node.body[0]:
        case ast.Expr(value=ast.Constant(value=str(text)) as instruction):
            instruction.value = " ".join(_WORDS.findall(text.casefold()))


def _digest(tokens: tuple[str, ...]) -> str:
    return blake2b("\n".join(tokens).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
