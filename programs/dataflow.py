"""Data flow: which component's output can reach which input, found without running the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .holding import join
from .influence import Tracing
from .origins import Names, Summary
from .program import CALLABLE, Component, Program
from .structure import call_graph, callees_first, reachable

__all__ = ["Flow", "FlowKind", "flows", "nearest_flows"]

FlowKind = Literal["output", "constant", "input", "tool", "option"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One way that a value can take.

    Attributes:
        source: The component whose output or value it is; with kind `input` the parameter of the entry.
        target: The component that it reaches.
        parameter: The parameter of the target that it reaches; empty for what the target gives back, and with kind `tool`.
        kind: `output` (what the source gave back), `constant` (what it is), `input` (what the entry was given), `tool` (what it answers
            to the model that does the target), `option` (what the target's decorator says by the name of `parameter`).
    """

    source: str
    target: str
    parameter: str
    kind: FlowKind


def flows(program: Program, entry: str) -> tuple[Flow, ...]:
    """Every flow among the components that the entry needs, targets in the order of the text.

    A flow may lead through other functions, conditions and containers; a prompt's output is its own, whatever it was asked. But for
    what `influence` does not follow, too many are told rather than too few: what is not understood passes on all that it is given.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    return _flows(program, entry, through=True)


def nearest_flows(program: Program, entry: str) -> tuple[Flow, ...]:
    """The flows that lead through no other function's output: what a drawing shows.

    What a function gives back of its own parameters is left out; the flows into those parameters tell it.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    return _flows(program, entry, through=False)


def _flows(program: Program, entry: str, *, through: bool) -> tuple[Flow, ...]:
    used = reachable(program, entry)
    names = Names(program, [component.name for component in program.components if component.name in used])
    graph = call_graph(program)
    order = tuple(names.index[name] for name in callees_first(graph, names.index))
    summaries = _summaries(names, graph, order, through=through)
    held = _held(names, summaries, order, entry)
    told = summaries if through else [_without_parameters(names, place, one, entry) for place, one in enumerate(summaries)]
    return tuple(flow for place in range(names.n) for flow in _flows_into(names, place, told, held, entry))


def _without_parameters(names: Names, place: int, summary: Summary, entry: str) -> Summary:
    """A function's summary without what it gives back of its parameters; the entry's are the inputs and stay."""
    if names.components[place].name == entry:
        return summary
    return replace(summary, returns=summary.returns & ((1 << names.first_parameter) - 1))


def _summaries(names: Names, graph: Mapping[str, frozenset[str]], order: Sequence[int], *, through: bool) -> Sequence[Summary]:
    """What every component does; each is read again when what it calls turns out to do more."""
    summaries = [Summary() for _ in names.components]
    users: dict[int, list[int]] = {place: [] for place in range(names.n)}
    for place, component in enumerate(names.components):
        for name in graph[component.name]:
            users[names.index[name]].append(place)
    waiting = dict.fromkeys(order)
    while waiting:
        place = next(iter(waiting))
        del waiting[place]
        before, after = summaries[place], Tracing(names, place, summaries, through=through).read()
        # Never less than before: so the last word is reached, whatever calls whatever.
        after.returns |= before.returns
        after.raises |= before.raises
        join(after.changes, before.changes)
        summaries[place] = after
        if (before.returns, before.raises, before.changes) != (after.returns, after.raises, after.changes):
            waiting |= dict.fromkeys([*users[place], *([place] if after.is_recursive or names.components[place].kind == "type" else [])])
    return summaries


def _held(names: Names, summaries: Sequence[Summary], order: Sequence[int], entry: str) -> Mapping[tuple[int, str], int]:
    """What each parameter can hold, and (by an empty name) what was put into each constant; the entry's inputs are its parameters."""
    first, place = names.first_parameter, names.index[entry]
    known = (1 << (first + len(names.interfaces[place].named))) - 1
    held = {(place, name): 1 << (first + offset) for offset, name in enumerate(names.interfaces[place].named)}
    changed = True
    while changed:
        changed = False
        for user in reversed(order):  # callers first: without recursion, once is enough
            for key, origins in summaries[user].given.items():
                value = _resolved(names, held, user, origins) & known
                before = held.get(key, 0)
                if value | before != before:
                    held[key] = value | before
                    changed = True
    return held


def _resolved(names: Names, held: Mapping[tuple[int, str], int], user: int, origins: int) -> int:
    """Origins within one component, as origins in the program: parameters stand for what they hold."""
    first = names.first_parameter
    found = origins & ((1 << first) - 1)
    for offset in names.places(origins >> first):
        found |= held.get((user, names.interfaces[user].named[offset]), 0)
    for place in names.places(found & ((1 << names.n) - 1)):
        found |= held.get((place, ""), 0) if names.components[place].kind == "constant" else 0
    return found


def _flows_into(names: Names, place: int, summaries: Sequence[Summary], held: Mapping[tuple[int, str], int], entry: str) -> Iterator[Flow]:
    component = names.components[place]
    if component.kind not in CALLABLE:
        return
    for parameter in names.interfaces[place].named:
        origins = held.get((place, parameter), 0)
        if component.name == entry:  # what it was given is no news
            origins &= ~(1 << (names.first_parameter + names.interfaces[place].named.index(parameter)))
        yield from _told(names, origins, component.name, parameter, entry)
    if component.kind == "prompt":
        yield from _options(names, component, names.nodes[place])
    else:
        yield from _told(names, _resolved(names, held, place, summaries[place].returns), component.name, "", entry)


def _told(names: Names, origins: int, target: str, parameter: str, entry: str) -> Iterator[Flow]:
    for place in names.places(origins & ((1 << names.n) - 1)):
        source = names.components[place]
        if source.kind != "type":
            kind: FlowKind = "constant" if source.kind == "constant" else "output"
            yield Flow(source=source.name, target=target, parameter=parameter, kind=kind)
    for offset in names.places(origins >> names.first_parameter):
        source_name = names.interfaces[names.index[entry]].named[offset]
        yield Flow(source=source_name, target=target, parameter=parameter, kind="input")


def _options(names: Names, component: Component, node: ast.stmt) -> Iterator[Flow]:
    """What a prompt's decorator brings in: answers of its tools, and constants."""
    calls = [item for item in getattr(node, "decorator_list", ()) if isinstance(item, ast.Call)]
    for keyword in (keyword for call in calls for keyword in call.keywords):
        named = [item.id for item in ast.walk(keyword.value) if isinstance(item, ast.Name) and item.id in names.index]
        for name in dict.fromkeys(named):
            kind = names.components[names.index[name]].kind
            if keyword.arg == "tools" and kind in CALLABLE:
                yield Flow(source=name, target=component.name, parameter="", kind="tool")
            elif kind == "constant":
                yield Flow(source=name, target=component.name, parameter=keyword.arg or "", kind="option")
