"""Options: what a prompt's decorator says, read and written as text: tools, demonstrations, model, decoding."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from .program import Component
from .splice import spliced, spliced_all, text_of
from .structure import syntax

__all__ = ["LINE_LENGTH", "options_of", "with_options"]

LINE_LENGTH: Final = 110
"""A decorator that is longer is written with one option a line."""


def options_of(prompt: Component) -> Mapping[str, str] | None:
    """The options of a prompt by name, each as written, in order; None where its decorator cannot be read (it takes `**options`)."""
    decorator = _decorator(prompt)
    if decorator is None:
        return None
    found: dict[str, str] = {}
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg is None:
            return None
        found[keyword.arg] = text_of(prompt.source, keyword.value)
    return found


def with_options(prompt: Component, options: Mapping[str, str]) -> str:
    """A prompt's text with other options, all of them. Where none comes or goes, only the values that differ are written anew.

    Args:
        prompt: The prompt.
        options: Each option's expression as text, by name; what `options_of` gave, changed.
    """
    decorator = _decorator(prompt)
    if decorator is None:
        return prompt.source
    written = {item.arg: item.value for item in decorator.keywords if item.arg} if isinstance(decorator, ast.Call) else {}
    if options and written.keys() == options.keys():
        changed = [(value, options[name]) for name, value in written.items() if text_of(prompt.source, value) != options[name]]
        return spliced_all(prompt.source, changed)
    name = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
    parts = [f"{option}={value}" for option, value in options.items()]
    line = f"{name}({', '.join(parts)})" if parts else name
    if len(line) > LINE_LENGTH or "\n" in line:
        line = f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"
    return spliced(prompt.source, decorator, line)


def _decorator(prompt: Component) -> ast.expr | None:
    """What makes it a prompt: its only decorator, or the one that is called so."""
    function = syntax(prompt)
    if not isinstance(function, ast.FunctionDef):
        return None
    decorators = function.decorator_list
    named = [item for item in decorators if _called(item) == "prompt"]
    return next(iter(named or decorators), None)


def _called(decorator: ast.expr) -> str:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
