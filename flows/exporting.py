"""Exporting: a run's champion as one plain file, made of what the run recorded and held to it before anyone relies on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import uvloop

from graftwork.evaluators.evaluation import mean_of
from graftwork.programs.errors import InfrastructureError, ProgramError, RunError, UserError
from graftwork.programs.export import ExportHeader, export
from graftwork.search.candidate import Candidate
from graftwork.search.comparison import difference_of
from graftwork.search.crowning import Measured
from graftwork.search.disk import publish_file, writing_to
from graftwork.search.record import Record, open_run

from .claims import claim_clause, recorded_claim
from .settings import ModelSettings
from .summary import labelled_headline, recorded_crown
from .verification import Verification, verify

__all__ = ["Exported", "checked", "export_champion", "exported", "told", "write_champion"]

_RUN_AGAIN: Final = Verification(holds=True, said="run once more by the folder's own evaluator, whose scores are forgeable")
_NOT_AGAIN: Final = Verification(
    holds=True, said="NOT verified: not run again yet, and the scores of the folder's own evaluator are forgeable"
)
_PLAYED: Final = Verification(
    holds=True, said="NOT verified: what it does hangs on the task's environment or evaluator, which is not in the file"
)
_UNASKED: Final = Verification(holds=True, said="NOT verified: --unverified was asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A candidate as a file.

    Attributes:
        text: The file.
        candidate: Whose it is.
        is_final: Whether the run is finished and stands for it; else it is the best so far.
        verification: How that went.
    """

    text: str
    candidate: Candidate
    is_final: bool
    verification: Verification


async def write_champion(run_dir: Path) -> str:
    """Write `champion.py` and `programs/<number>.py` into a run's directory at its end, whatever its verification says.

    Returns:
        How it was verified, in one line.

    Raises:
        RunError: If it cannot be written.
    """
    candidate, _ = await asyncio.to_thread(_chosen, open_run(run_dir))
    await asyncio.to_thread(_write, run_dir / "programs" / f"{candidate.number}.py", candidate.program.source)
    try:
        made = await exported(run_dir)
    except ProgramError as error:
        return f"NOT exported: {error}"
    await asyncio.to_thread(_write, run_dir / "champion.py", made.text)
    return made.verification.said


def export_champion(run_dir: Path, output: Path, *, verified: bool = True) -> str:
    """Write a run's champion to a file, or the best so far of a run that is not finished, if it does what the run recorded.

    Args:
        run_dir: The run.
        output: The file.
        verified: Whether to hold it to the record first, and refuse it where it does something else.

    Returns:
        What it is and how it was verified, in a few words.

    Raises:
        RunError: If there is no run, nothing was evaluated yet, the file does not do what the run recorded, or cannot be written.
        ConfigError: If this machine cannot verify it.
    """
    made = checked(run_dir, verified=verified)
    _write(output, made.text)
    return told(made)


def checked(run_dir: Path, *, verified: bool) -> Exported:
    """A run's champion as a file that does what the run recorded.

    Raises:
        RunError: If it does not.
    """
    made = uvloop.run(exported(run_dir, verification=None if verified else _UNASKED))
    if not made.verification.holds:
        raise RunError(f"candidate {made.candidate.number} is not exported: {made.verification.said} (--unverified writes it all the same)")
    return made


def told(made: Exported) -> str:
    """What a file is, and how it was verified."""
    what = "the champion" if made.is_final else "the best so far on val, not confirmed: the run is not finished"
    return f"{what}; {made.verification.said}"


async def exported(run_dir: Path, *, verification: Verification | None = None) -> Exported:
    """A run's champion, or the best so far, as a file that says how its verification went.

    Args:
        run_dir: The run.
        verification: In place of one; None verifies the file.

    Raises:
        RunError: If there is no run, it is damaged, or nothing was evaluated yet.
        ProgramError: If the program cannot be exported.
    """
    record = open_run(run_dir)
    candidate, is_final = await asyncio.to_thread(_chosen, record)
    header = _header(record, candidate)
    if record.forgeable:
        verification = verification or (_RUN_AGAIN if recorded_crown(record)[0].keys() - {"val"} else _NOT_AGAIN)
        said = {**header.provenance, "program": candidate.program.digest, "verified": verification.said}
        return Exported(text=_module(candidate.program.source, said), candidate=candidate, is_final=is_final, verification=verification)
    if verification is None and not record.config["task"].get("alone", True):
        verification = _PLAYED
    if verification is None:
        verification = await _verification(export(candidate.program, header=header), candidate, record)
    header = replace(header, provenance={**header.provenance, "verified": verification.said})
    text = export(candidate.program, header=header)
    return Exported(text=text, candidate=candidate, is_final=is_final, verification=verification)


