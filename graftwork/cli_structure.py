"""`graftwork show`: how a program is built: its calls as a tree, its descriptors, what check finds; and the same as Mermaid."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from graftwork.programs.errors import ConfigError, ProgramError, RunError, UserError

if TYPE_CHECKING:
    from graftwork.programs.program import Program
    from graftwork.search.record import Record

__all__ = ["show_candidate", "show_program"]


def show_program(file: Path, console: Console, *, entry: str | None = None, mermaid: Path | None = None) -> None:
    """Print the structure of a program's file, which may be an exported one, and everything that check finds in it.

    Raises:
        UserError: The file cannot be read, is no program or lacks the entry; the Mermaid file cannot be written.
    """
    from graftwork.programs.export import strip_export
    from graftwork.programs.parse import parse

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from None
    try:
        program = parse(strip_export(text))
    except ProgramError as error:
        raise UserError(f"{file} is not a program: {error}") from None
    entry = entry or "solve"
    if entry not in program:
        raise ConfigError(f"{file} defines no {entry!r}; name its entry with --entry, one of {', '.join(program.names) or 'none'}")
    _show(program, console, entry=entry, mermaid=mermaid)
    # A file alone does not say what its task allows: what it imports is taken for granted.
    _show_defects(program, console, entry=entry, packages={item.module for item in program.imports} - {"graftwork"})


def show_candidate(run_dir: Path, console: Console, *, number: int | None = None, mermaid: Path | None = None) -> None:
    """Print the structure of one candidate of a run, else of its champion, else of its best so far. Without an entry there is none.

    Raises:
        UserError: There is no run or no such candidate; the Mermaid file cannot be written.
    """
    from graftwork.search.record import open_run

    record = open_run(run_dir)
    row = (record.champion or record.best) if number is None else _candidate(record, number)
    if row is None:
        if mermaid is not None:
            raise RunError(f"nothing has been evaluated in {run_dir} yet: there is no structure to write to {mermaid}")
        return
    if number is not None:
        score = f"val {row['score']:.4g}" if row["score"] is not None else row["status"]
        console.print(f"candidate {number} by {row['operator']}, {score}: {row['note']}", markup=False, highlight=False, soft_wrap=True)
    task = record.config.get("task", {})
    if not {"entry", "packages", "limits"} <= task.keys():
        raise RunError(f"{run_dir / 'run.toml'} does not say the task's entry, packages and limits")
    if record.forgeable:
        if mermaid is not None:
            raise ConfigError(f"{run_dir} is of a task with a foreign evaluator: its programs have no entry, whose calls could be drawn")
        return
    program = record.program(row)
    _show(program, console, entry=task["entry"], mermaid=mermaid)
    _show_defects(program, console, entry=task["entry"], packages=task["packages"], max_calls=task["limits"]["calls"])


def _candidate(record: Record, number: int) -> Mapping[str, Any]:
    """The row of a candidate that was written.

    Raises:
        RunError: If there is none of that number, or it has no program.
    """
    rows: list[Mapping[str, Any]] = record.candidates.to_pylist()
    row = next((row for row in rows if row["number"] == number), None)
    if row is None:
        last = max((row["number"] for row in rows), default=None)
        raise RunError(f"no candidate {number} in {record.path}: {'there is none yet' if last is None else f'they go from 0 to {last}'}")
    if not row["pieces"]:
        raise RunError(f"candidate {number} was never written ({row['status']}): it has no program to show")
    return row


def _show(program: Program, console: Console, *, entry: str, mermaid: Path | None) -> None:
    from graftwork.programs.drawing import draw_mermaid, draw_text

    for line in (*draw_text(program, entry).splitlines(), _counted(program, entry)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if mermaid is None:
        return
    try:
        mermaid.write_text(draw_mermaid(program, entry), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {mermaid}: {error.strerror}; name another file with --mermaid") from None
    console.print(f"wrote {mermaid}", markup=False, highlight=False, soft_wrap=True)


def _show_defects(program: Program, console: Console, *, entry: str, packages: Collection[str], max_calls: int | None = None) -> None:
    from graftwork.programs.check import check
    from graftwork.programs.signature import signature_of

    signature = signature_of(program[entry])
    parameters = signature.names if signature else ()
    for defect in check(program, entry=entry, parameters=parameters, packages=packages, max_calls=max_calls):
        console.print(f"- {defect}", markup=False, highlight=False, soft_wrap=True)


def _counted(program: Program, entry: str) -> str:
    """The descriptors in one line."""
    from graftwork.programs.descriptors import descriptors

    found = descriptors(program, entry)

    def parts() -> Iterator[str]:
        for n, word in ((found.n_prompts, "prompt"), (found.n_tools, "tool"), (found.n_functions, "function"), (found.n_calls, "call")):
            if n:
                yield f"{n} {word}{'' if n == 1 else 's'}"
        yield f"depth {found.depth}"
        if found.n_prompts:
            most = found.worst_case_calls
            yield "model calls without bound" if most is None else f"at most {most} model call{'' if most == 1 else 's'}"
        yield f"{found.n_lines} lines"
        if found.modules:
            yield f"imports {', '.join(found.modules)}"

    return ", ".join(parts())
