"""Sampling: a call made several times, in a vote or a retry; how often; and once again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .calls import Call, calls_of, local_names
from .compose import imported_as, importing
from .decoding import is_cold, warmed
from .edit import Replace, apply
from .moves import Context, Moved, Place, asks, changeable
from .program import Component, Program
from .repeats import reached, repeats
from .rewire import call_text, site_of
from .splice import spliced, text_of
from .structure import reachable

__all__ = ["ChangeBound", "Unwrap", "WrapInRetry", "WrapInVote", "cold_prompts"]

_N_VOTES: Final = ("3", "5", "7")
_N_TRIES: Final = ("2", "3", "4")
_N_ROUNDS: Final = ("1", "2", "3", "4")
_OWN_NAMES: Final = frozenset(("accept", "function", "n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapInVote:
    """A call made several times, whose most frequent result counts.

    A prompt that always says the same would give the same vote every time: where all that is asked are set to temperature 0, they are
    set warmer. Law: with a model that gives every call the same answer, the child behaves as the parent. A place's number counts the
    program's calls.
    """

    name: str = "vote"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Plain calls of what asks a model, in no vote and with no vote in them."""
        open_names = changeable(program, context)
        return tuple(
            Place(component=call.caller, number=number, choice=n)
            for number, call in _plain_calls(program, context, "vote")
            if (cold := cold_prompts(program, call.callee)) is None or cold & open_names
            for n in _N_VOTES[:2]
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the call in a vote."""
        call = calls_of(program)[place.number]
        edits = [Replace(name=call.caller, source=_wrapped(program, call, "vote", place.choice))]
        edits += [Replace(name=name, source=warmed(program[name])) for name in sorted(cold_prompts(program, call.callee) or ())]
        note = f"{place.component} takes a vote of {place.choice} calls of {call.callee}"
        return Moved(program=importing(apply(program, edits), "vote"), note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapInRetry:
    """A call that is made again where its output cannot be used.

    Law: with a model whose first answer can be used, the child behaves as the parent. A place's number counts the program's calls.
    """

    name: str = "retry"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Plain calls of what asks a model, in no retry and with no retry in them."""
        calls = _plain_calls(program, context, "retry")
        return tuple(Place(component=call.caller, number=number, choice=n) for number, call in calls for n in _N_TRIES[:2])

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the call in a retry."""
        call = calls_of(program)[place.number]
        child = apply(program, [Replace(name=call.caller, source=_wrapped(program, call, "retry", place.choice))])
        return Moved(program=importing(child, "retry"), note=f"{place.component} tries {call.callee} up to {place.choice} times")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrap:
    """A call that is made once, where it was in a vote or a retry. A place's number counts the program's calls."""

    name: str = "unwrap"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Calls through a combinator, written with plain commas."""
        open_names = changeable(program, context)
        return tuple(
            Place(component=call.caller, number=number)
            for number, call in enumerate(calls_of(program))
            if call.through and call.caller in open_names and _unwrapped(program, call)
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the plain call."""
        call = calls_of(program)[place.number]
        child = apply(program, [Replace(name=call.caller, source=_unwrapped(program, call))])
        return Moved(program=child, note=f"{place.component} calls {call.callee} once, without {call.through}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBound:
    """Another number of calls in a vote, attempts of a retry, or rounds of a loop that asks a model.

    A place's number counts the bounds of its component, in the order of the text.
    """

    name: str = "change_bound"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Bounds that are written as a number."""
        open_names = changeable(program, context)
        return tuple(
            Place(component=component.name, number=number, choice=n)
            for component in program.components
            if component.name in open_names
            for number, (node, numbers) in enumerate(_bounds(program, component))
            for n in numbers
            if n != text_of(component.source, node)
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the other bound."""
        component = program[place.component]
        node, _ = _bounds(program, component)[place.number]
        old = text_of(component.source, node)
        child = apply(program, [Replace(name=component.name, source=spliced(component.source, node, place.choice))])
        return Moved(program=child, note=f"{component.name} does {place.choice} rounds instead of {old}")


def _plain_calls(program: Program, context: Context, combinator: str) -> Iterator[tuple[int, Call]]:
    """The calls that a combinator may make, with no nesting: what one vote costs, two in one another would cost squared."""
    alias, open_names = imported_as(program, combinator), changeable(program, context)
    if not alias:
        return
    found = list(repeats(program, combinator))
    repeated = frozenset(name for _, targets in found for name in reached(program, targets))
    repeaters = frozenset(caller for caller, _ in found)
    for number, call in enumerate(calls_of(program)):
        if call.through or call.caller not in open_names or call.caller in repeated or not asks(program, call.callee):
            continue
        caller = call.parents[0]
        is_shadowed = isinstance(caller, ast.FunctionDef) and alias in local_names(caller)
        in_lambda = any(isinstance(item, ast.Lambda | ast.FunctionDef) for item in call.parents[1:])
        fits = not any(name is None or name in _OWN_NAMES for name in call.keywords) and site_of(program, call) is not None
        lone = any(isinstance(item, ast.GeneratorExp) for item in call.arguments)
        if fits and not (is_shadowed or in_lambda or lone or repeaters & reachable(program, call.callee)):
            yield number, call


def cold_prompts(program: Program, callee: str) -> frozenset[str] | None:
    """The prompts that a call asks, where all of them are set to always say the same; None where one is not."""
    prompts = [program[name] for name in reachable(program, callee) if program[name].kind == "prompt"]
    return frozenset(item.name for item in prompts) if all(is_cold(program, item) for item in prompts) else None


def _wrapped(program: Program, call: Call, combinator: str, n: str) -> str:
    """The caller's text with the call made by a combinator."""
    source, alias, site = program[call.caller].source, imported_as(program, combinator), site_of(program, call)
    head, text = f"{call.callee}(", text_of(source, call.node)
    inner = text.removeprefix(head)[:-1].strip()
    if site is not None and (not text.startswith(head) or ("\n" in inner and "#" not in inner)):
        texts = {name: text_of(source, value) for name, value in site.given.items()}
        return spliced(source, call.node, call_text(site, texts, by=(alias, n)))
    end = "\n" if "#" in inner.rpartition("\n")[2] else ""
    return spliced(source, call.node, f"{alias}({n}, {call.callee}{', ' if inner else ''}{inner}{end})")


def _unwrapped(program: Program, call: Call) -> str:
    """The caller's text with the plain call; empty where it cannot be cut out."""
    source = program[call.caller].source
    if call.node.end_lineno != call.node.args[1].lineno or "accept" in {item.arg for item in call.node.keywords}:
        return ""
    start = call.node.args[1].end_col_offset or 0
    line = source.encode().split(b"\n")[call.node.args[1].lineno - 1]
    rest = line[start : call.node.end_col_offset].decode().strip()
    if not rest.startswith((",", ")")):
        return ""
    return spliced(source, call.node, f"{call.callee}({rest.removeprefix(',').lstrip()}")


def _bounds(program: Program, component: Component) -> list[tuple[ast.expr, tuple[str, ...]]]:
    """The numbers that bound repetition in a component, each with what may stand there."""
    found: list[tuple[ast.expr, tuple[str, ...]]] = []
    if component.kind not in ("function", "tool"):
        return found
    own = [call for call in calls_of(program) if call.caller == component.name and asks(program, call.callee)]
    for call in own:
        if call.through and _is_count(call.node.args[0]):
            found.append((call.node.args[0], _N_VOTES if call.through == "vote" else _N_TRIES))
        for item in call.parents:
            match item:
                case ast.For(iter=ast.Call(func=ast.Name(id="range"), args=[bound], keywords=[])) if _is_count(bound):
                    found.append((bound, _N_ROUNDS))
    unique = {(node.lineno, node.col_offset): (node, numbers) for node, numbers in found}
    return [unique[position] for position in sorted(unique)]


def _is_count(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int
