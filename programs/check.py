"""Check: every defect of a program that can be seen without running it, before anything is paid for."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, Required, TypedDict, Unpack

from .blocks import outside
from .check_prompt import PromptCheck, model_defects
from .cutting import split
from .defect import Defect, defect_at
from .duplicates import duplicates
from .errors import ProgramError
from .layout import imported_names, require_compilable
from .parse import PUBLIC_NAMES, parse
from .program import Component, Program
from .structure import misplaced, reachable, syntax
from .worst_case import worst_case_calls

__all__ = ["FORBIDDEN_MODULES", "MAX_CHECKED_BYTES", "Defect", "Rules", "check", "check_source"]

MAX_CHECKED_BYTES: Final = 64 * 1024
FORBIDDEN_MODULES: Final = frozenset(
    ("asyncio", "ctypes", "imp", "importlib", "multiprocessing", "pty", "runpy", "socket", "socketserver", "subprocess")
)
"""Of the standard library; what they do, the sandbox stops anyway. A module with a leading underscore counts as forbidden too."""

# Compiling costs as much as all the rest, and only these can hide what the grammar lets pass.
_SUBTLE_WORDS: Final = ("global ", "nonlocal ", "case ", "except:", ":=", "__debug__")
_LAZY: Final = "from __future__ import annotations"
# A star that follows a comma or a bracket stands among others, where it is in its place.
_STARRED: Final = re.compile(r"\*(?<=[= ]\*)(?<![,(\[{] \*)[\w(\[]")


class Rules(TypedDict, total=False):
    """What a program is held to. `entry` and `parameters` are always given; what is left out is not asked for.

    `entry` is the function that the task calls, empty where the module is used as a whole. `parameters` are the names of the inputs,
    which the entry gets as keywords. `frozen` has digests of components that must be as they are, by name. `packages` are those that may
    be imported beyond the standard library. `models` is what a prompt may name as its model; None where that is not known yet. `fixed`
    are the lines that must stand outside the marked blocks, as `blocks.outside` gives them; empty where nothing is marked. `max_calls`
    are the model calls that one run may make: a program that can make more is warned of.
    """

    entry: Required[str]
    parameters: Required[Collection[str]]
    frozen: Mapping[str, str]
    packages: Collection[str]
    models: Collection[str] | None
    fixed: Sequence[str]
    max_calls: int | None


def check(program: Program, **rules: Unpack[Rules]) -> tuple[Defect, ...]:
    """Every defect of a program, errors first, then by line. Raises nothing, whatever the program.

    Args:
        program: What is checked.
        rules: See `Rules`.
    """
    entry = rules["entry"]
    try:
        defects = [*_outside_defects(program, rules.get("fixed", ())), *_defects(program, rules)]
        if (models := rules.get("models")) is not None:
            defects += model_defects(program, models)
        if (max_calls := rules.get("max_calls")) is not None and entry in program:
            defects += _cost_defects(program, entry, max_calls)
    except ProgramError as error:  # only for a program that `parse` did not make
        defects = [_unreadable(error)]
    return tuple(sorted(defects, key=lambda item: (item.severity, item.line, item.component or "", item.message)))


def check_source(source: str, **rules: Unpack[Rules]) -> tuple[Defect, ...]:
    """Every defect of a program's text; a text that is no program has one."""
    try:
        program = parse(source)
    except ProgramError as error:
        return (_unreadable(error),)
    return check(program, **rules)


def _unreadable(error: ProgramError) -> Defect:
    return Defect(severity="error", component=None, line=error.line, message=error.message)


