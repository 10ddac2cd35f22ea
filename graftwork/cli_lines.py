"""`graftwork merge` and `graftwork blame`: which component is from whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graftwork.programs.errors import ConfigError

from .cli_places import run_folder

if TYPE_CHECKING:
    from graftwork.flows.merging import Merged

__all__ = ["blame_run", "merge_programs", "new_file"]


def merge_programs(
    one: Annotated[
        Path, typer.Argument(parser=run_folder, help="A program's file, an exported file or a run's folder; it decides conflicts.")
    ],
    other: Annotated[Path, typer.Argument(parser=run_folder, help="Another one.")],
    base: Annotated[Path | None, typer.Option(help="What both came from; else the seed, of two runs of one seed.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; else a new merged.py.")] = None,
) -> None:
    """Merge two programs into one that holds what both changed."""
    from graftwork.flows.merging import merge_sources
    from graftwork.search.disk import publish_file, writing_to

    output = output or new_file("merged.py")
    if output.resolve() in {path.resolve() for path in (one, other, base) if path is not None}:
        raise ConfigError(f"{output} is part of what is merged: name another file to write with -o")
    merged = merge_sources(one, other, base)
    data = merged.outcome.program.source.encode()
    with writing_to(output):
        publish_file(output, data)
    for line in _merge_lines(merged):
        typer.echo(line)
    typer.echo(f"wrote {output}: it passes check")


def new_file(name: str) -> Path:
    """A file to write where the person named none.

    Raises:
        ConfigError: If it is there already.
    """
    if Path(name).exists():
        raise ConfigError(f"{name} is there already: to replace it, or to write another file, name it with -o")
    return Path(name)


def _merge_lines(merged: Merged) -> list[str]:
    first, second = merged.sources
    said = {"a": "from a", "b": "from b", "both": "from both", "base": "as in the base"}
    sides = merged.outcome.sides
    width = max((len(name) for name in sides), default=0)
    lines = [f"a: {first.path} ({first.said})", f"b: {second.path} ({second.said})", f"base: {merged.base}"]
    lines += [f"  {name:<{width}}  {said[side]}" for name, side in sides.items()]
    return lines + [f"conflict: {conflict}" for conflict in merged.outcome.conflicts]


def blame_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=run_folder, help="The run's folder, or its mirror.")],
    candidate: Annotated[int, typer.Argument(help="The candidate's number.")],
    component: Annotated[str | None, typer.Argument(help="One of its components; else all are listed.")] = None,
) -> None:
    """Show which candidate each component is from, or how one came to be what it is."""
    from graftwork.search.record import open_run

    ancestry = open_run(run_dir).ancestry()
    if component is None:
        program = ancestry.program(candidate)
        width = max((len(name) for name in program.names), default=0)
        for name in program.names:
            made = ancestry.introduced(candidate, name)
            row = ancestry.row(made)
            typer.echo(f"{name:<{width}}  {program[name].kind:<8}  {made:>5}  {row['operator']:<18}  {row['note'] or ''}".rstrip())
        return
    for step in ancestry.steps(candidate, component):
        gain = "" if step.gain is None else f", val {step.gain:+.4g}"
        typer.echo(f"{step.component} in candidate {step.candidate} by {step.operator}{gain}{f': {step.note}' if step.note else ''}")
        for line in step.diff.splitlines():
            typer.echo(f"  {line}")
