"""Elsewhere: programs that were scored by somebody else, as the first candidates of a search.

What they are said to score only orders them. Here each is a candidate like any other: checked, run and scored anew.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graftwork.evaluators.datasets import read_examples
from graftwork.evaluators.foreign_metrics import combined_score
from graftwork.programs.check import check
from graftwork.programs.errors import ConfigError, ProgramError, RunError
from graftwork.programs.export import strip_export
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.candidate import Imported
from graftwork.search.record import Record, open_run

from .run import Run

__all__ = ["Chosen", "Elsewhere", "choose", "read_elsewhere", "read_imported", "write_imported"]

_FILE: Final = "imported.jsonl"
_TABLES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_CHECKPOINT: Final = re.compile(r"checkpoint_(\d+)")
_MOST_OF_A_RUN: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """One program as somebody else has it.

    Attributes:
        text: Its text; empty where it could not be read.
        claimed: What it is said to score, higher is better; None where nothing is said.
        place: Where it stands.
        trouble: Why it could not be read.
    """

    text: str
    claimed: float | None
    place: str
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The programs that a search begins with.

    Attributes:
        imported: The best that fit the task, best first, no two of them the same.
        said: What was chosen of what, and what was passed over, in one line.
    """

    imported: tuple[Imported, ...]
    said: str


def read_elsewhere(path: Path) -> tuple[Elsewhere, ...]:
    """The programs of an OpenEvolve checkpoint, of a run of ours, or of a table with the columns `program` and `score`.

    Of a folder of checkpoints the latest counts. In a table a program is its text, or a path relative to the table's folder.

    Raises:
        ConfigError: If it is none of these.
        TaskError: If a row of a table cannot be read.
        RunError: If a run is damaged.
    """
    if (path / "lineage").is_dir():
        return tuple(_of_run(open_run(path)))
    if path.is_dir():
        return tuple(_of_checkpoint(_checkpoint(path)))
    if path.suffix.lower() not in _TABLES:
        raise ConfigError(
            f"{path} must be a checkpoint of OpenEvolve (a folder with `programs/`), a run's folder, or a file with the columns program "
            f"and score that ends in {', '.join(_TABLES)}; one program is imported with --import"
        )
    return tuple(_of_table(path))


def choose(found: Iterable[Elsewhere], run: Run, *, best: int, source: str) -> Chosen:
    """The best programs, by what they claim, that fit a run's task.

    Args:
        found: Programs from elsewhere.
        run: What they are held to.
        best: How many at most.
        source: What they are from, for messages.

    Raises:
        ConfigError: If none fits.
    """
    ranked = sorted(found, key=lambda one: -math.inf if one.claimed is None else one.claimed, reverse=True)
    chosen: dict[str, Imported] = {}
    refused: list[str] = []
    for one in ranked:
        if len(chosen) == best:
            break
        program, trouble = _fitting(one, run)
        if program is None:
            refused.append(f"{one.place}: {trouble}")
        elif program.digest != run.task.seed.digest:
            chosen.setdefault(program.digest, Imported(program=program, claimed=one.claimed, place=one.place))
    if not chosen:
        reason = f"the first of {len(refused)} that do not fit: {refused[0]}" if refused else "it has none that is not the seed"
        raise ConfigError(f"no program of {source} can start this search; {reason}")
    passed = f"; {len(refused)} passed over, the first: {refused[0]}" if refused else ""
    return Chosen(imported=tuple(chosen.values()), said=f"starting from {len(chosen)} of {len(ranked)} programs of {source}{passed}")


def write_imported(directory: Path, imported: Iterable[Imported]) -> None:
    """Keep beside a run what it begins with: the source may change, and the run does not."""
    rows = ({"program": one.program.source, "claimed": one.claimed, "place": one.place} for one in imported)
    (directory / _FILE).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_imported(record: Record) -> tuple[Imported, ...]:
    """What a run began with; nothing for a run that began with its seed alone.

    Raises:
        RunError: If it began with programs that are not kept beside it any more.
    """
    file = record.path / _FILE
    if record.config["settings"].get("start_from") is None:
        return ()
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return tuple(Imported(program=parse(row.pop("program"), statements=record.forgeable), **row) for row in rows)
    except (OSError, ValueError, TypeError, KeyError, ProgramError) as error:
        raise RunError(f"cannot read {file}, which holds the programs that this run began with: {error}") from None


