"""Compose: the text of new prompts, instructions and calls, as a person would lay it out."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Final

from .cutting import split, statement_of
from .document import Document
from .edit import AddImport, apply
from .options import LINE_LENGTH, options_of
from .parse import Kinds, parse
from .parsing import expression_of
from .program import Component, Program
from .rename import fresh_name, words_of
from .splice import spliced
from .structure import syntax

__all__ = [
    "DECODING",
    "MAX_INSTRUCTION",
    "call_source",
    "decoding_of",
    "imported_as",
    "importing",
    "instruction_of",
    "is_json_type",
    "new_name",
    "placeholders",
    "prompt_source",
    "with_instruction",
]

DECODING: Final = ("model", "temperature", "top_p", "max_tokens")
MAX_INSTRUCTION: Final = 2_000
"""Characters of an instruction that moves write, so that instructions quoted in others do not pile up."""

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_PACKAGE: Final = "graftwork.programs"
_JSON_NAMES: Final = frozenset(("str", "int", "float", "bool", "list", "dict", "None", "Literal", "Optional"))


def new_name(program: Program, wanted: str) -> str:
    """A name that stands nowhere in a program's text, such as `verify_plan` or, where that is taken, `verify_plan_2`."""
    return fresh_name(wanted, words_of([program]) | frozenset((*dir(builtins), *keyword.kwlist)))


def instruction_of(component: Component) -> str:
    """A component's docstring, cleaned of its indentation; empty where it has none."""
    node = syntax(component)
    return (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""


def placeholders(instruction: str) -> frozenset[str]:
    """Names in braces: what `render` puts an input in for, where there is one of that name."""
    return frozenset(_PLACEHOLDER.findall(instruction))


def decoding_of(component: Component) -> Mapping[str, str]:
    """Model and decoding options of a prompt, as written; empty for other components."""
    options = options_of(component) if component.kind == "prompt" else None
    return {name: text for name, text in (options or {}).items() if name in DECODING}


def is_json_type(annotation: str) -> bool:
    """Whether a type is written, and made of what JSON has: models are asked for such values, and give them to tools."""
    if not annotation:
        return False
    try:
        nodes = list(ast.walk(expression_of(annotation)))
    except SyntaxError:  # a quoted annotation may say anything
        return False
    return all(item.id in _JSON_NAMES for item in nodes if isinstance(item, ast.Name)) and not any(
        isinstance(item, ast.Attribute) for item in nodes
    )


def prompt_source(
    *, name: str, parameters: Mapping[str, str], returns: str, instruction: str, options: Mapping[str, str], decorator: str = "prompt"
) -> str:
    """The text of a prompt.

    Args:
        name: Its name.
        parameters: Annotation of each parameter by name, in order; empty where it has none.
        returns: Annotation of the output; empty for none.
        instruction: Its docstring.
        options: Each option's expression as text, by name.
        decorator: What the program calls `prompt`.
    """
    head = call_source(f"@{decorator}", [f"{option}={text}" for option, text in options.items()]) if options else f"@{decorator}"
    fields = [f"{parameter}: {kind}" if kind else parameter for parameter, kind in parameters.items()]
    tail = f" -> {returns}:" if returns else ":"
    return f"{head}\n{call_source(f'def {name}', fields, tail=tail)}\n    {_docstring(instruction, '    ')}"


def with_instruction(prompt: Component, instruction: str) -> str:
    """A prompt's text with another docstring."""
    node = syntax(prompt)
    match node:
        case ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str())) as first, *_]):
            line = prompt.source.encode().splitlines()[first.lineno - 1][: first.col_offset].decode()
            return spliced(prompt.source, first, _docstring(instruction, line if not line.strip() else "    "))
    return prompt.source


def call_source(name: str, arguments: Sequence[str], *, indent: str = "", tail: str = "") -> str:
    """A call's text on one line, or with one argument a line where that would be too long.

    Args:
        name: What is called, with whatever stands before it on its line.
        arguments: Each argument as text.
        indent: How far the line is indented.
        tail: What follows on the last line.
    """
    line = f"{name}({', '.join(arguments)})"
    if not arguments or ("\n" not in line and len(indent) + len(line) + len(tail) <= LINE_LENGTH):
        return line + tail
    return f"{name}(\n" + "".join(f"{indent}    {argument},\n" for argument in arguments) + f"{indent}){tail}"


def imported_as(program: Program, public: str) -> str:
    """What a program calls one of Graftwork's names: as it imports it, or the name itself where that is free; empty where it is not."""
    kinds = Kinds.of(program)
    for item in program.imports:
        if kinds.origin(ast.Name(id=item.name, ctx=ast.Load())) == f"{_PACKAGE}.{public}":
            return item.name
    return public if new_name(program, public) == public else ""


def importing(program: Program, public: str) -> Program:
    """The program with one of Graftwork's names imported beside those that it imports already."""
    kinds = Kinds.of(program)
    if any(kinds.origin(ast.Name(id=item.name, ctx=ast.Load())) == f"{_PACKAGE}.{public}" for item in program.imports):
        return program
    pieces = () if Document(program.source, pieces=program.pieces).has_blocks else split(program.source)
    texts = [piece.text for piece in pieces]
    for index, piece in enumerate(pieces):
        match statement_of(piece.text) if piece.kind == "import" else None:
            # One that is laid out over lines, or has a comment, stays as it is.
            case ast.ImportFrom(module=module, names=names, level=0) as node if module == _PACKAGE and piece.text == ast.unparse(node):
                both = sorted([*names, ast.alias(name=public)], key=lambda alias: alias.name)
                texts[index] = ast.unparse(ast.ImportFrom(module=_PACKAGE, names=both, level=0))
                return parse("".join(texts))
    return apply(program, [AddImport(statement=f"from {_PACKAGE} import {public}")])


def _docstring(instruction: str, indent: str) -> str:
    """A docstring's literal; its lines after the first are indented."""
    text = instruction.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    text = "".join(item if item.isprintable() or item in "\n\t" else item.encode("unicode_escape").decode() for item in text)
    if "\n" not in text:
        return f'"""{text[:-1]}\\""""' if text.endswith('"') else f'"""{text}"""'
    first, *rest = text.split("\n")
    lines = [first, *(f"{indent}{line}" if line.strip() else "" for line in rest)]
    return '"""' + "\n".join(lines) + f'\n{indent}"""'
