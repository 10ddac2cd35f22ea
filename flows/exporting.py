"""Exporting: the champion as one plain file beside its run, checked in the sandbox before anyone relies on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from graftwork.evaluators.evaluation import Case, Work
from graftwork.evaluators.pool import Pool
from graftwork.evaluators.task import Example, Task
from graftwork.programs.errors import RunError
from graftwork.programs.export import ExportHeader, export
from graftwork.programs.parse import parse
from graftwork.search.candidate import Candidate, Member
from graftwork.search.disk import writing_to
from graftwork.search.record import open_run

from .run import Report, Run
from .summary import headline

__all__ = ["copy_champion", "module_with_header", "shortest_inputs", "write_champion"]

_VERIFIED_ON: Final = 5


async def write_champion(report: Report, run: Run, *, champion: Member, pool: Pool) -> str:
    """Write `champion.py` and `programs/<number>.py` into the run's directory.

    A program without prompts is verified: the exported text runs in the sandbox on val examples and is held to the outputs that the
    champion gave; the file says how that went. One with prompts is not: it asks an endpoint, and the sandbox has no way to one.

    Returns:
        How it was verified, in a few words.

    Raises:
        RunError: If it cannot be written.
    """
    program = champion.candidate.program
    if run.task.forgeable:
        return _write_module(report, champion.candidate)
    provenance = {
        "run": report.run_dir.name,
        "candidate": f"{champion.candidate.number}, by {champion.candidate.operator}",
        "score": headline(report),
        "models": ", ".join(f"{role} {model.alias}" for role, model in run.models.items()) or "none",
        "made": date.today().isoformat(),  # noqa: DTZ011 - the reader's own date
    }
    task_model = run.settings.task_model
    header = ExportHeader(
        entry=run.task.entry,
        provenance=provenance,
        examples=(shortest_inputs(run.task),),
        model=task_model.model if task_model is not None else "",
        max_tokens=run.task.limits.max_tokens,
    )
    draft = export(program, header=header)
    verified = "not verified: it asks a model" if program.prompts else await _verify(draft, champion, run.task, pool)
    text = export(program, header=replace(header, provenance={**provenance, "verified": verified}))
    with writing_to(report.run_dir):
        (report.run_dir / "programs").mkdir(exist_ok=True)
        (report.run_dir / "programs" / f"{champion.candidate.number}.py").write_text(program.source, encoding="utf-8")
        (report.run_dir / "champion.py").write_text(text, encoding="utf-8")
    return verified


def copy_champion(run_dir: Path, output: Path) -> str:
    """Write a run's champion to a file, or the best so far of a run that is not finished.

    Returns:
        What it is and how it was verified, in a few words.

    Raises:
        RunError: If there is no run, nothing was evaluated yet, or the file cannot be written.
    """
    record = open_run(run_dir)
    finished = run_dir / "champion.py"
    try:
        if finished.is_file():
            if not (output.exists() and output.samefile(finished)):
                shutil.copyfile(finished, output)
            exported = [event["message"] for event in record.events.to_pylist() if event["kind"] == "export"]
            return f"the champion; {exported[-1]}" if exported else "the champion"
        best = record.best
        if best is None:
            raise RunError(f"{run_dir} has no evaluated candidate yet: let it run")
        if record.config["task"].get("forgeable"):
            said = {"candidate": f"{best['number']}, by {best['operator']}", "verified": "no: the run is not finished"}
            output.write_text(module_with_header(best["source"], {"run": run_dir.name, **said}), encoding="utf-8")
            return "the best so far on val, not confirmed: the run is not finished"
        provenance = {
            "run": run_dir.name,
            "candidate": f"{best['number']}, by {best['operator']}",
            "verified": "no: the run is not finished",
        }
        facts = record.config["task"]
        header = ExportHeader(
            entry=facts["entry"],
            provenance=provenance,
            examples=(facts["example"],),
            model=record.config["settings"].get("task_model", {}).get("model", ""),
            max_tokens=facts["limits"]["max_tokens"],
        )
        output.write_text(export(parse(best["source"]), header=header), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {output}: {error.strerror or error}") from None
    return "the best so far on val, not confirmed: the run is not finished"


def module_with_header(source: str, provenance: Mapping[str, str]) -> str:
    """A program that has no entry to serve, as it is, with comment lines above that say where it comes from."""
    lines = [f"# {label}: {' '.join(said.split())}" for label, said in provenance.items()]
    # The first lines of a file may be for the system that runs it.
    first, rest = source.split("\n", 1) if source.startswith("#!") and "\n" in source else ("", source)
    return "\n".join([*([first] if first else []), "# Evolved by Graftwork, to be used in place of the initial program.", *lines, "", rest])


def _write_module(report: Report, champion: Candidate) -> str:
    """Write the champion of a foreign task, marks and all. Its evaluator has run it once more; nothing else could verify it."""
    verified = "run once more by the folder's own evaluator, whose scores are forgeable"
    provenance = {
        "run": report.run_dir.name,
        "candidate": f"{champion.number}, by {champion.operator}",
        "score": headline(report),
        "made": date.today().isoformat(),  # noqa: DTZ011 - the reader's own date
        "program": champion.program.digest,
        "verified": verified,
    }
    with writing_to(report.run_dir):
        (report.run_dir / "programs").mkdir(exist_ok=True)
        (report.run_dir / "programs" / f"{champion.number}.py").write_text(champion.program.source, encoding="utf-8")
        (report.run_dir / "champion.py").write_text(module_with_header(champion.program.source, provenance), encoding="utf-8")
    return verified


async def _verify(text: str, champion: Member, task: Task, pool: Pool) -> str:
    by_id: dict[str, Example] = {example.id: example for example in task.splits["val"]}
    recorded = {j.outcome.example_id: j.outcome for j in champion.val.judgements if j.outcome.failure is None}
    ids = sorted(recorded)[:_VERIFIED_ON]
    work = Work(
        candidate=champion.candidate.number,
        source=text,
        # The digest seeds the child's random numbers, so the export draws those that the champion drew.
        digest=champion.candidate.program.digest,
        entry=task.entry,
        cases=tuple(Case(example_id=one, inputs=by_id[one].inputs) for one in ids),
        packages=task.packages,
        limits=task.limits,
        purpose="search",
    )
    for outcome in await pool.run(work):
        expected = recorded[outcome.example_id].output
        if outcome.failure is not None or outcome.output != expected:
            came = outcome.failure.message if outcome.failure is not None else f"{outcome.output!r:.200}"
            return f"NOT verified: on val example {outcome.example_id} the file gave {came}, the run {expected!r:.200}"
    return f"same outputs as in the run on {len(ids)} val examples"


def shortest_inputs(task: Task) -> Mapping[str, object]:
    """Inputs of the shortest train example, to show how the program is called."""
    examples = task.splits.get("train") or task.splits["val"]
    return min((example.inputs for example in examples), key=lambda inputs: len(json.dumps(inputs)))
