"""Fuse: two prompts made into one, where the output of the first only serves the second."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .calls import calls_of
from .compose import MAX_INSTRUCTION, call_source, imported_as, instruction_of, placeholders, prompt_source
from .edit import Edit, Remove, Replace, apply
from .moves import Context, Moved, Place, changeable
from .options import options_of
from .parsing import expression_of
from .program import Component, Program
from .refine import PREFIXES
from .rewire import CallSite, edited, is_plain, lone_calls, site_of, without_statement
from .splice import stands_alone, text_of
from .split import note_of_use, notes_instruction

__all__ = ["FusePrompts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FusePrompts:
    """Two prompts made into one, where the output of the first only serves the second.

    The one that stays has both instructions, the inputs and tools of both, the name and the output of the second; demonstrations go, as
    they have other inputs. Law: one request less is sent, and what the fused prompt is given is what the two were given. Fusing what a
    split made gives the prompt again. A place's number counts the program's calls.
    """

    name: str = "fuse_prompts"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Pairs of prompts that are called once each, the first for an argument of the second. A place's choice is the first."""
        open_names = changeable(program, context)
        names = {prompt.name for prompt in program.prompts} & open_names - {context.entry}
        return tuple(
            Place(component=pair.second.call.caller, number=number, choice=pair.first.call.callee)
            for number, pair in _pairs(program, names)
            if pair.second.call.caller in open_names
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the second prompt doing the work of both."""
        names = {place.choice, calls_of(program)[place.number].callee}
        pair = next(pair for number, pair in _pairs(program, names) if number == place.number)
        first, second = pair.first.call, pair.second.call
        call = call_source(second.callee, list(pair.arguments.values()), indent=pair.second.indent)
        source = edited(pair.second.source, second.statement, changes=[(second.node, call)])
        if first.statement is not second.statement:
            source = without_statement(source, first.statement)
        edits: list[Edit] = [
            Replace(name=second.caller, source=source),
            Replace(name=second.callee, source=_fused(program, pair)),
            Remove(name=first.callee),
        ]
        return Moved(program=apply(program, edits), note=f"{second.callee} does the work of {first.callee} too")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pair:
    """Two calls that can be one.

    Attributes:
        first: The call whose output is only used by the second.
        second: The other.
        consumed: The parameter that takes that output.
        arguments: What the fused prompt is given, as text, by parameter.
    """

    first: CallSite
    second: CallSite
    consumed: str
    arguments: dict[str, str]


def _pairs(program: Program, names: set[str]) -> Iterator[tuple[int, _Pair]]:
    """The pairs among some prompts, each with the number of the second call."""
    calls = calls_of(program)
    lone = [number for name, number in lone_calls(program).items() if name in names]
    sites = {number: site for number in lone if (site := site_of(program, calls[number])) is not None and site.is_full}
    for number, second in sites.items():
        for first in sites.values():
            if first.call.callee == second.call.callee or first.call.caller != second.call.caller:
                continue
            consumed = _consumed(first, second)
            arguments = _arguments(first, second, consumed) if consumed else None
            if arguments and _is_fusible(program, first, second, consumed):
                yield number, _Pair(first=first, second=second, consumed=consumed, arguments=arguments)


def _consumed(first: CallSite, second: CallSite) -> str:
    """The parameter of the second call that takes the first one's output and is its only use; empty where there is none."""
    for name, value in second.given.items():
        if value is first.call.node or (isinstance(value, ast.Name) and value.id == first.target and _hands_over(first, second)):
            return name
    return ""


def _hands_over(first: CallSite, second: CallSite) -> bool:
    """Whether a value that is assigned to a name is read by the second call alone, soon and once, with nothing else changed meanwhile."""
    one, other = first.call.statement, second.call.statement
    block = first.call.parents[first.call.parents.index(one) - 1]
    together = any(isinstance(items, list) and one in items and other in items for _, items in ast.iter_fields(block))
    is_simple = isinstance(other, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr) and stands_alone(first.source, one)
    is_once = not any(isinstance(item, ast.Lambda | ast.comprehension) for item in second.call.parents)
    if not (together and is_simple and is_once and one.lineno < other.lineno and all(map(is_plain, first.given.values()))):
        return False
    names = [item for item in ast.walk(first.call.parents[0]) if isinstance(item, ast.Name)]
    between = [item for item in names if one.lineno < item.lineno < other.lineno and not isinstance(item.ctx, ast.Load)]
    return sum(item.id == first.target for item in names) == 2 and not first.names & {item.id for item in between}


def _arguments(first: CallSite, second: CallSite, consumed: str) -> dict[str, str] | None:
    """The arguments of the fused prompt; None where both have a parameter of one name and mean something else by it."""
    found = {name: text_of(second.source, value) for name, value in second.given.items() if name != consumed}
    for name, value in first.given.items():
        text, kind = text_of(first.source, value), first.parameters[name].annotation
        if found.setdefault(name, text) != text or (name in second.parameters and second.parameters[name].annotation != kind):
            return None
    return found


def _is_fusible(program: Program, first: CallSite, second: CallSite, consumed: str) -> bool:
    one, other = program[first.call.callee], program[second.call.callee]
    # A prompt that quotes another's instruction to look at its output would have it twice; a bypass takes such a one out.
    if other.name.startswith(PREFIXES) or options_of(one) is None or options_of(other) is None:
        return False
    instructions = instruction_of(one), instruction_of(other)
    # What one of them has in braces must not become an input of the other.
    theirs = placeholders(instructions[0]) & second.given.keys() - first.given.keys()
    ours = placeholders(instructions[1]) & {consumed, *first.given.keys() - second.given.keys()}
    return not theirs and not ours and sum(map(len, instructions)) <= MAX_INSTRUCTION


def _fused(program: Program, pair: _Pair) -> str:
    """The text of the fused prompt."""
    first, second = program[pair.first.call.callee], program[pair.second.call.callee]
    types = {name: item.annotation for site in (pair.first, pair.second) for name, item in site.parameters.items()}
    return prompt_source(
        name=second.name,
        parameters={name: types[name] for name in pair.arguments},
        returns=pair.second.signature.returns,
        instruction=_instruction(instruction_of(first), instruction_of(second), pair.consumed),
        options=_options(first, second),
        decorator=imported_as(program, "prompt"),
    )


def _instruction(first: str, second: str, consumed: str) -> str:
    alone = second.removesuffix(f"\n\n{note_of_use(consumed)}")
    if first == notes_instruction(alone):
        return alone
    return f"First do this, and keep the result to yourself:\n\n{first}\n\nThen do this, and reply with its result only:\n\n{second}"


def _options(first: Component, second: Component) -> dict[str, str]:
    """The options of the second prompt, with the tools of both."""
    options = {name: text for name, text in (options_of(second) or {}).items() if name != "demos"}
    lists = [options.pop("tools", ""), (options_of(first) or {}).get("tools", "")]
    nodes = [item for text in lists if text for item in ast.walk(expression_of(f"({text})"))]
    tools = dict.fromkeys(item.id for item in nodes if isinstance(item, ast.Name))
    return {"tools": f"[{', '.join(tools)}]", **options} if tools else options
