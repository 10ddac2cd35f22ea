"""`graftwork doctor`: what this machine can give a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from graftwork.flows.doctor import Diagnosis, Machine

__all__ = ["doctor"]

_GIB = 1024**3


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Try the sandbox's walls on this machine, and say what is installed; exit code 2 where a run could not start."""
    from graftwork.flows.doctor import diagnose

    found = diagnose()
    if as_json:
        typer.echo(json.dumps({"standard_holds": found.standard_holds, **asdict(found)}, indent=2))
    else:
        for line in _lines(found):
            typer.echo(line)
    raise typer.Exit(0 if found.standard_holds else 2)


def _lines(found: Diagnosis) -> Iterator[str]:
    yield "sandbox, each wall tried by itself:"
    for wall in found.walls:
        said = "holds" if wall.holds else "MISSING" if wall.needed else "not here"
        yield f"  {wall.name:<12}{said:<10}{wall.detail}"
        if wall.remedy:
            yield f"  {'':<22}{wall.remedy}"
    stopped = sum(found.attacks.values())
    yield f"self-test, all walls together: {stopped} of {len(found.attacks)} attacks stopped"
    for name, was_stopped in found.attacks.items():
        yield f"  {'stopped' if was_stopped else 'SUCCEEDED':<12}to {name}"
    yield from _machine_lines(found.machine)
    if found.standard_holds:
        yield "a run with the sandbox `standard` can start here"
    else:
        yield f"a run with the sandbox `standard` cannot start here: {found.trouble}"
        yield "mend what is missing, or use --sandbox weak for programs that you trust"


def _machine_lines(machine: Machine) -> Iterator[str]:
    yield "machine:"
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    yield f"  {machine.system}, Python {machine.python}, {versions}"
    memory, shared = machine.memory_bytes / _GIB, machine.shared_memory_bytes / _GIB
    yield f"  {machine.cores} cores, {memory:.1f} GiB of memory, {shared:.1f} GiB of /dev/shm"
    yield "  " + ", ".join(f"{name} {'is set' if there else 'is not set'}" for name, there in machine.variables.items())