def _defects(program: Program, rules: Rules) -> Iterator[Defect]:
    entry, parameters, packages = rules["entry"], rules["parameters"], rules.get("packages", ())
    if (n_bytes := len(program.source.encode("utf-8", "surrogatepass"))) > MAX_CHECKED_BYTES:
        yield _defect(f"the program has {n_bytes} bytes, at most {MAX_CHECKED_BYTES} are run; make it shorter")
    yield from _subtle_defects(program)
    yield from _frozen_defects(program, rules.get("frozen", {}))
    yield from _import_defects(program, packages)
    if not entry:
        pass  # whoever imports the module may use any of it
    elif entry in program:
        yield from _entry_defects(program[entry], parameters)
        yield from _spare_defects(program, entry)
    else:
        yield _defect(
            f"no entry {entry!r}: define `def {entry}({', '.join(parameters)})`; there is {', '.join(program.names) or 'nothing'}"
        )
    known, prompts = program.bound, PromptCheck(program)
    for component in program.components:
        if component.kind == "prompt" and isinstance(node := syntax(component), ast.FunctionDef):
            yield from prompts.defects(component, node)
        yield from _component_defects(program, component, packages, known=known)
        for name in sorted(component.unused):
            what = "input" if component.name == entry and name in parameters else "parameter"
            if not name.startswith("_"):
                yield defect_at(component, None, f"{what} {name!r} is never used", severity="warning")
    for user, needed in misplaced(program):
        yield defect_at(program[user], None, f"{user!r} needs {needed!r} when the program is loaded; move {needed!r} above it")


def _subtle_defects(program: Program) -> Iterator[Defect]:
    """What only the compiler sees, sought where a text can hide it."""
    if not _is_subtle(program.source):
        return
    lazy = any(item.statement == _LAZY for item in program.imports)
    # An import of `__debug__` is refused where it stands; docstrings and comments hide nothing.
    pieces = [piece for piece in program.pieces if piece.kind in {"import", "component", "statement", "main"} and _is_subtle(piece.text)]
    for text, above in [(piece.text, piece.first_line - 1) for piece in pieces] if program.pieces else [(program.source, 0)]:
        try:
            require_compilable(text, lazy=lazy)
        except ProgramError as error:
            yield _unreadable(error.below(above))
            return


def _is_subtle(text: str) -> bool:
    return any(word in text for word in _SUBTLE_WORDS) or _STARRED.search(text) is not None


def _outside_defects(program: Program, expected: Sequence[str]) -> Iterator[Defect]:
    if not expected:
        return
    found = outside(program.source)
    if found != tuple(expected):
        changed = next((line for line, before in zip(found, expected, strict=False) if line != before), "its last lines")
        yield _defect(
            f"what stands outside the EVOLVE blocks must stay as it is, and `{changed.strip()[:80]}` differs; change the blocks only"
        )


def _spare_defects(program: Program, entry: str) -> Iterator[Defect]:
    """What the program would do without."""
    used = reachable(program, entry)
    for component in program.components:
        if component.name not in used:
            yield defect_at(component, None, f"{component.name!r} is never reached from {entry!r}; use or remove it", severity="warning")
    for first, *others in duplicates(program):
        for name in others:
            yield defect_at(program[name], None, f"{name!r} does the same as {first!r}; keep one", severity="warning")


def _cost_defects(program: Program, entry: str, max_calls: int) -> Iterator[Defect]:
    most = worst_case_calls(program, entry)
    if most is None or most > max_calls:
        found = "nothing bounds its model calls" if most is None else f"it can make {most} model calls"
        yield defect_at(program[entry], None, f"{found}, at most {max_calls} are allowed; bound its loops", severity="warning")


def _frozen_defects(program: Program, frozen: Mapping[str, str]) -> Iterator[Defect]:
    for name, digest in frozen.items():
        if name not in program:
            yield _defect(f"the frozen component {name!r} is missing; put it back")
        elif program[name].digest != digest:
            yield defect_at(program[name], None, f"{name!r} is frozen and was changed; restore it")


def _import_defects(program: Program, packages: Collection[str]) -> Iterator[Defect]:
    refused = {item.statement: why for item in program.imports if (why := _import_refusal(item.statement, item.module, packages))}
    if not refused:
        return
    for piece in program.pieces or split(program.source, statements=bool(program.statements)):
        for statement, _, _ in piece.imports:
            if statement in refused:
                yield Defect(severity="error", component=None, line=piece.line, message=refused[statement])


