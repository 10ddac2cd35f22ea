"""`graftwork lineage`: how a candidate came to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cli_places import run_folder

if TYPE_CHECKING:
    from graftwork.search.pedigree import Generation

__all__ = ["lineage_run"]


def lineage_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=run_folder, help="The run's folder, or its mirror.")],
    candidate: Annotated[str | None, typer.Argument(help="A number, or seed, champion or best; else the champion.")] = None,
    diffs: Annotated[bool, typer.Option(help="Show what each step changed.")] = True,  # noqa: FBT002 - a flag
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show how a candidate came to be, from the seed on: what each step changed, and what it gained on the same examples."""
    from graftwork.flows.summary import FORGEABLE
    from graftwork.search.pedigree import pedigree
    from graftwork.search.record import open_run

    from .cli_candidates import candidate_number
    from .cli_tables import as_json as json_text

    record = open_run(run_dir)
    generations = pedigree(record, candidate_number(record, candidate))
    if as_json:
        typer.echo(json_text([asdict(generation) for generation in generations], indent=2))
        return
    for generation in generations:
        for line in _lines(generation, diffs=diffs):
            typer.echo(line)
    if record.forgeable:
        typer.echo(FORGEABLE)


def _lines(generation: Generation, *, diffs: bool) -> Iterator[str]:
    from .cli_candidates import change_lines, difference_words

    made_of = f" of {' and '.join(map(str, generation.parents))}" if generation.parents else ""
    score = generation.status if generation.score is None else f"val {generation.score:.4g}"
    yield f"candidate {generation.candidate} by {generation.operator}{made_of}: {score}"
    if generation.note:
        yield f"  {generation.note}"
    if generation.score is not None:
        for parent, gain in generation.gains.items():
            of = "" if gain is None else f" on {gain.n} example{'' if gain.n == 1 else 's'}"
            yield f"  against {parent}: {difference_words(gain)}{of}"
    if generation.parents:
        others = "1 other child" if generation.n_siblings == 1 else f"{generation.n_siblings} other children"
        yield f"  {others} of {'its parents' if len(generation.parents) > 1 else 'its parent'} evaluated"
    yield from (f"  {name} as in {parent}" for name, parent in generation.inherited.items())
    for change in generation.changes:
        yield from change_lines(change, indent="  ") if diffs else [f"  {change.title}"]
