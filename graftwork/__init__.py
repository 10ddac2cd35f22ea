"""Graftwork makes an LLM program better by evolving it.

Bring a program (one Python file of prompts, tools and code) and a task (examples and a score):

    import graftwork as gw

    result = gw.optimize("program.py", examples, score)
    print(result.best)

Every public name is loaded when it is first used, so that importing this costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from graftwork.evaluators.calibration import Calibration, calibrate
    from graftwork.evaluators.composite import composite
    from graftwork.evaluators.datasets import read_examples
    from graftwork.evaluators.json_equality import json_equality
    from graftwork.evaluators.load import load_task
    from graftwork.evaluators.load import make_task as task
    from graftwork.evaluators.model_judge import model_judge
    from graftwork.evaluators.scorers import choice, contains, exact, numeric
    from graftwork.evaluators.task import Example, Limits, Look, Resources, Score, Task
    from graftwork.evaluators.text_scorers import regex, token_f1
    from graftwork.evaluators.tools import ToolScorer
    from graftwork.evaluators.unit_tests import unit_tests
    from graftwork.flows.optimize import Optimized, optimize
    from graftwork.programs.errors import GraftworkError, ProgramFailed, UserError
    from graftwork.programs.program import Program
    from graftwork.search.record import Record
    from graftwork.search.record import open_run as open  # noqa: A004 - `gw.open(run)` is what a person types

__all__ = [
    "Calibration",
    "Example",
    "GraftworkError",
    "Limits",
    "Look",
    "Optimized",
    "Program",
    "ProgramFailed",
    "Record",
    "Resources",
    "Score",
    "Task",
    "ToolScorer",
    "UserError",
    "calibrate",
    "choice",
    "composite",
    "contains",
    "exact",
    "json_equality",
    "load_task",
    "model_judge",
    "numeric",
    "open",
    "optimize",
    "read_examples",
    "regex",
    "task",
    "token_f1",
    "unit_tests",
]

_HOMES: Final = {
    "Calibration": ("graftwork.evaluators.calibration", "Calibration"),
    "Example": ("graftwork.evaluators.task", "Example"),
    "GraftworkError": ("graftwork.programs.errors", "GraftworkError"),
    "Limits": ("graftwork.evaluators.task", "Limits"),
    "Look": ("graftwork.evaluators.task", "Look"),
    "Optimized": ("graftwork.flows.optimize", "Optimized"),
    "Program": ("graftwork.programs.program", "Program"),
    "ProgramFailed": ("graftwork.programs.errors", "ProgramFailed"),
    "Record": ("graftwork.search.record", "Record"),
    "Resources": ("graftwork.evaluators.task", "Resources"),
    "Score": ("graftwork.evaluators.task", "Score"),
    "Task": ("graftwork.evaluators.task", "Task"),
    "ToolScorer": ("graftwork.evaluators.tools", "ToolScorer"),
    "UserError": ("graftwork.programs.errors", "UserError"),
    "calibrate": ("graftwork.evaluators.calibration", "calibrate"),
    "choice": ("graftwork.evaluators.scorers", "choice"),
    "composite": ("graftwork.evaluators.composite", "composite"),
    "contains": ("graftwork.evaluators.scorers", "contains"),
    "exact": ("graftwork.evaluators.scorers", "exact"),
    "json_equality": ("graftwork.evaluators.json_equality", "json_equality"),
    "load_task": ("graftwork.evaluators.load", "load_task"),
    "model_judge": ("graftwork.evaluators.model_judge", "model_judge"),
    "numeric": ("graftwork.evaluators.scorers", "numeric"),
    "open": ("graftwork.search.record", "open_run"),
    "optimize": ("graftwork.flows.optimize", "optimize"),
    "read_examples": ("graftwork.evaluators.datasets", "read_examples"),
    "regex": ("graftwork.evaluators.text_scorers", "regex"),
    "task": ("graftwork.evaluators.load", "make_task"),
    "token_f1": ("graftwork.evaluators.text_scorers", "token_f1"),
    "unit_tests": ("graftwork.evaluators.unit_tests", "unit_tests"),
}


def __getattr__(name: str) -> object:
    """Load a public name (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'graftwork' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
