"""Check of prompts: a docstring that instructs, options that can be read without running, and no body."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from .defect import Defect, defect_at
from .parse import Kinds
from .program import Component, Program
from .structure import syntax
from .syntax import does_nothing

__all__ = ["PROMPT_OPTIONS", "PromptCheck", "model_defects"]

PROMPT_OPTIONS: Final = frozenset(("demos", "max_tokens", "model", "temperature", "tools", "top_p"))
_ALLOWED: Final = ", ".join(sorted(PROMPT_OPTIONS))
_PLACEHOLDER: Final = re.compile(r"(?<![\w\\{}$])\{([A-Za-z_]\w*)\}(?!\})")


class PromptCheck:
    """Finds the defects of a program's prompts. What all of them need is looked up once.

    Args:
        program: What the prompts belong to: tools and constants are looked up there.
    """

    def __init__(self, program: Program) -> None:
        self._kinds = Kinds.of(program)
        self._constants = frozenset(item.name for item in program.components if item.kind == "constant")
        self._callables = frozenset(item.name for item in program.components if item.kind in {"tool", "function"})

    def defects(self, component: Component, node: ast.FunctionDef) -> Iterator[Defect]:
        """Of one prompt: the component, and its definition parsed from its own text."""
        doc = ast.get_docstring(node, clean=False)
        parameters = [item.arg for group in (node.args.posonlyargs, node.args.args, node.args.kwonlyargs) for item in group]
        if not (doc and doc.strip()):
            yield defect_at(component, node, "a prompt without a docstring: the docstring is the instruction; write one")
        for statement in node.body[1:] if doc is not None else node.body:
            if not does_nothing(statement):
                yield defect_at(
                    component, statement, "a prompt with a body: a model does it; leave only the docstring, or drop the decorator"
                )
                break
        for name in dict.fromkeys(_PLACEHOLDER.findall(doc or "")):
            if name not in parameters:
                known = f"its parameters are {', '.join(parameters)}" if parameters else "it has no parameters"
                yield defect_at(component, node, f"{{{name}}} stays as it is: {known}", severity="warning")
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and self._kinds.decorated(decorator) == "prompt":
                yield from self._option_defects(component, decorator, parameters)

    def _option_defects(self, component: Component, call: ast.Call, parameters: list[str]) -> Iterator[Defect]:
        if call.args:
            yield defect_at(component, call.args[0], f"@prompt takes keywords only: {_ALLOWED}")
        for keyword in call.keywords:
            value = keyword.value
            if keyword.arg not in PROMPT_OPTIONS:
                yield defect_at(component, value, f"@prompt has no option {keyword.arg or '**'!r}; it takes {_ALLOWED}")
            elif keyword.arg == "tools":
                yield from self._tools_defects(component, value)
            elif not _is_plain(value, self._constants):
                yield defect_at(component, value, f"{keyword.arg} must be a literal or a constant of the program, not an expression")
            elif problem := _value_problem(keyword.arg, value):
                yield defect_at(component, value, problem)
            elif keyword.arg == "demos":
                yield from _demos_defects(component, value, parameters)

    def _tools_defects(self, component: Component, value: ast.expr) -> Iterator[Defect]:
        if not isinstance(value, ast.List | ast.Tuple):
            yield defect_at(component, value, "tools must be a list of names, such as tools=[calculate]")
            return
        for item in value.elts:
            if not (isinstance(item, ast.Name) and item.id in self._callables):
                known = ", ".join(sorted(self._callables - {component.name})) or "none"
                yield defect_at(
                    component, item, f"tools must name tools or functions of the program ({known}), not {ast.unparse(item)[:80]}"
                )


def model_defects(program: Program, models: Collection[str]) -> Iterator[Defect]:
    """Prompts that name a model which is not there.

    Args:
        program: The program.
        models: What may be named.
    """
    kinds = Kinds.of(program)
    for prompt in program.prompts:
        # The text decides whether the syntax is worth another reading.
        node = syntax(prompt) if "model" in prompt.source else None
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            if not (isinstance(decorator, ast.Call) and kinds.decorated(decorator) == "prompt"):
                continue
            for keyword in decorator.keywords:
                named = _literal(program, keyword.value) if keyword.arg == "model" else None
                if isinstance(named, str) and named not in models:
                    known = f"it has {', '.join(sorted(models))}" if models else "it has none"
                    message = f"the run has no model {named[:80]!r}: {known}; name one of them, or add it with --also-model NAME"
                    yield defect_at(prompt, keyword.value, message)


def _literal(program: Program, value: ast.expr) -> object:
    """What a literal, or a constant of the program that is one, stands for; None where neither."""
    if isinstance(value, ast.Name) and value.id in program:
        statement = syntax(program[value.id])
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None else value
    return value.value if isinstance(value, ast.Constant) else None


def _demos_defects(component: Component, value: ast.expr, parameters: list[str]) -> Iterator[Defect]:
    shape = '{"inputs": {…}, "output": …}'
    for item in value.elts if isinstance(value, ast.List | ast.Tuple) else ():
        if isinstance(item, ast.Name):
            continue
        fields = _fields(item)
        inputs = fields.get("inputs")
        if set(fields) != {"inputs", "output"} or not isinstance(inputs, ast.Dict | ast.Name):
            yield defect_at(component, item, f"a demonstration must be {shape}")
        elif isinstance(inputs, ast.Dict) and (unknown := sorted(map(str, _fields(inputs).keys() - set(parameters)))):
            yield defect_at(component, item, f"a demonstration has inputs that are no parameters: {', '.join(unknown)}")


def _fields(node: ast.expr) -> Mapping[object, ast.expr]:
    """The items of a dict display by literal key; a key that is no literal stands as None."""
    if not isinstance(node, ast.Dict):
        return {}
    return {key.value if isinstance(key, ast.Constant) else None: value for key, value in zip(node.keys, node.values, strict=True)}


def _value_problem(option: str, value: ast.expr) -> str:
    """Why a literal does not suit an option; empty when it does or when it is a constant's name."""
    if isinstance(value, ast.Name):
        return ""
    literal = value.value if isinstance(value, ast.Constant) else ast.literal_eval(value) if isinstance(value, ast.UnaryOp) else None
    match option:
        case "temperature" if not _is_number(literal, 0.0, 2.0):
            return "temperature must be a number from 0 to 2"
        case "top_p" if not _is_number(literal, 0.0, 1.0):
            return "top_p must be a number from 0 to 1"
        case "max_tokens" if not (type(literal) is int and literal >= 1):
            return "max_tokens must be an integer of at least 1"
        case "model" if not (isinstance(literal, str) and literal):
            return "model must be a model's name in quotes"
        case "demos" if not isinstance(value, ast.List | ast.Tuple):
            return "demos must be a list of demonstrations"
    return ""


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_plain(node: ast.expr | None, constants: Collection[str]) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name in constants
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return all(_is_plain(item, constants) for item in items)
        case ast.Dict(keys=keys, values=values):
            return all(_is_plain(item, constants) for item in (*keys, *values))
    return False
