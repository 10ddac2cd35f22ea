"""Verification: whether an exported file does what the run recorded: run bare, answered from the record, held to it output by output."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from graftwork.evaluators.bare import run_bare
from graftwork.evaluators.evaluation import Case, Outcome, Work
from graftwork.evaluators.replay_endpoint import Answered, ReplayEndpoint
from graftwork.evaluators.task import Limits
from graftwork.programs.export import hook_of
from graftwork.search.candidate import Candidate
from graftwork.search.record import Record
from graftwork.search.rows import output_columns

from .recorded import RecordedCase, recorded_cases, replayed

__all__ = ["Reproduced", "Verification", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """What the file did on one example, as the run recorded it.

    Attributes:
        case: The example and the record.
        outcome: What the file did.
        answered: Its requests and their replies, sorted by draw.
    """

    case: RecordedCase
    outcome: Outcome
    answered: tuple[Answered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How a verification went.

    Attributes:
        holds: Whether the file did what the run recorded.
        said: In one line.
        reproduced: What it did, where it holds.
    """

    holds: bool
    said: str
    reproduced: tuple[Reproduced, ...] = ()


async def verify(text: str, candidate: Candidate, record: Record) -> Verification:
    """Run a file on the recorded val examples and compare.

    Args:
        text: The exported file.
        candidate: Whose export it is.
        record: The run, finished or not.

    Raises:
        ConfigError: If a package is missing here, or the walls are that a file is run behind.
        RunError: If the run is damaged, or keeps no inputs.
        InfrastructureError: The interpreter was lost.
    """
    cases, n_recorded = await asyncio.to_thread(recorded_cases, record, candidate.number)
    if not cases:
        return Verification(holds=False, said=f"none of {n_recorded} recorded val examples gives the same again whenever it is run")
    work = _work(text, candidate, record, cases)
    asks = work.hook is not None and bool(work.hook.complete)
    endpoint = ReplayEndpoint(await asyncio.to_thread(replayed, record)) if asks else None
    outcomes = await run_bare(work, endpoint=endpoint, sandbox=record.config["settings"]["sandbox"])
    if endpoint is not None and endpoint.unrecorded:
        return Verification(holds=False, said=f"the file asked what the run did not: {min(endpoint.unrecorded)}")
    for case, outcome in zip(cases, outcomes, strict=True):
        if not _agree(case, outcome):
            return Verification(holds=False, said=f"on val example {case.example_id} the file gave {_given(outcome)}, the run {_had(case)}")
    answered = sorted(endpoint.answered, key=lambda one: one.draw) if endpoint is not None else []
    reproduced = tuple(
        Reproduced(case=case, outcome=outcome, answered=tuple(one for one in answered if one.example_id == case.example_id))
        for case, outcome in zip(cases, outcomes, strict=True)
    )
    return Verification(holds=True, said=_success(cases, n_recorded, asks=asks), reproduced=reproduced)


def _work(text: str, candidate: Candidate, record: Record, cases: tuple[RecordedCase, ...]) -> Work:
    facts = record.config["task"]
    return Work(
        candidate=candidate.number,
        source=text,
        digest=candidate.program.digest,  # it seeds random numbers, so that the file draws those that the program drew
        entry=facts["entry"],
        cases=tuple(Case(example_id=case.example_id, inputs=case.inputs) for case in cases),
        packages=tuple(facts["packages"]),
        limits=Limits(**facts["limits"]),
        hook=hook_of(text),
    )


def _agree(case: RecordedCase, outcome: Outcome) -> bool:
    if case.failure is None:
        came = output_columns(outcome.output)
        return outcome.failure is None and (case.output, case.output_digest) == (came.get("output"), came.get("output_digest"))
    if outcome.failure is None:
        return False
    (kind, message), came_kind, came_message = case.failure, outcome.failure.kind, outcome.failure.message
    if kind == "invalid":
        # The session's word for what the file's own runtime, or its client, raises.
        return message[:200] in came_message or "BadRequestError" in came_message
    if message.startswith("RecursionError"):
        return came_message.startswith("RecursionError")  # traced calls are deeper
    return kind == came_kind and (kind == "forbidden" or message == came_message)


def _given(outcome: Outcome) -> str:
    return _line(f"{outcome.failure.kind}: {outcome.failure.message}" if outcome.failure is not None else repr(outcome.output))


def _had(case: RecordedCase) -> str:
    if case.failure is not None:
        return _line(f"{case.failure[0]}: {case.failure[1]}")
    return f"an output of digest {case.output_digest}" if case.output_digest is not None else _line(case.output or "null")


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


def _success(cases: tuple[RecordedCase, ...], n_recorded: int, *, asks: bool) -> str:
    failures = sum(case.failure is not None for case in cases)
    what = f"{len(cases) - failures} outputs" + (f" and {failures} failures" if failures else "")
    replies = ", with the recorded replies" if asks else ""
    return f"run alone{replies}, it gives what the run recorded on {len(cases)} of {n_recorded} val examples: {what}"
