"""Writing: from a brief to a program that passes check. The parallel, paid step between `ask` and the evaluation."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from graftwork.evaluators.pool import Relayed
from graftwork.programs.check import Defect
from graftwork.programs.errors import ProgramError
from graftwork.programs.model import Usage
from graftwork.programs.program import Program

from .candidate import Brief, Imported, Status, Traits
from .novelty import Novelty, traits_of
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

    async def propose(self, body: Mapping[str, object], *, brief: int, attempt: int, alias: str) -> Relayed:
        """One metered call to the one of that alias; its draw is (brief, attempt)."""
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
        traits: By which the program is compared with others; None where it is not.
        passed: The brief as another operator was given it; None where nobody was.
    """

    status: Status | None
    draft: Draft | None = None
    reason: str = ""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    traits: Traits | None = None
    passed: Brief | None = None


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
        others: Weights of the operators to which a brief is passed on where its own finds nothing to change; empty to pass on none.
        novelty: What new programs are compared with; None where they are not.
        too_near: From which similarity to a known program on a proposer is asked to change more.
        imported: Programs from elsewhere that answer the first briefs; they pass `check`.
    """

    facts: Facts
    check: Callable[[Program], Sequence[Defect]]
    known: Callable[[str, int], bool]
    variations: Mapping[str, Variation]
    rewriters: Mapping[str, Rewriter]
    proposer: Proposer | None
    attempts: int
    others: Mapping[str, float] = field(default_factory=dict)
    novelty: Novelty | None = None
    too_near: float = 1.0
    imported: tuple[Imported, ...] = ()

    @property
    def usable(self) -> Mapping[str, Variation | Rewriter]:
        """The operators that can write here, by name."""
        return {**self.variations, **({} if self.proposer is None else self.rewriters)}

    async def write(self, brief: Brief) -> Written:
        """A program for the brief; by another operator, where its own finds nothing to change.

        Raises:
            CeilingReached: The run's budget is spent.
        """
        if brief.operator == IMPORT:
            given = self.imported[brief.number - 1]
            return Written(status=None, draft=Draft(program=given.program, note=given.note), traits=self.traits(given.program))
        if (written := await self._written(brief)) is not None:
            return written
        for passed in self._passed(brief):
            if (written := await self._written(passed)) is not None:
                return replace(written, passed=passed)
        return Written(status="unwritten", reason=f"{brief.operator} found nothing to change")

    def traits(self, program: Program) -> Traits | None:
        """By which a program is compared with others; None where none is."""
        return None if self.novelty is None else traits_of(program, entry=self.facts.entry)

    async def _written(self, brief: Brief) -> Written | None:
        """What the brief's operator writes; None where it finds nothing to change."""
        if brief.operator in self.variations:
            return self._vary(brief, self.variations[brief.operator])
        return await self._rewrite(brief, self.rewriters[brief.operator])

    def _passed(self, brief: Brief) -> Iterator[Brief]:
        """The brief for one other operator after the other, drawn by weight, of those that take no more parents."""
        rng = random.Random(f"passed/{brief.seed}")
        takes = {name: operator.n_parents for name, operator in self.usable.items() if operator.n_parents <= len(brief.parents)}
        left = {name: weight for name, weight in sorted(self.others.items()) if name in takes and name != brief.operator}
        while left:
            name = rng.choices(list(left), weights=list(left.values()))[0]
            del left[name]
            proposer = rng.choice(self.proposer.aliases) if self.proposer is not None and name in self.rewriters else ""
            yield replace(brief, operator=name, parents=brief.parents[: takes[name]], proposer=proposer)

    def _judged(self, brief: Brief, draft: Draft) -> Written:
        """Whether a draft is worth evaluating, and if not, why."""
        if self.known(draft.program.digest, brief.told):
            return Written(status="duplicate", draft=draft, reason="this program is known already; another change is needed")
        errors = [defect for defect in self.check(draft.program) if defect.severity == "error"]
        if errors:
            reason = "\n".join(f"{d.component or 'program'}, line {d.line}: {d.message}" for d in errors[:5])
            return Written(status="rejected", draft=draft, reason=reason)
        traits = self.traits(draft.program)
        renamed = None if self.novelty is None or traits is None else self.novelty.renamed(traits, as_of=brief.told)
        if renamed is None:
            return Written(status=None, draft=draft, traits=traits)
        reason = f"this program is candidate {renamed} in other words; another change is needed"
        return Written(status="duplicate", draft=draft, reason=reason, traits=traits)

    def _vary(self, brief: Brief, operator: Variation) -> Written | None:
        written = None
        for attempt in range(self.attempts):
            draft = operator.write(brief, self.facts, attempt=attempt)
            if draft is None:
                continue
            written = self._judged(brief, draft)
            if written.status is None:
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
                unanswered = replace(_unanswered(relayed), usage=usage, model=alias)
                return unanswered if written.status is not None or unanswered.status == "abandoned" else replace(written, usage=usage)
            text = relayed.reply.text
            before, written = written, replace(self._read(brief, operator, text), usage=usage, model=alias)
            if written.status is not None and before.status is None:  # asked for more, it gave nothing that is of use
                return replace(before, usage=usage)
            complaint = self._too_near(brief, written) if written.status is None else written.reason
            if not complaint:
                break
            body = _with_complaint(body, text, complaint)
        return written

    def _too_near(self, brief: Brief, written: Written) -> str:
        """Why a program is too near a known one; empty where it is not."""
        near = None
        if self.novelty is not None and written.traits is not None:
            near = self.novelty.nearest(written.traits, as_of=brief.told)
        if near is None or near.similarity < self.too_near:
            return ""
        return f"a program that is {near.similarity:.0%} the same has been tried (candidate {near.number}): change more of it."

    def _read(self, brief: Brief, operator: Rewriter, text: str) -> Written:
        try:
            draft = operator.read(brief, self.facts, text)
        except ProgramError as error:
            return Written(status="unwritten", reason=str(error))
        return self._judged(brief, draft)


def _unanswered(relayed: Relayed) -> Written:
    """What comes of a call without a reply: trouble of the endpoint is nobody's fault."""
    trouble = relayed.failure.kind if relayed.failure is not None else "model"
    reason = relayed.failure.message if relayed.failure is not None else "no reply"
    return Written(status="abandoned" if trouble in {"model", "infrastructure"} else "unwritten", reason=f"{trouble}: {reason}")


def _with_complaint(body: Mapping[str, object], text: str, reason: str) -> dict[str, object]:
    """The request again, with the reply and what was wrong with it."""
    messages = json.loads(json.dumps(body["messages"]))
    complaint = f"That cannot be used: {reason}\nReply again in the form asked for, with this put right."
    return {**body, "messages": [*messages, {"role": "assistant", "content": text}, {"role": "user", "content": complaint}]}