def _fitting(one: Elsewhere, run: Run) -> tuple[Program | None, str]:
    """A program that the task could have as its seed; or why it is none."""
    if one.trouble:
        return None, one.trouble
    try:
        program = parse(one.text, statements=True) if run.task.forgeable else parse(strip_export(one.text))
    except ProgramError as error:
        return None, str(error)
    if program.prompts and "task" not in run.models:
        return None, f"it asks a model ({program.prompts[0].name}), and this run has none: name one with --model"
    errors = [defect for defect in check(program, **run.rules) if defect.severity == "error"]
    return (None, str(errors[0])) if errors else (program, "")


def _of_run(record: Record) -> Iterator[Elsewhere]:
    ancestry = record.ancestry()
    scored = [row for row in ancestry.rows if row["status"] == "evaluated" and row["score"] is not None]
    for row in sorted(scored, key=lambda row: (-row["score"], row["number"]))[:_MOST_OF_A_RUN]:
        yield Elsewhere(text=ancestry.source(row["number"]), claimed=row["score"], place=f"candidate {row['number']}")


def _checkpoint(path: Path) -> Path:
    """The folder `programs` of a checkpoint, or of the latest of several."""
    several = [folder for above in (path, path / "checkpoints") for folder in above.glob("checkpoint_*") if _number(folder) >= 0]
    folders = [path, *sorted(several, key=_number, reverse=True)]
    found = next((folder / "programs" for folder in folders if (folder / "programs").is_dir()), None)
    if found is None:
        raise ConfigError(
            f"{path} must be a checkpoint of OpenEvolve, with a folder `programs` of .json files, or hold such in "
            "checkpoints/checkpoint_<n>; or a run's folder, with `lineage`"
        )
    return found


def _number(folder: Path) -> int:
    match = _CHECKPOINT.fullmatch(folder.name)
    return int(match[1]) if match else -1


def _of_checkpoint(folder: Path) -> Iterator[Elsewhere]:
    for file in sorted(folder.glob("*.json")):
        try:
            row = json.loads(file.read_text(encoding="utf-8"))
            text, metrics, language = row["code"], row.get("metrics") or {}, row.get("language", "python")
            claimed = combined_score(metrics)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield Elsewhere(text="", claimed=None, place=file.name, trouble=f"no program of OpenEvolve: {type(error).__name__} {error}")
            continue
        trouble = "" if language == "python" and isinstance(text, str) else f"it is {language}, not Python"
        yield Elsewhere(text=text, claimed=_finite(claimed), place=file.stem, trouble=trouble)


def _of_table(file: Path) -> Iterator[Elsewhere]:
    rows = read_examples(file, inputs=["program"], target="score", convert={"score": _score})
    for row in rows:
        given, claimed, place = row.inputs["program"], row.target, str(row.place)
        text, trouble = _text(given, file.parent)
        yield Elsewhere(text=text, claimed=claimed if isinstance(claimed, float) else None, place=place, trouble=trouble)


def _text(given: object, folder: Path) -> tuple[str, str]:
    """A program's text, given as such or by its path; and why there is none."""
    if not isinstance(given, str):
        return "", f"a program must be a text or a path, not {given!r:.80}"
    if "\n" in given:
        return given, ""
    try:
        return (folder / given).read_text(encoding="utf-8"), ""
    except (OSError, ValueError) as error:
        return "", f"cannot read {given:.80}: {getattr(error, 'strerror', None) or error}"


def _score(given: Any) -> float | None:
    return None if given in (None, "") else _finite(float(given))


def _finite(score: float | None) -> float | None:
    return score if score is not None and math.isfinite(score) else None
