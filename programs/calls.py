"""Calls: the places where components call one another. They are a program's reasoning structure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from .cutting import statement_of
from .parse import Kinds
from .program import Component, Program
from .readings import MAX_TREES, kept
from .signature import Signature
from .structure import syntax

__all__ = ["Call", "bindings", "calls_in", "calls_of", "fits", "given_by", "local_names"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One place where a component is called.

    Attributes:
        caller: The component in whose text it stands.
        callee: The component that is called.
        through: The combinator that makes the call, such as `vote` in `vote(5, work, question)`; empty for a plain call.
        node: The call as written, positions counted in the caller's own text; with `through`, the combinator's call.
        arguments: What the callee is given by position.
        keywords: What it is given by name; `None` as a key stands for `**rest`.
        statement: The innermost statement that holds it.
        parents: The nodes around it, outermost first, from the caller's definition on.
    """

    caller: str
    callee: str
    through: str
    node: ast.Call
    arguments: tuple[ast.expr, ...]
    keywords: Mapping[str | None, ast.expr]
    statement: ast.stmt
    parents: tuple[ast.AST, ...]


def calls_of(program: Program) -> tuple[Call, ...]:
    """Every call of a component by a function, in the order of the text. What is handed to a model as a tool is not called here."""
    return tuple(call for component in program.components for call in calls_in(program, component))


def calls_in(program: Program, component: Component) -> tuple[Call, ...]:
    """The calls in one component; none in a prompt, whose body a model does."""
    node = syntax(component)
    if component.kind == "prompt" or not isinstance(node, ast.FunctionDef):
        return ()
    callees = component.refs & frozenset(program.names)
    if not callees:
        return ()
    kinds = Kinds.of(program)
    origins = {item.name: kinds.combinator(ast.Name(id=item.name, ctx=ast.Load())) for item in program.imports}
    combinators = {name: origin for name, origin in origins.items() if origin in ("retry", "vote")}
    return tuple(_found(_calls(component.source), component.name, callees, combinators))


def given_by(call: Call, signature: Signature) -> dict[str, ast.expr] | None:
    """The expression that a call gives for each parameter, in the order of the signature; None where it spreads one or does not fit."""
    positional = [item.name for item in signature.parameters if item.kind in ("positional", "any")]
    named = {item.name for item in signature.parameters if item.kind in ("any", "keyword")}
    if any(isinstance(item, ast.Starred) for item in call.arguments) or len(call.arguments) > len(positional):
        return None
    given: dict[str, ast.expr] = dict(zip(positional, call.arguments, strict=False))
    for name, value in call.keywords.items():
        if name is None or name not in named or name in given:
            return None
        given[name] = value
    return {name: given[name] for name in signature.names if name in given} if given.keys() >= set(signature.required) else None


def fits(call: Call, signature: Signature) -> bool:
    """Whether a call gives what a signature asks for; one that spreads its arguments may."""
    if None in call.keywords or any(isinstance(item, ast.Starred) for item in call.arguments):
        return True
    kinds = {item.kind for item in signature.parameters}
    positional = [item.name for item in signature.parameters if item.kind in ("positional", "any")]
    named = {item.name for item in signature.parameters if item.kind in ("any", "keyword")}
    first, given = set(positional[: len(call.arguments)]), set(call.keywords)
    return (
        (len(call.arguments) <= len(positional) or "rest" in kinds)
        and not (first & given & named)
        and (given <= named or "keywords" in kinds)
        and first | given >= set(signature.required)
    )


def local_names(node: ast.FunctionDef) -> frozenset[str]:
    """Names that a function binds anywhere in itself: parameters, targets, inner functions, imports."""
    return frozenset(bindings(node))


def bindings(node: ast.AST) -> Iterator[str]:
    """The names that a definition binds anywhere in itself, each as often as it does."""
    for item in ast.walk(node):
        match item:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) if item is not node:
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)


@kept(MAX_TREES)
def _calls(source: str) -> tuple[tuple[ast.Call, tuple[ast.AST, ...]], ...]:
    """The calls of anything by its name in one text, each with the nodes around it."""
    walked = _walk(statement_of(source), ())
    return tuple((item, parents) for item, parents in walked if isinstance(item, ast.Call) and isinstance(item.func, ast.Name))


def _found(
    nodes: Iterable[tuple[ast.Call, tuple[ast.AST, ...]]], caller: str, callees: frozenset[str], combinators: Mapping[str, str]
) -> Iterator[Call]:
    for node, parents in nodes:
        name, arguments, through = cast("ast.Name", node.func).id, node.args, ""
        if name in combinators and len(arguments) > 1 and isinstance(arguments[1], ast.Name):
            name, arguments, through = arguments[1].id, arguments[2:], combinators[name]
        if name in callees:
            statement = next(item for item in reversed(parents) if isinstance(item, ast.stmt))
            keywords = {item.arg: item.value for item in node.keywords if not (through == "retry" and item.arg == "accept")}
            yield Call(
                caller=caller,
                callee=name,
                through=through,
                node=node,
                arguments=tuple(arguments),
                keywords=keywords,
                statement=statement,
                parents=parents,
            )


def _walk(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """Every node below one, with the nodes around it, in the order of the text."""
    inner = (*parents, node)
    for child in ast.iter_child_nodes(node):
        yield child, inner
        yield from _walk(child, inner)
