"""`graftwork diff`: two candidates, of one run or of two, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from graftwork.programs.errors import ConfigError, RunError

from .cli_places import run_folder

if TYPE_CHECKING:
    from graftwork.programs.program import Program
    from graftwork.search.record import Record
    from graftwork.search.versus import Versus

__all__ = ["diff_run"]


def diff_run(
    first: Annotated[str, typer.Argument(metavar="RUN|RUN:A", help="The run's folder, or with a colon one candidate of it.")],
    second: Annotated[str, typer.Argument(metavar="A|RUN:B", help="A candidate: a number, or seed, champion or best.")],
    third: Annotated[str | None, typer.Argument(metavar="B", help="Another candidate of the same run.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many examples that differ are shown of each split.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Show what differs between two candidates, component by component, and how they score on the same examples.

    graftwork diff RUN 12 champion, or graftwork diff RUN:12 OTHER:7 for two runs of one task.
    """
    from graftwork.flows.summary import FORGEABLE
    from graftwork.programs.changed import changed

    from .cli_candidates import change_lines
    from .cli_tables import as_json as json_text
    from .cli_tables import plain_table

    a, b = _sides(first, second, third)
    changes, scores = changed(a.program, b.program), _scores(a, b)
    if as_json:
        told = {"a": a.said, "b": b.said, "changes": [asdict(change) for change in changes]}
        typer.echo(json_text({**told, "scores": {split: asdict(one) for split, one in scores.items()}}, indent=2))
        return
    typer.echo(f"a: {a.line}\nb: {b.line}")
    lines = [line for change in changes for line in change_lines(change)]
    typer.echo("\n".join(lines or ["the same components and imports" if a.program.source != b.program.source else "the same text"]))
    console = Console()
    console.print(plain_table(_rows(scores), title="scores on the same examples, differences with 95 % intervals"))
    for split, one in scores.items():
        for line in _flips(split, one, a.record, examples):
            typer.echo(line)
    if a.record.forgeable or b.record.forgeable:
        typer.echo(FORGEABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    record: Record
    number: int
    row: Mapping[str, Any]
    program: Program

    @property
    def said(self) -> dict[str, object]:
        row = self.row
        return {"run": str(self.record.path), **{name: row[name] for name in ("number", "operator", "parents", "status", "score", "note")}}

    @property
    def line(self) -> str:
        score = self.row["status"] if self.row["score"] is None else f"val {self.row['score']:.4g}"
        return f"candidate {self.number} of {self.record.path} by {self.row['operator']}, {score}: {self.row['note'] or ''}".rstrip(": ")


def _sides(first: str, second: str, third: str | None) -> tuple[_Side, _Side]:
    """The two candidates that are named: `RUN A B`, or `RUN:A OTHER:B`."""
    if third is not None:
        return _side(first, second), _side(first, third)
    names = [text.rpartition(":") for text in (first, second)]
    if not all(run for run, _, _ in names):
        raise ConfigError("name a run and two candidates of it, as in: diff RUN 0 12, or two of two runs, as in: diff RUN:12 OTHER:7")
    return _side(names[0][0], names[0][2]), _side(names[1][0], names[1][2])


def _side(run_dir: str, named: str) -> _Side:
    from graftwork.search.record import open_run

    from .cli_candidates import candidate_number

    record = open_run(run_folder(run_dir))
    number = candidate_number(record, named)
    ancestry = record.ancestry()
    program = ancestry.program(number)
    return _Side(record=record, number=number, row=ancestry.row(number), program=program)


def _scores(a: _Side, b: _Side) -> dict[str, Versus]:
    """Both on the examples that both ran, by split; nothing of a split where they share none."""
    from graftwork.search.versus import versus

    found = {}
    for split in a.record.splits(a.number):
        own, other = (side.record.counted((side.number,), split).get(side.number, {}) for side in (a, b))
        if own.keys() & other.keys():
            found[split] = versus(own, other, seed=0)
    return found


def _rows(scores: Mapping[str, Versus]) -> Iterable[dict[str, object]]:
    from .cli_candidates import difference_words

    for split, one in scores.items():
        yield {
            "split": split,
            "examples": one.wins + one.losses + one.ties,
            "a": "not judged" if one.a is None else f"{one.a:.4g}",
            "b": "not judged" if one.b is None else f"{one.b:.4g}",
            "b less a": difference_words(one.difference),
            "b wins": one.wins,
            "loses": one.losses,
            "ties": one.ties,
        }


def _flips(split: str, one: Versus, record: Record, most: int) -> Iterator[str]:
    from graftwork.flows.recorded import recorded_inputs

    from .cli_tables import as_json as json_text

    if not one.flips or not most:
        return
    inputs: Mapping[str, Mapping[str, object]] = {}
    with suppress(RunError):  # a run need not keep them
        inputs = recorded_inputs(record)
    counted = "1 example that differs" if len(one.flips) == 1 else f"{len(one.flips)} examples that differ"
    yield f"{split}, {counted}{f', the first {most}' if len(one.flips) > most else ''}:"
    for flip in one.flips[:most]:
        shown = json_text(inputs[flip.example_id]) if flip.example_id in inputs else ""
        yield f"  {flip.example_id[:12]}  {flip.a:.4g} → {flip.b:.4g}  {shown[:100]}{'…' if len(shown) > 100 else ''}".rstrip()
