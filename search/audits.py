"""Audits: which finalists may be champion: none that breaks a rule of the task, or holds examples that it was never shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from graftwork.programs.errors import CeilingReached
from graftwork.programs.failure import Failure

from .candidate import Candidate, Member
from .leaks import Leak, LeakIndex

__all__ = ["AuditRecorder", "Audited", "audited"]


class AuditRecorder(Protocol):
    """The lineage as audits see it."""

    def decision(self, kind: str, *, number: int, detail: Mapping[str, object]) -> None:
        """Record a choice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """Who may be champion.

    Attributes:
        standing: Those who may.
        disqualified: Number and reason of those who may not.
        missing: What could not be audited, one line each.
    """

    standing: tuple[Member, ...]
    disqualified: Mapping[int, str]
    missing: tuple[str, ...]


async def audited(
    finalists: Iterable[Member],
    *,
    audit: Callable[[Candidate], Awaitable[Failure | None]],
    leaks: LeakIndex,
    recorder: AuditRecorder,
) -> Audited:
    """Audit finalists, the seed not among them; it needs none.

    Args:
        finalists: Who is audited.
        audit: Why a program breaks an audit of the task, or None.
        leaks: What the held-out examples hold.
        recorder: Where it is recorded that one may not be champion.

    Raises:
        InfrastructureError: Programs cannot be run any more.
    """
    standing: list[Member] = []
    disqualified: dict[int, str] = {}
    missing: list[str] = []
    for member in finalists:
        number = member.candidate.number
        if held := leaks.leaks(member.candidate.program):
            disqualified[number] = _said(held)
            recorder.decision("leak", number=number, detail={"examples": [asdict(leak) for leak in held]})
            continue
        try:
            failure = await audit(member.candidate)
        except CeilingReached as ceiling:
            missing.append(f"audit of candidate {number}: {ceiling}; so it cannot be champion")
            continue
        if failure is not None and failure.is_the_programs:
            disqualified[number] = failure.message
            recorder.decision("audit", number=number, detail={"kind": failure.kind, "message": failure.message})
            continue
        standing.append(member)
        if failure is not None:
            missing.append(f"audit of candidate {number}: {failure.message}")
    return Audited(standing=tuple(standing), disqualified=disqualified, missing=tuple(missing))


def _said(leaks: Sequence[Leak]) -> str:
    """What a program holds that it was never shown, in one line."""
    counts = Counter(leak.split for leak in leaks)
    where = ", ".join(f"{count} of {split}" for split, count in counts.items())
    return f"holds examples that it was never shown ({where}), such as {leaks[0].example_id}: {leaks[0].text}"
