"""Export: a program as one readable file that needs only `openai`, and nothing at all when it has no prompt."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .cutting import split
from .embedding import Embedding, embed
from .errors import ProgramError
from .parse import PUBLIC_NAMES
from .parsing import module_of
from .program import Program

__all__ = ["BEGIN", "HOOK", "ExportHeader", "Hook", "export", "hook_of", "strip_export"]

HOOK: Final = "complete_request"
"""The global of an exported file that completes a request: from a body to `text`, `tool_calls` and `refusal`. Replace it to verify.

Where the file uses `parallel` or `vote` its `BRANCH.get()` tells the hook which branch asks: joined by dots, the path of the draw. A file
whose program uses these names for itself has others: see `hook_of`."""

BEGIN: Final = "# graftwork: begin"
END: Final = "# graftwork: end"
STANDS_FOR: Final = "# stands for: "
_SCALARS: Final = frozenset(("str", "int", "float", "bool", "Literal", "Optional"))
_IMPORTED_SCALARS: Final = frozenset(("from typing import Literal", "from typing import Optional"))
_LINE_END: Final = re.compile(r"\r\n|\r|\n")  # what Python takes for one; other separators may stand in text
PACKAGES: Final = ("graftwork", "graftwork.programs")
_HOOKS: Final = re.compile(rf"(?:def )?({HOOK}|BRANCH|plain)(_*)[(:]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportHeader:
    """What an exported file says about itself.

    Attributes:
        entry: The function that is run.
        provenance: Labels and what they say, one line each, such as `{"run": "…", "test score": "0.81 (0.76 to 0.86)"}`.
        examples: Inputs to run on when none are given.
        model: Asked when GRAFTWORK_MODEL is not set.
        max_tokens: Longest reply asked for, as in the run; 0 for the endpoint's own limit.
    """

    entry: str = "solve"
    provenance: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[Mapping[str, object], ...] = ()
    model: str = ""
    max_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """What some of the runtime's definitions are called in one exported file; empty for one that it does not carry.

    Attributes:
        complete: The function that completes a request.
        branch: The context variable that holds the branch path.
        plain: The function that makes JSON of what `json` does not know.
    """

    complete: str = ""
    branch: str = ""
    plain: str = ""


def export(program: Program, *, header: ExportHeader) -> str:
    """The text of a file that does what the program does in a run, alone: `python champion.py`.

    It reads JSON lines of inputs from standard input, or takes the header's examples, and prints JSON lines of outputs.

    Raises:
        ProgramError: If the program lacks the entry, takes from graftwork what a program cannot, or has lines that look like ours.
    """
    program[header.entry]  # raises where it is missing
    for number, line in enumerate(_LINE_END.split(program.source), 1):
        if line.startswith((BEGIN, END)):
            raise ProgramError(f"`{line[:40]}` marks the parts of an export; change that line", line=number)
    ours = [item.statement for item in program.imports if item.module == "graftwork"]
    others = [item.statement for item in program.imports if item.module != "graftwork"]
    future = [statement for statement in others if statement.startswith("from __future__ ")]
    bound = {name: origin for statement in ours for name, origin in _bindings(statement)}
    runtime = _runtime(program, header, bound=bound)
    parts = (
        "".join(_LINE_END.sub("\n", piece.text) for piece in split(program.source) if piece.kind == "doc"),
        _section("provenance", _provenance(program, header, asks=HOOK in runtime.names)),
        "\n".join(future),
        _section("runtime", [*(STANDS_FOR + statement for statement in ours), runtime.source, *_assignments(bound, runtime)]),
        "\n".join(statement for statement in others if statement not in future),
        "\n\n\n".join(_LINE_END.sub("\n", component.source) for component in program.components),
        _section("main", [*_own_main(program), *_main(header, serve=runtime.names["serve"])]),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def strip_export(text: str) -> str:
    """The program in an exported file: its own text, with the imports from `graftwork.programs` back; the digest is the original's.

    Text that is no export comes back as it is.
    """
    lines, inside = [], False
    if not text.startswith(BEGIN) and f"\n{BEGIN}" not in text:
        return text
    for line in _LINE_END.split(text):
        if line.startswith(BEGIN):
            inside = True
        elif line.startswith(END):
            inside = False
        elif not inside:
            lines.append(line)
        elif line.startswith(STANDS_FOR):
            lines.append(line.removeprefix(STANDS_FOR))
    return "\n".join(lines).strip() + "\n"


def hook_of(text: str) -> Hook:
    """The names by which an exported file asks models, and makes JSON."""
    lines = text.split("\n")
    runtime = lines[lines.index(f"{BEGIN} runtime") : lines.index(f"{END} runtime")]
    # A name that the program has is given underscores in the runtime; so each stem stands there once.
    found = {match[1]: match[1] + match[2] for line in runtime if (match := _HOOKS.match(line))}
    return Hook(complete=found.get(HOOK, ""), branch=found.get("BRANCH", ""), plain=found.get("plain", ""))


def _bindings(statement: str) -> Iterator[tuple[str, str]]:
    """The names that an import from graftwork binds, each with its origin: a public name, or a package."""
    node = module_of(statement).body[0]
    if isinstance(node, ast.Import):
        yield from ((item.asname, item.name) if item.asname else ("graftwork", "graftwork") for item in node.names)
    elif isinstance(node, ast.ImportFrom):
        for item in node.names:
            origin = item.name if item.name in PUBLIC_NAMES else f"{node.module}.{item.name}"
            yield item.asname or item.name, origin


def _runtime(program: Program, header: ExportHeader, *, bound: Mapping[str, str]) -> Embedding:
    roots = {"serve"}
    for origin in bound.values():
        if origin not in (*PUBLIC_NAMES, *PACKAGES):
            raise ProgramError(f"cannot export a use of {origin}: a program takes {', '.join(sorted(PUBLIC_NAMES))} from {PACKAGES[1]}")
        roots |= {"types", *PUBLIC_NAMES} if origin in PACKAGES else {origin}
    taken = dict.fromkeys(program.names, "") | {item.name: item.statement for item in program.imports}
    taken = {name: statement for name, statement in taken.items() if bound.get(name) != name or name in PACKAGES}
    settings = {"DEFAULT_MODEL": header.model, "MAX_TOKENS": header.max_tokens}
    return embed(sorted(roots), taken=taken, settings=settings, unused=_unused(program, bound))


def _unused(program: Program, bound: Mapping[str, str]) -> frozenset[str]:
    """What of the runtime's no prompt of the program uses, as far as its text shows without doubt."""
    unused = set[str]()
    if not re.search(r"\btools\b", program.source):
        unused.add("TOOLS")
    makers = {name for name, origin in bound.items() if origin in {"prompt", *PACKAGES}}
    hidden = any(component.refs & makers for component in program.components if component.kind != "prompt")
    known = _SCALARS - {*program.names, *(item.name for item in program.imports if item.statement not in _IMPORTED_SCALARS)}
    nodes = [module_of(prompt.source).body[0] for prompt in program.prompts]
    if not hidden and all(isinstance(node, ast.FunctionDef) and _is_scalar(node.returns, known) for node in nodes):
        unused.add("STRUCTURES")
    return frozenset(unused)


