"""What evolves: parse, check, edit, graft, run, trace, export.

A program writes `from graftwork.programs import prompt, tool, vote, parallel, retry`; those names stand on the standard library
alone, because the sandbox's child imports them. Everything else is imported when it is first asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final

from .runtime import parallel, prompt, retry, tool, vote

if TYPE_CHECKING:
    from .check import check
    from .edit import apply, diff
    from .export import ExportHeader, export, strip_export
    from .openai_model import OpenAIModel
    from .parse import parse
    from .program import Component, Program
    from .scripted import NoModel, ScriptedModel

__all__ = [
    "Component",
    "ExportHeader",
    "NoModel",
    "OpenAIModel",
    "Program",
    "ScriptedModel",
    "apply",
    "check",
    "diff",
    "export",
    "parallel",
    "parse",
    "prompt",
    "retry",
    "strip_export",
    "tool",
    "vote",
]

_MODULE_OF: Final = MappingProxyType(
    {
        "Component": "program",
        "ExportHeader": "export",
        "NoModel": "scripted",
        "OpenAIModel": "openai_model",
        "Program": "program",
        "ScriptedModel": "scripted",
        "apply": "edit",
        "check": "check",
        "diff": "edit",
        "export": "export",
        "parse": "parse",
        "strip_export": "export",
    }
)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """A package whose functions keep their names when a submodule of the same name (`parse`, `check`, `export`) is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULE_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