def _write(file: Path, text: str) -> None:
    data = text.encode()
    with writing_to(file.parent):
        file.parent.mkdir(exist_ok=True)
        publish_file(file, data)


async def _verification(draft: str, candidate: Candidate, record: Record) -> Verification:
    try:
        found = await verify(draft, candidate, record)
    except (UserError, InfrastructureError) as error:
        found = Verification(holds=False, said=str(error))
    return found if found.holds else replace(found, said=f"NOT verified: {found.said}")


def _chosen(record: Record) -> tuple[Candidate, bool]:
    """The champion and True, or the best so far and False."""
    measured, _ = recorded_crown(record)
    row = (record.champion if measured else None) or record.best
    if row is None:
        raise RunError(f"{record.path} has no evaluated candidate yet: let it run")
    return Candidate(number=row["number"], program=record.program(row), operator=row["operator"]), bool(measured)


def _header(record: Record, candidate: Candidate) -> ExportHeader:
    config = record.config
    facts: Mapping[str, Any] = config["task"]
    return ExportHeader(
        entry=facts["entry"],
        provenance={
            "run": record.path.resolve().name,
            "candidate": f"{candidate.number}, by {candidate.operator}",
            "score": _score(record, candidate),
            "models": ", ".join(f"{role} {alias}" for role, alias in (*config["models"].items(), *_more_proposers(config))) or "none",
            "made": date.today().isoformat(),  # noqa: DTZ011 - the reader's own date
        },
        examples=_examples(facts["example"]),
        model=config["settings"].get("task_model", {}).get("model", ""),
        max_tokens=facts["limits"]["max_tokens"],
    )


def _more_proposers(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    more = config["settings"].get("more_proposers", ())
    return [("proposer", ModelSettings.model_validate(settings).alias) for settings in more]


def _examples(kept: str | Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
    """Inputs as `run.toml` keeps them: JSON text, of null where the task has no examples; a table in older runs."""
    inputs = json.loads(kept) if isinstance(kept, str) else kept
    return () if inputs is None else (dict(inputs),)


def _module(source: str, provenance: Mapping[str, str]) -> str:
    """A program that has no entry to serve, as it is, with comment lines above that say where it comes from."""
    lines = [f"# {label}: {' '.join(said.split())}" for label, said in provenance.items()]
    # The first lines of a file may be for the system that runs it.
    first, rest = source.split("\n", 1) if source.startswith("#!") and "\n" in source else ("", source)
    return "\n".join([*([first] if first else []), "# Evolved by Graftwork, to be used in place of the initial program.", *lines, "", rest])


def _score(record: Record, candidate: Candidate) -> str:
    """The champion's measured score; of a best so far its score on val, which chose it."""
    measured, _ = recorded_crown(record)
    unit = record.config["task"]["unit"]
    if measured:
        claim = recorded_claim(record)
        return labelled_headline(measured, unit) + ("" if claim is None else f"; {claim_clause(claim)}")
    counted = record.counted((candidate.number, 0), "val")
    own, seed = counted[candidate.number], counted[0]
    both = [name for name in own if name in seed]
    counts = [own[name] for name in both]
    seeds = counts if candidate.number == 0 else [seed[name] for name in both]
    difference = difference_of(counts, seeds, seed=record.config["settings"]["seed"])
    means = [mean_of(values[name] for name in both) for values in (own, seed)]
    on_val = Measured(champion=means[0], seed=means[1], difference=difference, n=len(both))
    return f"{labelled_headline({'val': on_val}, unit)}; val chose it, which flatters it"
