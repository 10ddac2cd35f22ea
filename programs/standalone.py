"""Standalone: what only an exported file has: decorators without a session, and inputs and outputs as JSON lines."""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .decode import plain
from .direct import answered

__all__ = ["prompt", "serve", "tool"]


def prompt(function: Any = None, /, **options: Any) -> Any:
    """Have a model do the body of a function: its docstring is the instruction, its signature the typed interface."""
    return answered(function, options) if function else lambda function: answered(function, options)


def tool(function: Any) -> Any:
    """Mark a function that prompts may hand to their model."""
    return function


def serve(entry: Callable[..., Any], examples: Sequence[dict[str, Any]]) -> None:
    """Call the entry on JSON lines of inputs from standard input, or on the examples; print outputs as JSON lines."""
    typed = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    lines = [(number, line) for number, line in enumerate(typed.split("\n"), 1) if line.strip()]
    for inputs in [inputs_of(entry, line, number) for number, line in lines] or examples:
        print(json.dumps(entry(**inputs), ensure_ascii=False, default=plain), flush=True)  # noqa: T201 - its output


def inputs_of(entry: Callable[..., Any], line: str, number: int) -> dict[str, Any]:
    """The inputs on a line; ends the program with one message where they are none."""
    signature = inspect.signature(entry)
    try:
        inputs: dict[str, Any] = json.loads(line)
        signature.bind(**inputs)
    except (ValueError, TypeError) as error:
        sys.exit(f"line {number}: expected a JSON object of the inputs of {entry.__name__}{signature}, got {line.strip()[:80]} ({error})")
    return inputs
