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

__all__ = ["PROMPT_OPTIONS", "model_defects", "prompt_defects"]

PROMPT_OPTIONS: Final = frozenset(("demos", "max_tokens", "model", "temperature", "tools", "top_p"))
_PLACEHOLDER: Final = re.compile(r"(?<![\w\\{}$])\{([A-Za-z_]\w*)\}(?!\})")


def prompt_defects(program: Program, component: Component, node: ast.FunctionDef) -> Iterator[Defect]:
    """The defects of one prompt.

    Args:
        program: What it belongs to: tools and constants are looked up there.
        component: The prompt.
        node: Its definition, parsed from its own text.
    """
    doc = ast.get_docstring(node)
    parameters = [item.arg for group in (node.args.posonlyargs, node.args.args, node.args.kwonlyargs) for item in group]
    if not (doc and doc.strip()):
        yield defect_at(component, node, "a prompt without a docstring: the docstring is the instruction; write one")
    for statement in node.body[1:] if doc is not None else node.body:
        if not does_nothing(statement):
            yield defect_at(component, statement, "a prompt with a body: a model does it; leave only the docstring, or drop the decorator")
            break
    for name in dict.fromkeys(_PLACEHOLDER.findall(doc or "")):
        if name not in parameters:
            known = f"its parameters are {', '.join(parameters)}" if parameters else "it has no parameters"
            yield defect_at(component, node, f"{{{name}}} stays as it is: {known}", severity="warning")
    kinds = Kinds.of(program)
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and kinds.decorated(decorator) == "prompt":
            yield from _option_defects(program, component, decorator, parameters)


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


def _option_defects(program: Program, component: Component, call: ast.Call, parameters: list[str]) -> Iterator[Defect]:
    allowed = ", ".join(sorted(PROMPT_OPTIONS))
    if call.args:
        yield defect_at(component, call.args[0], f"@prompt takes keywords only: {allowed}")
    constants = {item.name: item.kind for item in program.components}
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg not in PROMPT_OPTIONS:
            yield defect_at(component, value, f"@prompt has no option {keyword.arg or '**'!r}; it takes {allowed}")
        elif keyword.arg == "tools":
            yield from _tools_defects(program, component, value)
        elif not _is_plain(value, constants):
            yield defect_at(component, value, f"{keyword.arg} must be a literal or a constant of the program, not an expression")
        elif problem := _value_problem(keyword.arg, value):
            yield defect_at(component, value, problem)
        elif keyword.arg == "demos":
            yield from _demos_defects(component, value, parameters)


def _tools_defects(program: Program, component: Component, value: ast.expr) -> Iterator[Defect]:
    if not isinstance(value, ast.List | ast.Tuple):
        yield defect_at(component, value, "tools must be a list of names, such as tools=[calculate]")
        return
    callables = {item.name for item in program.components if item.kind in {"tool", "function"}}
    for item in value.elts:
        if not (isinstance(item, ast.Name) and item.id in callables):
            known = ", ".join(sorted(callables - {component.name})) or "none"
            yield defect_at(component, item, f"tools must name tools or functions of the program ({known}), not {ast.unparse(item)[:80]}")


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
    literal = ast.literal_eval(value) if isinstance(value, ast.Constant | ast.UnaryOp) else None
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


def _is_plain(node: ast.expr | None, constants: Mapping[str, str]) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return constants.get(name) == "constant"
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return all(_is_plain(item, constants) for item in items)
        case ast.Dict(keys=keys, values=values):
            return all(_is_plain(item, constants) for item in (*keys, *values))
    return False
