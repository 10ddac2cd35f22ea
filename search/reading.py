"""Reading: from a proposer's reply to a program. Forgiving in form, so that what a small model meant is not lost to how it said it."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Sequence
from typing import Final

from graftwork.programs.cutting import split, statement_of
from graftwork.programs.edit import Add, Replace, apply, graft
from graftwork.programs.errors import ProgramError
from graftwork.programs.layout import Piece
from graftwork.programs.parse import parse
from graftwork.programs.parsing import module_of
from graftwork.programs.program import Component, Program
from graftwork.programs.search_replace import extract_code
from graftwork.programs.structure import reachable, syntax

from .operator import Facts

__all__ = ["PLACEHOLDER", "graft_reply", "head_of", "restored", "snippet_of", "whole_reply"]

_DOCSTRING: Final = re.compile(r'"""(.*?)"""', re.DOTALL)
_CODE: Final = re.compile(r"^\s*(def|class|import|from|return|@\w+|\w+\s*=)\b", re.MULTILINE)
PLACEHOLDER: Final = "NEW TEXT"
"""What stands in a request where the proposer is to write."""

_BUILT_IN: Final = frozenset(dir(builtins))
# What models use without saying where it comes from.
_OFTEN_FORGOTTEN: Final[tuple[tuple[str, str], ...]] = (
    *(
        (name, f"import {name}")
        for name in ("collections", "functools", "itertools", "json", "math", "random", "re", "statistics", "string")
    ),
    *((name, f"from graftwork.programs import {name}") for name in ("parallel", "prompt", "retry", "tool", "vote")),
    *((name, f"from typing import {name}") for name in ("Any", "Dict", "List", "Literal", "Optional", "Tuple", "TypedDict", "Union")),
    ("dataclass", "from dataclasses import dataclass"),
    ("Fraction", "from fractions import Fraction"),
    ("Counter", "from collections import Counter"),
    ("np", "import numpy as np"),
)


def whole_reply(text: str, parent: Program, facts: Facts) -> Program:
    """The program in a reply that should hold a whole one.

    What it uses and leaves out is taken over from the parent; a reply without the entry, or for a module that has none, is taken as a
    part of the parent.

    Raises:
        ProgramError: If there is no program in it, or only the parent's; the message tells the proposer what to write.
    """
    snippet = snippet_of(text, parent)
    if facts.entry not in snippet:
        return graft_reply(text, parent, facts)
    return _changed(restored(_completed(snippet, parent), parent, facts), parent)


def graft_reply(text: str, parent: Program, facts: Facts, *, wanted: str = "") -> Program:
    """The parent with every component of the reply put in its place, or added.

    Args:
        text: The proposer's reply.
        parent: What it was shown.
        facts: Which components stay.
        wanted: The component that was asked for; empty where any will do. A reply of nothing but a docstring is its new instruction.

    Raises:
        ProgramError: If there is no component in it, or nothing changes.
    """
    if wanted in parent and parent[wanted].kind == "prompt":
        text = _with_head(text, parent[wanted])
    snippet = snippet_of(text, parent)
    if wanted and wanted not in snippet and not any(_differs(component, parent, facts) for component in snippet.components):
        raise ProgramError(
            f"expected the new text of `{wanted}` in one Python code block, got {', '.join(snippet.names) or 'no definition'}"
        )
    changed = [component for component in snippet.components if _differs(component, parent, facts)]
    if not changed:
        raise ProgramError("the reply changes nothing: write a version that differs in what it does or says")
    return _changed(restored(graft(parent, _part(snippet, changed)), parent, facts), parent)


def snippet_of(text: str, parent: Program) -> Program:
    """The definitions in a reply: without examples of use at top level, prompts as prompts again, forgotten imports put on top.

    Raises:
        ProgramError: If there is no Python in it that defines anything.
    """
    snippet = parse("\n\n".join(_definitions(extract_code(text), parent)) + "\n")
    if PLACEHOLDER in snippet.source:
        raise ProgramError(f"write what is new where {PLACEHOLDER} stands")
    if not snippet.components:
        raise ProgramError("expected Python definitions in one code block, got none: give the code between ```python and ```")
    forgotten = _forgotten(snippet, parent)
    return parse("\n".join(forgotten) + "\n\n\n" + snippet.source) if forgotten else snippet


def restored(child: Program, parent: Program, facts: Facts) -> Program:
    """The child with every frozen component as the parent has it.

    Raises:
        ProgramError: If what the frozen components need cannot be put back.
    """
    edits: list[Replace | Add] = []
    for name in sorted(facts.frozen & set(parent.names)):
        imports = "\n".join(item.statement for item in parent.imports if item.name in parent[name].refs and item not in child.imports)
        source = f"{imports}\n\n\n{parent[name].source}" if imports else parent[name].source
        if name not in child:
            edits.append(Add(source=source, after=child.names[-1] if child.names else None))
        elif child[name].digest != parent[name].digest:
            edits.append(Replace(name=name, source=source))
    return apply(child, edits) if edits else child


def head_of(component: Component) -> str:
    """The `def` line of a function, without decorators: a reply without them gets those of the parent."""
    node = syntax(component)
    if not isinstance(node, ast.FunctionDef):
        return component.source
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    return f"def {node.name}({ast.unparse(node.args)}){returns}:"


def _with_head(text: str, prompt: Component) -> str:
    """The reply; one that holds a lone docstring and no code gets the `def` line of the prompt above it."""
    found = _DOCSTRING.findall(text)
    if len(found) != 1 or _CODE.search(text):
        return text
    return f'```python\n{head_of(prompt)}\n    """{found[0].strip()}"""\n```'


def _changed(child: Program, parent: Program) -> Program:
    if child.digest == parent.digest:
        raise ProgramError("the reply changes nothing: write a version that differs in what it does or says")
    return child


def _part(snippet: Program, components: Sequence[Component]) -> Program:
    """Some components of a snippet, with the imports that they use."""
    imports = [item for item in snippet.imports if any(item.name in component.refs for component in components)]
    if len(imports) == len(snippet.imports) and len(components) == len(snippet.components):
        return snippet
    return parse("\n\n\n".join(["\n".join(item.statement for item in imports), *(item.source for item in components)]) + "\n")


def _completed(child: Program, parent: Program) -> Program:
    """The child with the components of the parent that it uses and left out."""
    used = {name for component in child.components for name in component.refs} & set(parent.names)
    needed = {name for used_name in used for name in reachable(parent, used_name)} - set(child.names)
    if not needed:
        return child
    return graft(child, _part(parent, [component for component in parent.components if component.name in needed]))


def _differs(component: Component, parent: Program, facts: Facts) -> bool:
    if component.name in facts.frozen:
        return False
    return component.name not in parent or parent[component.name].digest != component.digest


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    return isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign | ast.Import | ast.ImportFrom)


def _definitions(code: str, parent: Program) -> list[str]:
    """The texts of what some code imports and defines at top level."""
    try:
        # Piece by piece, so that what is read here is known when the program is made of it.
        pieces = split(code)
    except ProgramError:
        pass  # not in the form of a program: with calls at the margin, as in an example of use
    else:
        return [_definition_in(piece, parent) for piece in pieces if piece.kind in {"component", "import"}]
    try:
        tree = module_of(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"the code is not Python: {error}", line=getattr(error, "lineno", 0) or 0) from None
    lines = code.splitlines()
    return [_definition(node, lines, parent) for node in tree.body if _defines(node)]


def _definition_in(piece: Piece, parent: Program) -> str:
    lines = piece.text.splitlines()
    if piece.kind == "import":
        return "\n".join(lines[piece.line - piece.first_line :])  # without the comments above it
    return _definition(statement_of(piece.text), lines, parent)


def _definition(node: ast.stmt, lines: Sequence[str], parent: Program) -> str:
    """The text of a definition; a function that is a prompt or a tool in the parent, or can only be one, gets its decorator."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    last = node.end_lineno
    added: list[str] = []
    if isinstance(node, ast.FunctionDef):
        if not decorators and node.name in parent and parent[node.name].kind in ("prompt", "tool"):
            added = _decorators(syntax(parent[node.name]))
        elif not decorators and len(node.body) == 1 and ast.get_docstring(node) is not None:
            # A function that does nothing but say what is to be done can only be meant as a prompt.
            added = ["prompt"]
        if len(node.body) > 1 and ast.get_docstring(node) is not None and _is_prompt(added or _decorators(node)):
            last = node.body[0].end_lineno  # a model does the rest, whatever the reply wrote below it
    return "\n".join([*(f"@{item}" for item in added), *lines[first - 1 : last]])


def _decorators(node: ast.stmt) -> list[str]:
    return [ast.unparse(item) for item in node.decorator_list] if isinstance(node, ast.FunctionDef) else []


def _is_prompt(decorators: Sequence[str]) -> bool:
    return any("prompt" in item.partition("(")[0].split(".") for item in decorators)


def _forgotten(snippet: Program, parent: Program) -> list[str]:
    """Import lines for names that nothing in the snippet or the parent defines, where everybody knows what they mean."""
    defined = {*snippet.names, *parent.names, *(item.name for item in snippet.imports)}
    inherited = {item.name: item.statement for item in parent.imports}
    used = {name for component in snippet.components for name in component.refs} - defined - _BUILT_IN
    known = {**dict(_OFTEN_FORGOTTEN), **inherited}
    return [known[name] for name in sorted(used) if name in known]
