"""Standalone: what only an exported file has: decorators without a session, and inputs and outputs as JSON lines."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .decode import plain
from .direct import answered

__all__ = ["prompt", "serve", "tool"]


def prompt(function: Any = None, /, **options: Any) -> Any:
    """Have a model do the body of a function: its docstring is the instruction, its signature the typed interface."""
    return answered(function, options) if function else lambda function: answered(function, options)  # type: ignore[arg-type]


def tool(function: Any) -> Any:
    """Mark a function that prompts may hand to their model."""
    return function


def serve(entry: Callable[..., Any], examples: Sequence[dict[str, Any]]) -> None:
    """Call the entry on JSON lines of inputs from standard input, or on the examples; print outputs as JSON lines."""
    typed = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    for inputs in [json.loads(line) for line in typed.splitlines() if line.strip()] or examples:
        print(json.dumps(entry(**inputs), ensure_ascii=False, default=plain), flush=True)  # noqa: T201 - its output
