"""Drawing: a program's structure as text for a terminal, and as a Mermaid flowchart for a file."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from .dataflow import nearest_flows
from .options import options_of
from .outline import Stage, outline
from .parsing import expression_of
from .program import CALLABLE, Component, ComponentKind, Program
from .signature import Parameter, signature_of
from .structure import reachable

__all__ = ["WIDTH", "draw_mermaid", "draw_text"]

WIDTH: Final = 100
"""No line of a drawing is longer."""

_MARKS: Final[Mapping[str, str]] = {"positional": "", "any": "", "keyword": "", "rest": "*", "keywords": "**"}
_SHAPES: Final[Mapping[ComponentKind, tuple[str, str]]] = {
    "prompt": ('(["', '"])'),
    "tool": ('[["', '"]]'),
    "function": ('["', '"]'),
    "constant": ('[("', '")]'),
    "type": ('{{"', '"}}'),
}
# What would end a label, begin markup or be taken for an entity; Mermaid writes characters as `#code;`.
_ESCAPED: Final = {ord(character): f"#{ord(character)};" for character in '"#&<>`|%\\{}[]()*_;'}


def draw_text(program: Program, entry: str) -> str:
    """The calls of a program as a tree: the entry at the top, below each component what it calls, in order.

    A component is taken apart where it is first met. Tools hang below the prompt that has them. The last lines name what is used
    without being called there, such as what a class, a constant or a decorator calls, and what is never reached.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    used = reachable(program, entry)
    lines = [_cut(_headline(program[entry]))]
    seen = {entry}
    lines += [_cut(prefix + text) for prefix, text in _branches(program, program[entry], seen=seen)]
    for label, kinds in (("reached in other ways", CALLABLE), ("constants", {"constant"}), ("types", {"type"})):
        names = [component.name for component in program.components if component.kind in kinds and component.name in used - seen]
        lines += _listed(label, names)
    return "\n".join([*lines, *_listed("never reached", [name for name in program.names if name not in used])])


def draw_mermaid(program: Program, entry: str) -> str:
    """The data flow of a program as a Mermaid flowchart: one shape for each kind, an arrow for each parameter that a value reaches.

    A value that passes through a function is drawn up to it, and from it on.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    used = reachable(program, entry)
    drawn = [component for component in program.components if component.name in used and component.kind != "type"]
    ids = {component.name: f"n{place}" for place, component in enumerate(drawn)}
    found = nearest_flows(program, entry)
    inputs = {name: f"i{place}" for place, name in enumerate(dict.fromkeys(flow.source for flow in found if flow.kind == "input"))}
    lines = ["flowchart TD"]
    lines += [f'    {place}[/"{_escaped(name)}"/]' for name, place in inputs.items()]
    for component in drawn:
        left, right = _SHAPES[component.kind]
        lines.append(f"    {ids[component.name]}{left}{_escaped(_signed(component))}{right}")
    for flow in found:
        source = inputs[flow.source] if flow.kind == "input" else ids[flow.source]
        arrow = "-.->" if flow.kind in {"tool", "option"} else "-->"
        label = flow.parameter or ("tool" if flow.kind == "tool" else "returned")
        lines.append(f'    {source} {arrow}|"{_escaped(label)}"| {ids[flow.target]}')
    return "\n".join([*lines, f"    style {ids[entry]} stroke-width:3px"]) + "\n"


def _branches(program: Program, component: Component, *, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Lines below a component, each as the tree's strokes and its text."""
    if component.kind == "prompt":
        refs = (item for item in program.components if item.name in component.refs)
        steps = tuple(Stage(component=item.name) for item in refs if item.kind in {"tool", "function"})
    else:
        steps = outline(program, component)
    yield from _drawn(program, steps, seen=seen)


def _drawn(program: Program, steps: Iterable[Stage], *, seen: set[str]) -> Iterator[tuple[str, str]]:
    groups = [(step, len(list(equal))) for step, equal in groupby(steps)]
    for place, (step, n) in enumerate(groups):
        corner, bar = ("└─ ", "   ") if place == len(groups) - 1 else ("├─ ", "│  ")
        times = f" ×{n}" if n > 1 else ""
        if not step.component:
            yield corner, step.label + times
            below = _drawn(program, step.steps, seen=seen)
        else:
            component = program[step.component]
            again = step.component in seen
            seen.add(step.component)
            text = f"{component.kind} {component.name}{times} (above)" if again else _headline(component, times)
            yield corner, text + (f", {step.label}" if step.label else "")
            below = iter(()) if again else _branches(program, component, seen=seen)
        yield from ((bar + prefix, text) for prefix, text in below)


def _headline(component: Component, times: str = "") -> str:
    said = ", ".join(_options(component)) if component.kind == "prompt" else ""
    return f"{component.kind} {_signed(component)}{times}" + (f" · {said}" if said else "")


def _options(prompt: Component) -> Iterator[str]:
    options = options_of(prompt)
    if options is None:
        yield "options that cannot be read"
    for name, text in (options or {}).items():
        if name == "demos":
            node = expression_of(text)
            n = len(node.elts) if isinstance(node, ast.List | ast.Tuple) else 0
            yield f"{n} demo{'s' * (n > 1)}" if n else f"demos={text}"
        elif name != "tools":
            yield f"{name}={text}"


def _signed(component: Component) -> str:
    signature = signature_of(component)
    if signature is None:
        return component.name
    returns = f" -> {signature.returns}" if signature.returns else ""
    return f"{component.name}({', '.join(map(_parameter, signature.parameters))}){returns}"


def _parameter(parameter: Parameter) -> str:
    annotation = f": {parameter.annotation}" if parameter.annotation else ""
    equals = " = " if annotation else "="
    return f"{_MARKS[parameter.kind]}{parameter.name}{annotation}{equals + parameter.default if parameter.default else ''}"


def _listed(label: str, names: Collection[str]) -> list[str]:
    return [_cut(f"{label}: {', '.join(names)}")] if names else []


def _cut(line: str) -> str:
    line = " ".join(line.splitlines())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _escaped(text: str) -> str:
    return " ".join(text.split()).translate(_ESCAPED)
