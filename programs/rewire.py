"""Rewire: what surrounds a call is changed in its caller's text: values bound before it, lines put after it, arguments matched."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .calls import Call, calls_of, given_by
from .compose import call_source
from .document import Document
from .errors import ProgramError
from .program import Program
from .rename import fresh_name
from .signature import Parameter, Signature, signature_of
from .splice import spliced_all, stands_alone, text_before, text_of
from .structure import syntax

__all__ = [
    "CallSite",
    "bound_first",
    "call_text",
    "edited",
    "is_plain",
    "local_name",
    "lone_calls",
    "site_at",
    "site_of",
    "without_statement",
]

# Around a call, these evaluate it exactly once.
_ONCE: Final = (ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.List, ast.Attribute, ast.Subscript)
_SIMPLE: Final = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)
_BINDING: Final = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CallSite:
    """A call with what its surroundings allow.

    Attributes:
        call: The call.
        source: The caller's text.
        signature: The callee's.
        given: The arguments by parameter, in the order of the signature; defaults that the call leaves out are not in it.
        indent: White space before its statement.
        alone: Whether its statement has lines of its own.
        target: The one name that its statement assigns its result to; empty where it does something else.
        returned: Whether its statement returns its result and nothing else.
    """

    call: Call
    source: str
    signature: Signature
    given: Mapping[str, ast.expr]
    indent: str
    alone: bool
    target: str
    returned: bool

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters that the call gives, by name."""
        return {parameter.name: parameter for parameter in self.signature.parameters if parameter.name in self.given}

    @property
    def names(self) -> frozenset[str]:
        """Names that stand in the arguments."""
        return frozenset(item.id for value in self.given.values() for item in ast.walk(value) if isinstance(item, ast.Name))

    @property
    def is_full(self) -> bool:
        """Whether the call gives every parameter, none by default."""
        return tuple(self.given) == self.signature.names

    @property
    def repeatable(self) -> bool:
        """Whether the arguments can be written a second time, as they are or after they were bound to names; a generator runs once."""
        if any(isinstance(value, ast.GeneratorExp) for value in self.given.values()):
            return False
        return all(map(is_plain, self.given.values())) or self._binds()

    def _binds(self) -> bool:
        """Whether arguments may be bound before the statement: it evaluates the call once, and nothing that calls before it."""
        statement, node = self.call.statement, self.call.node
        around = self.call.parents[self.call.parents.index(statement) + 1 :]
        if not (self.alone and isinstance(statement, _SIMPLE) and all(isinstance(item, _ONCE) for item in around)):
            return False
        if any(isinstance(item, _BINDING) for value in self.given.values() for item in ast.walk(value)):
            return False
        start = (node.lineno, node.col_offset)
        return not any(
            (item.end_lineno or 0, item.end_col_offset or 0) <= start for item in ast.walk(statement) if isinstance(item, ast.Call)
        )


def site_of(program: Program, call: Call) -> CallSite | None:
    """A call with its surroundings; None where its arguments cannot be told apart, or its text has no place of its own."""
    source, signature = program[call.caller].source, signature_of(program[call.callee])
    # Before Python 3.12 what stands in an f-string has no position of its own.
    if signature is None or any(isinstance(item, ast.JoinedStr) for item in call.parents) or "\r" in source.replace("\r\n", ""):
        return None
    given = given_by(call, signature)
    if given is None:
        return None
    statement = call.statement
    whole = isinstance(statement, ast.Assign | ast.Return) and statement.value is call.node
    alone = stands_alone(source, statement)
    target = ""
    if whole and alone and isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        first = statement.targets[0]
        target = first.id if isinstance(first, ast.Name) else ""
    return CallSite(
        call=call,
        source=source,
        signature=signature,
        given=given,
        indent=text_before(source, statement) if alone else "",
        alone=alone,
        target=target,
        returned=whole and alone and isinstance(statement, ast.Return),
    )


def site_at(program: Program, number: int) -> CallSite:
    """The site of a program's call, counted as in `calls_of`.

    Raises:
        ProgramError: If the program has no such call, or none that can be changed.
    """
    calls = calls_of(program)
    site = site_of(program, calls[number]) if number < len(calls) else None
    if site is None:
        raise ProgramError(f"call {number} is none that a move can change; take a place that was found in this program")
    return site


