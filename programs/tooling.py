"""Tooling: which tools and functions of a program a prompt hands to its model."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .compose import instruction_of, is_json_type
from .edit import Replace, apply
from .moves import Context, Moved, Place, asks, changeable
from .options import options_of, with_options
from .parsing import expression_of
from .program import Component, Program
from .signature import signature_of

__all__ = ["MAX_TOOLS", "AddTool", "RemoveTool"]

MAX_TOOLS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTool:
    """One more tool of a prompt. A place's choice is the tool's name."""

    name: str = "add_tool"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Prompts, each with every tool or function that a model can be told of and that asks no model itself."""
        offered = [item.name for item in program.components if item.name != context.entry and _is_tool(program, item)]
        return tuple(
            Place(component=prompt.name, choice=tool)
            for prompt, tools in _open_prompts(program, context)
            if len(tools) < MAX_TOOLS
            for tool in offered
            if tool not in tools
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the tool at the end of the prompt's list."""
        tools = [*(_tools(program[place.component]) or ()), place.choice]
        return Moved(program=_with_tools(program, place.component, tools), note=f"{place.component} may use {place.choice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTool:
    """One tool less of a prompt. A place's choice is the tool's name."""

    name: str = "remove_tool"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Prompts, each with every tool that it has."""
        return tuple(Place(component=prompt.name, choice=tool) for prompt, tools in _open_prompts(program, context) for tool in tools)

    def apply(self, program: Program, place: Place) -> Moved:
        """The program without the tool in the prompt's list."""
        tools = [tool for tool in _tools(program[place.component]) or () if tool != place.choice]
        return Moved(program=_with_tools(program, place.component, tools), note=f"{place.component} no longer uses {place.choice}")


def _open_prompts(program: Program, context: Context) -> Iterator[tuple[Component, list[str]]]:
    """The prompts that may change and whose tools can be read."""
    open_names = changeable(program, context)
    for prompt in program.prompts:
        if prompt.name in open_names and (tools := _tools(prompt)) is not None:
            yield prompt, tools


def _tools(prompt: Component) -> list[str] | None:
    """The names in a prompt's list of tools; None where they cannot be read."""
    options = options_of(prompt)
    if options is None or "tools" not in options:
        return None if options is None else []
    # In brackets, because a list that is written over several lines is no expression by itself.
    listed = expression_of(f"({options['tools']})")
    if not isinstance(listed, ast.List | ast.Tuple):
        return None
    names = [item.id for item in listed.elts if isinstance(item, ast.Name)]
    return names if len(names) == len(listed.elts) else None


def _with_tools(program: Program, name: str, tools: list[str]) -> Program:
    prompt = program[name]
    others = {option: text for option, text in (options_of(prompt) or {}).items() if option != "tools"}
    options = {"tools": f"[{', '.join(tools)}]", **others} if tools else others
    return apply(program, [Replace(name=name, source=with_options(prompt, options))])


def _is_tool(program: Program, component: Component) -> bool:
    """Whether a model can be told what a component does and takes, and calling it asks no model."""
    signature = signature_of(component)
    if component.kind not in ("tool", "function") or signature is None or not instruction_of(component):
        return False
    plain = all(parameter.kind in ("any", "keyword") and is_json_type(parameter.annotation) for parameter in signature.parameters)
    return plain and bool(signature.parameters) and not asks(program, component.name)