def _is_scalar(annotation: ast.expr | None, known: Collection[str]) -> bool:
    """Whether a return annotation is surely made of plain types and choices only."""
    match annotation:
        case None | ast.Constant(value=None):
            return True
        case ast.Name(id=name):
            return name in known
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _is_scalar(left, known) and _is_scalar(right, known)
        case ast.Subscript(value=ast.Name(id="Literal")):
            return "Literal" in known
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return "Optional" in known and _is_scalar(inner, known)
    return False


def _assignments(bound: Mapping[str, str], runtime: Embedding) -> Iterator[str]:
    """Lines that give the runtime's definitions the names that the program has for them."""
    for name, origin in bound.items():
        if origin in PACKAGES:
            members = ", ".join(f"{public}={runtime.names[public]}" for public in sorted(PUBLIC_NAMES))
            space = f"{runtime.names['types']}.SimpleNamespace"
            yield f"{name} = {space}({members})" if origin == PACKAGES[1] else f"{name} = {space}(programs={space}({members}))"
        elif name != runtime.names[origin]:
            yield f"{name} = {runtime.names[origin]}"


def _section(name: str, lines: Iterable[str]) -> str:
    return "\n".join((f"{BEGIN} {name}", *lines, f"{END} {name}"))


def _provenance(program: Program, header: ExportHeader, *, asks: bool) -> Iterator[str]:
    """What the file is and how it is run, as comment lines."""
    yield "# Evolved by Graftwork; this file needs nothing of it."
    for label, said in {**header.provenance, "program": program.digest}.items():
        yield f"# {label}: {' '.join(said.split())}"
    needs = " (needs `pip install openai`, OPENAI_API_KEY, and for another endpoint OPENAI_BASE_URL)" if asks else ""
    yield f"# Run it with JSON lines of inputs, or on its examples: python champion.py < inputs.jsonl{needs}"


def _own_main(program: Program) -> Iterator[str]:
    """The program's own main block, which ours stands in for."""
    for piece in split(program.source):
        if piece.kind == "main":
            yield from (STANDS_FOR + line for line in _LINE_END.split(piece.text))


def _main(header: ExportHeader, *, serve: str) -> Iterator[str]:
    yield 'if __name__ == "__main__":'
    yield f"    {serve}({header.entry}, ["
    yield from (f"        {dict(example)!r}," for example in header.examples)
    yield "    ])"
