"""Refine: a second prompt looks at what a call gave: once, to check it, or a few times, to make it better."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from .calls import calls_of, local_names
from .compose import (
    MAX_INSTRUCTION,
    call_source,
    decoding_of,
    imported_as,
    instruction_of,
    is_json_type,
    new_name,
    placeholders,
    prompt_source,
)
from .edit import Add, Replace, apply
from .moves import Context, Moved, Place, asks, changeable, has_room
from .program import Component, Program
from .rename import fresh_name
from .rewire import CallSite, bound_first, call_text, edited, local_name, site_at, site_of
from .signature import signature_of
from .splice import text_of
from .split import NOTES

__all__ = ["PREFIXES", "InsertVerify", "RefineInLoop"]

PREFIXES: Final = ("verify_", "refine_")
"""How prompts are called that look at another's output. Theirs is not looked at again, and nobody's twice."""

_ROUNDS: Final = ("2", "3")


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertVerify:
    """A new prompt checks what a call gave, and gives it back or the right one.

    Law: the child makes the call first and hands its output on; with a model that gives back what it is given, it behaves as the
    parent. A place's number counts the program's calls.
    """

    name: str = "verify"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Calls of what asks a model, whose arguments can be written twice."""
        return tuple(place for place, _ in _open_sites(program, context))

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the check after the call."""
        site = site_at(program, place.number)
        review = _review(program, site, "verify_")
        texts, lines, changes = bound_first(program, site)
        call = call_text(site, texts) if changes else text_of(site.source, site.call.node)
        if site.target and site.target not in site.names:
            follow = _asked(review, texts, site.target, f"{site.target} = ", site.indent)
            source = edited(site.source, site.call.statement, before=lines, changes=changes, after=[follow])
        elif site.returned:
            result = local_name(program, site, review.result)
            whole = _asked(review, texts, result, "", site.indent)
            first = f"{result} = {call}"
            source = edited(site.source, site.call.statement, before=[*lines, first], changes=[(site.call.node, whole)])
        else:
            whole = _asked(review, texts, call, "", site.indent)
            source = edited(site.source, site.call.statement, before=lines, changes=[(site.call.node, whole)])
        return Moved(
            program=_with(program, site, review, source), note=f"{review.name} checks what {site.call.callee} gives in {place.component}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineInLoop:
    """A new prompt makes the output of a call better, over and over, in a loop with a bound.

    Law: with a model that gives back what it is given, the child behaves as the parent. A place's number counts the program's calls.
    """

    name: str = "refine_loop"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Calls as for `verify` whose output is assigned or returned, and that stand in no loop already."""
        found = [place for place, site in _open_sites(program, context) if _may_loop(program, site)]
        return tuple(replace(place, choice=rounds) for place in found for rounds in _ROUNDS)

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the loop after the call."""
        site, rounds = site_at(program, place.number), place.choice
        review = _review(program, site, "refine_")
        texts, lines, changes = bound_first(program, site)
        result = site.target or local_name(program, site, review.result, besides=texts.values())
        call = call_text(site, texts) if changes else text_of(site.source, site.call.node)
        loop = [f"for _ in range({rounds}):", "    " + _asked(review, texts, result, f"{result} = ", f"{site.indent}    ")]
        if site.target:
            source = edited(site.source, site.call.statement, before=lines, changes=changes, after=loop)
        else:
            before = [*lines, f"{result} = {call}", *loop]
            source = edited(site.source, site.call.statement, before=before, changes=[(site.call.node, result)])
        note = f"{review.name} refines what {site.call.callee} gives in {place.component}, {rounds} times"
        return Moved(program=_with(program, site, review, source), note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Review:
    """The new prompt: its name, the parameter that takes the output, and its text."""

    name: str
    result: str
    source: str


def _open_sites(program: Program, context: Context) -> Iterator[tuple[Place, CallSite]]:
    """The calls whose output may be looked at."""
    if not has_room(program) or not imported_as(program, "prompt"):
        return
    open_names = changeable(program, context)
    for number, call in enumerate(calls_of(program)):
        callee = program[call.callee]
        if call.caller not in open_names or not _is_reviewable(program, callee):
            continue
        site = site_of(program, call)
        if site is not None and site.given and site.repeatable:
            yield Place(component=call.caller, number=number), site


def _is_reviewable(program: Program, callee: Component) -> bool:
    if callee.name.startswith(PREFIXES) or callee.name.endswith(NOTES) or any(f"{prefix}{callee.name}" in program for prefix in PREFIXES):
        return False
    if len(instruction_of(callee)) > MAX_INSTRUCTION:
        return False
    if callee.kind == "prompt":
        return True
    signature = signature_of(callee)
    return callee.kind == "function" and signature is not None and is_json_type(signature.returns) and asks(program, callee.name)


def _may_loop(program: Program, site: CallSite) -> bool:
    caller = site.call.parents[0]
    if not isinstance(caller, ast.FunctionDef) or not (site.returned or (site.target and site.target not in site.names)):
        return False
    if any(isinstance(item, ast.For | ast.While) for item in site.call.parents):
        return False
    reads = {item.id for item in ast.walk(caller) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load)}
    return "_" not in reads and "range" not in local_names(caller) | frozenset(program.names)


def _review(program: Program, site: CallSite, prefix: str) -> _Review:
    callee = program[site.call.callee]
    name = new_name(program, f"{prefix}{callee.name}")
    taken = {*site.given, *placeholders(instruction_of(callee))}
    result = site.target if site.target and site.target not in taken else fresh_name("answer", taken)
    parameters = {parameter.name: parameter.annotation for parameter in site.parameters.values()} | {result: site.signature.returns}
    source = prompt_source(
        name=name,
        parameters=parameters,
        returns=site.signature.returns,
        instruction=_instruction(instruction_of(callee) or callee.name.replace("_", " "), result, prefix),
        options=decoding_of(callee),
        decorator=imported_as(program, "prompt"),
    )
    return _Review(name=name, result=result, source=source)


def _instruction(asked: str, result: str, prefix: str) -> str:
    if prefix == "verify_":
        begin = f"Check `{result}`, which was given in reply to this instruction:"
        end = f"If `{result}` is right, reply with it unchanged; otherwise reply with the right one, in the same form."
    else:
        begin = f"Improve `{result}`, which was given in reply to this instruction:"
        end = "Correct what is wrong and add what is missing, in the same form. If nothing can be better, reply with it unchanged."
    return f"{begin}\n\n{asked}\n\n{end}"


def _asked(review: _Review, texts: Mapping[str, str], result: str, start: str, indent: str) -> str:
    return call_source(f"{start}{review.name}", [*texts.values(), result], indent=indent)


def _with(program: Program, site: CallSite, review: _Review, source: str) -> Program:
    call = site.call
    return apply(program, [Replace(name=call.caller, source=source), Add(source=review.source, after=call.callee)])
