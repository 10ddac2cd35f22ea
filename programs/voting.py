"""Voting: a whole program called several times, whose most frequent answer counts."""

from __future__ import annotations

import ast
from typing import Final

from .compose import call_source, imported_as, importing, new_name
from .decoding import warmed
from .edit import Add, Replace, apply
from .errors import ProgramError
from .program import Program
from .rename import renamed_program
from .sampling import cold_prompts
from .structure import syntax

__all__ = ["voted"]

_OWN: Final = frozenset(("function", "n"))
"""What `vote` calls its own parameters."""


def voted(program: Program, entry: str, n: int, *, frozen: frozenset[str] = frozenset()) -> Program:
    """The program whose entry takes a vote of `n` calls of what it was.

    Prompts that would always say the same are set warmer, as by the move `vote`.

    Args:
        program: The program.
        entry: Its entry: a function or a prompt.
        n: Calls, at least 1.
        frozen: Components that stay as they are.

    Raises:
        ProgramError: If there is no such function, or a name that is needed means something else in it.
    """
    node = syntax(program[entry]) if entry in program else None
    alias = imported_as(program, "vote")
    if not isinstance(node, ast.FunctionDef) or not alias:
        raise ProgramError(f"no vote can be put round {entry}: it is no function, or `vote` means something else in the program")
    inner = new_name(program, f"{entry}_once")
    taken = {argument.arg for argument in _arguments(node.args)} & {alias, inner} | {
        argument.arg for argument in node.args.kwonlyargs
    } & _OWN
    if taken:
        raise ProgramError(f"no vote can be put round {entry}: its parameter {min(taken)} has the name of what a vote needs")
    renamed = renamed_program(program, {entry: inner})
    warm = [Replace(name=name, source=warmed(renamed[name])) for name in sorted((cold_prompts(renamed, inner) or frozenset()) - frozen)]
    returns = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    head = f"def {entry}({ast.unparse(node.args)}){returns}:"
    body = call_source(f"return {alias}", [str(n), inner, *_passed(node.args)], indent="    ")
    text = f'{head}\n    """The answer that most of {n} tries give."""\n    {body}\n'
    return importing(apply(renamed, [*warm, Add(source=text, after=renamed.names[-1])]), "vote")


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest]


def _passed(arguments: ast.arguments) -> list[str]:
    """Each parameter as it is passed on."""
    rest = [] if arguments.vararg is None else [f"*{arguments.vararg.arg}"]
    more = [] if arguments.kwarg is None else [f"**{arguments.kwarg.arg}"]
    by_place = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    return [*by_place, *rest, *(f"{argument.arg}={argument.arg}" for argument in arguments.kwonlyargs), *more]