def is_plain(node: ast.expr) -> bool:
    """Whether evaluating an expression twice is the same as once: a name or a constant."""
    return isinstance(node, ast.Name | ast.Constant)


def bound_first(program: Program, site: CallSite) -> tuple[dict[str, str], list[str], list[tuple[ast.expr, str]]]:
    """Plain texts for the arguments of a repeatable site.

    Returns:
        The text of each argument by parameter; the lines that bind those that are not plain; what stands instead of those in the call.
    """
    texts: dict[str, str] = {}
    lines: list[str] = []
    changes: list[tuple[ast.expr, str]] = []
    for name, value in site.given.items():
        texts[name] = text_of(site.source, value)
        if not is_plain(value):
            local = local_name(program, site, name, besides=texts.values())
            text = texts[name] if "\n" not in texts[name] or isinstance(value, ast.Call) else f"({texts[name]})"
            lines.append(f"{local} = {text}")
            changes.append((value, local))
            texts[name] = local
    return texts, lines, changes


def call_text(site: CallSite, texts: Mapping[str, str], *, more: str = "", by: tuple[str, ...] = ()) -> str:
    """The call, made with other texts of its arguments.

    Args:
        site: Where the call stands.
        texts: What each argument becomes, by parameter.
        more: One more argument at the end; empty for none.
        by: A combinator that makes the call, with what it takes before the function, such as `("vote", "3")`.
    """
    call = site.call
    by_node = {id(value): texts[name] for name, value in site.given.items()}
    arguments = [by_node.get(id(value)) or text_of(site.source, value) for value in call.node.args]
    arguments += [f"{item.arg}={by_node.get(id(item.value)) or text_of(site.source, item.value)}" for item in call.node.keywords]
    arguments += [more] if more else []
    function, *first = [*by, text_of(site.source, call.node.func)]
    return call_source(function, [*first, *arguments], indent=site.indent)


def edited(
    source: str,
    statement: ast.stmt,
    *,
    before: Sequence[str] = (),
    changes: Iterable[tuple[ast.expr, str]] = (),
    after: Sequence[str] = (),
) -> str:
    """A caller's text with expressions of one statement replaced and lines put around it, indented as it is.

    Args:
        source: The caller's text.
        statement: A statement that stands alone, where there are lines to put around it.
        before: Lines that go before it.
        changes: Expressions in it, none in another, each with the text that replaces it.
        after: Lines that go after it.
    """
    indent = text_before(source, statement)
    text = _inserted(source, statement.end_lineno or statement.lineno, after, indent)
    text = spliced_all(text, changes)
    return _inserted(text, statement.lineno - 1, before, indent)


def without_statement(source: str, statement: ast.stmt) -> str:
    """The text without the lines of a statement that stands alone."""
    lines = source.split("\n")
    del lines[statement.lineno - 1 : statement.end_lineno or statement.lineno]
    return "\n".join(lines)


def lone_calls(program: Program) -> Mapping[str, int]:
    """The number of its call for each component that is named in one place only, where that is a plain call."""
    calls = calls_of(program)
    named = Counter(
        item.id
        for component in program.components
        if component.refs & frozenset(program.names)
        for item in ast.walk(syntax(component))
        if isinstance(item, ast.Name)
    )
    named.update(Document(program.source).main_names if "__main__" in program.source else ())
    return {call.callee: number for number, call in enumerate(calls) if not call.through and named[call.callee] == 1}


def local_name(program: Program, site: CallSite, wanted: str, *, besides: Iterable[str] = ()) -> str:
    """A name for a value that the caller binds anew: one that stands nowhere in it and is no component's.

    Args:
        program: The program.
        site: Where in the caller.
        wanted: The name, or the beginning of it.
        besides: Names given already that do not stand in the text yet.
    """
    root = site.call.parents[0]
    taken = {item.id for item in ast.walk(root) if isinstance(item, ast.Name)} | {
        item.arg for item in ast.walk(root) if isinstance(item, ast.arg)
    }
    return fresh_name(wanted, taken | set(program.names) | set(besides))


def _inserted(source: str, index: int, new: Sequence[str], indent: str) -> str:
    lines = source.split("\n")
    end = "\r" if "\r\n" in source else ""
    if end and index == len(lines) and new:
        lines[-1] += end
    lines[index:index] = [f"{indent}{line}{end}" for line in new]
    text = "\n".join(lines)
    return text.removesuffix("\r") if index >= len(lines) - len(new) else text
