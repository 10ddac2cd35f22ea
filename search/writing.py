"""Writing: from a brief to a program that passes check. The parallel, paid step between `ask` and the evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from graftwork.evaluators.pool import Relayed
from graftwork.programs.check import Defect
from graftwork.programs.errors import ProgramError
from graftwork.programs.model import Usage
from graftwork.programs.program import Program

from .candidate import Brief, Imported, Status
from .operator import Draft, Facts, Rewriter, Variation

__all__ = ["IMPORT", "PROPOSALS", "Proposer", "Writer", "Written"]

IMPORT: Final = "import"
"""The operator that gives a program from elsewhere: brief k the k-th."""
PROPOSALS: Final = 2  # one, and one more when the first could not be used


class Proposer(Protocol):
    """The models that write programs, behind the gateway."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Their names in the lineage; at least one."""
        ...

    async def propose(self, body: Mapping[str, object], *, brief: int, attempt: int, alias: str = "") -> Relayed:
        """One metered call to the one of that alias, else to the first; its draw is (brief, attempt)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What writing gave.

    Attributes:
        status: None where there is a program to evaluate; else why there is none to evaluate.
        draft: The last program that was written; None where none could be read.
        reason: Why it is not to be evaluated.
        usage: Proposer calls at list price.
        model: Alias of the proposer; empty where no model wrote.
    """

    status: Status | None
    draft: Draft | None = None
    reason: str = ""
    usage: Usage = field(default_factory=Usage)
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes programs from briefs.

    Attributes:
        facts: What operators may know of the task.
        check: Every defect of a program.
        known: Whether a digest had been told among the first so many results.
        variations: Operators without a model, by name.
        rewriters: Operators with one, by name.
        proposer: The models; None where the run has none.
        attempts: How many tries a variation has.
        imported: Programs from elsewhere that answer the first briefs; they pass `check`.
    """

    facts: Facts
    check: Callable[[Program], Sequence[Defect]]
    known: Callable[[str, int], bool]
    variations: Mapping[str, Variation]
    rewriters: Mapping[str, Rewriter]
    proposer: Proposer | None
    attempts: int
    imported: tuple[Imported, ...] = ()

    async def write(self, brief: Brief) -> Written:
        """A program for the brief.

        Raises:
            CeilingReached: The run's budget is spent.
        """
        if brief.operator == IMPORT:
            given = self.imported[brief.number - 1]
            return Written(status=None, draft=Draft(program=given.program, note=given.note))
        if brief.operator in self.variations:
            return self._vary(brief, self.variations[brief.operator])
        return await self._rewrite(brief, self.rewriters[brief.operator])

    def _judge(self, brief: Brief, draft: Draft) -> tuple[Status | None, str]:
        """Whether a draft is worth evaluating, and if not, why."""
        if self.known(draft.program.digest, brief.told):
            return "duplicate", "this program is known already; another change is needed"
        errors = [defect for defect in self.check(draft.program) if defect.severity == "error"]
        if errors:
            return "rejected", "\n".join(f"{d.component or 'program'}, line {d.line}: {d.message}" for d in errors[:5])
        return None, ""

    def _vary(self, brief: Brief, operator: Variation) -> Written:
        written = Written(status="unwritten", reason=f"{operator.name} found nothing to change")
        for attempt in range(self.attempts):
            draft = operator.write(brief, self.facts, attempt=attempt)
            if draft is None:
                continue
            status, reason = self._judge(brief, draft)
            written = Written(status=status, draft=draft, reason=reason)
            if status is None:
                break
        return written

    async def _rewrite(self, brief: Brief, operator: Rewriter) -> Written:
        """Ask the proposer, and once more with what was wrong."""
        if self.proposer is None:
            return Written(status="unwritten", reason="this run has no proposer")
        alias = brief.proposer or self.proposer.aliases[0]
        body = dict(operator.request(brief, self.facts))
        usage = Usage()
        written = Written(status="unwritten")
        for attempt in range(PROPOSALS):
            relayed = await self.proposer.propose(body, brief=brief.number, attempt=attempt, alias=alias)
            usage += relayed.usage
            if relayed.failure is not None or relayed.reply is None:
                trouble = relayed.failure.kind if relayed.failure is not None else "model"
                status: Status = "abandoned" if trouble in ("model", "infrastructure") else "unwritten"
                reason = relayed.failure.message if relayed.failure is not None else "no reply"
                return Written(status=status, reason=f"{trouble}: {reason}", usage=usage, model=alias)
            text = relayed.reply.text
            written = replace(self._read(brief, operator, text), usage=usage, model=alias)
            if written.status is None:
                break
            body = _with_complaint(body, text, written.reason)
        return written

    def _read(self, brief: Brief, operator: Rewriter, text: str) -> Written:
        try:
            draft = operator.read(brief, self.facts, text)
        except ProgramError as error:
            return Written(status="unwritten", reason=str(error))
        status, reason = self._judge(brief, draft)
        return Written(status=status, draft=draft, reason=reason)


def _with_complaint(body: Mapping[str, object], text: str, reason: str) -> dict[str, object]:
    """The request again, with the reply and what was wrong with it."""
    messages = json.loads(json.dumps(body["messages"]))
    complaint = f"That cannot be used: {reason}\nReply again in the form asked for, with this put right."
    return {**body, "messages": [*messages, {"role": "assistant", "content": text}, {"role": "user", "content": complaint}]}
