"""Merging: two programs from files or runs become one, against what both came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graftwork.programs.errors import ConfigError, ProgramError, RunError
from graftwork.programs.export import strip_export
from graftwork.programs.merge import Merge, merge
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.record import open_run

__all__ = ["Merged", "Source", "load_source", "merge_sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A program that somebody named.

    Attributes:
        path: Where it is from.
        program: The program: of a run its champion, or the best so far.
        seed: What the run began with; None for a file.
        entry: The function that is called.
        said: What it is, in a few words.
    """

    path: Path
    program: Program
    seed: Program | None = None
    entry: str = "solve"
    said: str = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What merging gave, and what it was made of.

    Attributes:
        outcome: The merge; `a` is the first, `b` the other.
        sources: The two.
        base: What they were merged against, in a few words.
    """

    outcome: Merge
    sources: tuple[Source, Source]
    base: str


def load_source(path: Path) -> Source:
    """The program of a file, an exported file, or a run's folder.

    Raises:
        RunError: If there is neither, or nothing was evaluated in the run yet.
        ConfigError: If the run's programs have no entry.
        ProgramError: If the file is no program.
    """
    if path.is_dir():
        return _of_run(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RunError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}; give a program's file or a run's folder"
        ) from None
    try:
        return Source(path=path, program=parse(strip_export(text)))
    except ProgramError as error:
        raise ProgramError(f"{path}: {error}") from None


def merge_sources(one: Path, other: Path, base: Path | None) -> Merged:
    """Two programs merged; of two runs of one seed, against that seed.

    Args:
        one: A program's file, an exported file, or a run's folder; it decides what nothing else does.
        other: Likewise.
        base: What both came from; None for the seed of both runs.

    Raises:
        UserError: If one cannot be read, no base is known, or no sound program comes of it.
    """
    first, second = load_source(one), load_source(other)
    if base is not None:
        common, said = load_source(base).program, str(base)
    elif first.seed is not None and second.seed is not None and first.seed.digest == second.seed.digest:
        common, said = first.seed, "the seed of both runs"
    else:
        raise ConfigError(f"{one} and {other} are not two runs of one seed: name the program that both came from with --base FILE")
    entry = first.entry if first.seed is not None else second.entry
    outcome = merge(first.program, second.program, common, entry=entry)
    return Merged(outcome=outcome, sources=(first, second), base=said)


def _of_run(path: Path) -> Source:
    record = open_run(path)
    if record.forgeable:
        raise ConfigError(f"{path} is of a task with a foreign evaluator: its programs have no entry, and without one nothing is merged")
    champion = record.champion
    row = champion or record.best
    if row is None:
        raise RunError(f"{path} has no evaluated candidate yet: let it run")
    entry = record.config["task"]["entry"] if (path / "run.toml").is_file() else "solve"
    said = f"candidate {row['number']}, the {'champion' if champion else 'best so far'}"
    return Source(path=path, program=record.program(row), seed=record.ancestry().program(0), entry=entry, said=said)