def _import_refusal(statement: str, module: str, packages: Collection[str]) -> str:
    """Why an import is not allowed; empty when it is."""
    if module == "graftwork":
        source, _, names = statement.removeprefix("from ").partition(" import ")
        if source == "graftwork.programs" and names.partition(" ")[0] in PUBLIC_NAMES:
            return ""
        return f"`{statement}`: a program may only write `from graftwork.programs import` {', '.join(sorted(PUBLIC_NAMES))}"
    if module == "__future__" or module in packages:
        return ""
    if module in FORBIDDEN_MODULES or (module.startswith("_") and module in sys.stdlib_module_names):
        return f"`{statement}`: {module} is forbidden; a program computes and calls prompts, nothing else"
    if module in sys.stdlib_module_names:
        return ""
    known = f" and {', '.join(sorted(packages))}" if packages else ""
    return f"`{statement}`: {module} is not available; the task allows the standard library{known}"


def _entry_defects(entry: Component, parameters: Collection[str]) -> Iterator[Defect]:
    node = syntax(entry)
    if entry.kind not in {"function", "prompt"} or not isinstance(node, ast.FunctionDef):
        yield defect_at(entry, None, f"the entry {entry.name!r} must be a function or a prompt, it is a {entry.kind}")
        return
    args = node.args
    by_keyword = [item.arg for item in (*args.args, *args.kwonlyargs)]
    required = [item.arg for item in args.args[: max(0, len(args.args) - len(args.defaults))]]
    required += [item.arg for item, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    n_positional = len(args.posonlyargs) + len(args.args) - len(args.defaults)
    for item in args.posonlyargs[:n_positional]:
        yield defect_at(entry, item, f"{item.arg!r} can only be given by position, inputs come by name; drop the `/`")
    for name in parameters:
        if name not in by_keyword and args.kwarg is None:
            yield defect_at(entry, node, f"the input {name!r} is not taken; write `def {entry.name}({', '.join(parameters)})`")
    for name in required:
        if name not in parameters:
            yield defect_at(entry, node, f"no input gives {name!r} ({', '.join(parameters) or 'there is none'}); give it a default")


def _component_defects(program: Program, component: Component, packages: Collection[str], *, known: frozenset[str]) -> Iterator[Defect]:
    missing = component.refs - known
    # The text decides whether the syntax is worth a second reading.
    text = component.source
    if not (missing or "import" in text or "async" in text or "await" in text):
        return
    for item in ast.walk(syntax(component)):
        match item:
            case ast.Name(id=name) if name in missing:
                missing -= {name}
                yield defect_at(component, item, _missing_message(program, name))
            case ast.Name(id="__import__"):
                yield defect_at(component, item, "`__import__` is forbidden; write an import statement at the top")
            case ast.Import() | ast.ImportFrom():
                yield from _local_import_defects(component, item, packages)
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await() | ast.comprehension(is_async=1):
                yield defect_at(component, item, "async code; programs are synchronous: use `parallel` for concurrent calls")
    for name in sorted(missing):
        yield defect_at(component, None, _missing_message(program, name))


def _local_import_defects(component: Component, node: ast.Import | ast.ImportFrom, packages: Collection[str]) -> Iterator[Defect]:
    if isinstance(node, ast.ImportFrom) and node.level:
        yield defect_at(component, node, "a relative import; a program is one file: import by the full name")
        return
    for statement, _, origin in imported_names(node):
        if why := _import_refusal(statement, origin.partition(".")[0], packages):
            yield defect_at(component, node, why)


def _missing_message(program: Program, name: str) -> str:
    if name in PUBLIC_NAMES:
        return f"{name!r} is not defined; add `from graftwork.programs import {name}`"
    if name in sys.stdlib_module_names:
        return f"{name!r} is not defined; add `import {name}`"
    near = difflib.get_close_matches(name, program.names, n=1)
    return f"{name!r} is not defined; {f'did you mean {near[0]!r}?' if near else 'define it as a component or import it'}"


def _defect(message: str) -> Defect:
    return Defect(severity="error", component=None, line=0, message=message)
