"""Export: a program as one readable file that needs only `openai`, and nothing at all when it has no prompt."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .embedding import Embedding, embed
from .errors import ProgramError
from .parse import PUBLIC_NAMES
from .program import Program

__all__ = ["BEGIN", "HOOK", "ExportHeader", "export", "strip_export"]

HOOK: Final = "complete_request"
"""The global of an exported file that completes a request: from a body to `text`, `tool_calls` and `refusal`. Replace it to verify.

Where the file uses `parallel` or `vote` its `BRANCH.get()` tells the hook which branch asks: joined by dots, the path of the draw."""

BEGIN: Final = "# graftwork: begin"
END: Final = "# graftwork: end"
STANDS_FOR: Final = "# stands for: "
PACKAGES: Final = ("graftwork", "graftwork.programs")


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


def export(program: Program, *, header: ExportHeader) -> str:
    """The text of a file that does what the program does in a run, alone: `python champion.py`.

    It reads JSON lines of inputs from standard input, or takes the header's examples, and prints JSON lines of outputs.

    Raises:
        ProgramError: If the program lacks the entry, takes from graftwork what a program cannot, or has lines that look like ours.
    """
    program[header.entry]  # raises where it is missing
    for number, line in enumerate(program.source.splitlines(), 1):
        if line.startswith((BEGIN, END)):
            raise ProgramError(f"`{line[:40]}` marks the parts of an export; change that line", line=number)
    ours = [item.statement for item in program.imports if item.module == "graftwork"]
    others = [item.statement for item in program.imports if item.module != "graftwork"]
    future = [statement for statement in others if statement.startswith("from __future__ ")]
    bound = {name: origin for statement in ours for name, origin in _bindings(statement)}
    runtime = _runtime(program, header, bound=bound)
    parts = (
        _literal(program.doc),
        _section("provenance", _provenance(program, header, asks=HOOK in runtime.names)),
        "\n".join(future),
        _section("runtime", [*(STANDS_FOR + statement for statement in ours), runtime.source, *_assignments(bound, runtime)]),
        "\n".join(statement for statement in others if statement not in future),
        "\n\n\n".join(component.source for component in program.components),
        _section("main", _main(header, serve=runtime.names["serve"])),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def strip_export(text: str) -> str:
    """The program in an exported file: its own text, with the imports from `graftwork.programs` back; the digest is the original's."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith(BEGIN):
            inside = True
        elif line.startswith(END):
            inside = False
        elif not inside:
            lines.append(line)
        elif line.startswith(STANDS_FOR):
            lines.append(line.removeprefix(STANDS_FOR))
    return "\n".join(lines).strip() + "\n"


def _bindings(statement: str) -> Iterator[tuple[str, str]]:
    """The names that an import from graftwork binds, each with its origin: a public name, or a package."""
    node = ast.parse(statement).body[0]
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
    return embed(sorted(roots), taken=taken, settings={"DEFAULT_MODEL": header.model, "MAX_TOKENS": header.max_tokens})


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


def _main(header: ExportHeader, *, serve: str) -> Iterator[str]:
    yield 'if __name__ == "__main__":'
    yield f"    {serve}({header.entry}, ["
    yield from (f"        {dict(example)!r}," for example in header.examples)
    yield "    ])"


def _literal(doc: str) -> str:
    """A module's docstring as Python."""
    escaped = doc.replace("\\", "\\\\").replace('"""', '\\"""')
    return f'"""{escaped}{" " if escaped.endswith(chr(34)) else ""}"""' if doc else ""
