"""Sound: whether a program that was made of others has an error that they have not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .calls import Call, calls_of, fits
from .check import check
from .program import Program
from .signature import signature_of

__all__ = ["new_errors"]


def new_errors(outcome: Program, parents: Sequence[Program], *, entry: str) -> tuple[str, ...]:
    """Errors of a program that none of its parents has, without lines: those of `check`, and calls that do not fit what they call.

    What they import counts as allowed. The entry's interface is not judged: it is a parent's.

    Args:
        outcome: What was made.
        parents: What it was made of.
        entry: The function that is called; one that nobody defines is no error here.
    """
    found = _errors(outcome, parents, entry)
    known = {error for parent in parents for error in _errors(parent, parents, entry)} if found else set()
    return tuple(error for error in found if error not in known)


def _errors(program: Program, family: Sequence[Program], entry: str) -> list[str]:
    signature = signature_of(program[entry]) if entry in program else None
    parameters = [item.name for item in signature.parameters if item.kind in ("any", "keyword")] if signature is not None else []
    packages = {item.module for one in family for item in one.imports}
    found = check(program, entry=entry, parameters=parameters, packages=packages)
    errors = [replace(defect, line=0) for defect in found if defect.severity == "error"]
    told = [str(defect) for defect in errors if entry in program or not defect.message.startswith("no entry")]
    return told + [
        f"{call.caller!r} does not call {call.callee!r} as it is defined" for call in calls_of(program) if not _fits(program, call)
    ]


def _fits(program: Program, call: Call) -> bool:
    called = signature_of(program[call.callee])
    return called is None or fits(call, called)
