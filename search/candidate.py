"""Candidate, member, brief and result: the values that the loop passes round."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from graftwork.evaluators.evaluation import Evaluation
from graftwork.programs.model import Usage
from graftwork.programs.program import Program
from graftwork.programs.provenance import Provenance

from .estimate import Estimate, estimate
from .racing import Verdict

__all__ = ["Ancestor", "Brief", "Candidate", "Imported", "Member", "Raced", "Result", "Status", "Traits"]

Status = Literal["evaluated", "duplicate", "rejected", "unwritten", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """What a candidate keeps of one that it descends from: enough to merge against.

    Attributes:
        number: The ancestor's number.
        program: Its program, shared with everyone who keeps it.
    """

    number: int
    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is compared of a program with others.

    Attributes:
        normal: Digest of its normal form, 32 hexadecimal digits.
        sketch: Of its shingles, as 256 hexadecimal digits; see `search/novelty.py`.
    """

    normal: str
    sketch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A program with its origin.

    Attributes:
        number: Number of the brief that it answers; 0 is the seed.
        program: What was written.
        parents: Numbers of the parents, none for the seed.
        operator: Name of the operator that wrote it; `seed` for the seed.
        island: Where it belongs.
        note: What the operator says it did, one line.
        model: Alias of the proposer; empty where no model wrote.
        provenance: Where each of its components is from.
        ancestors: The latest of those that it descends from, and the seed, by number.
        traits: By which it is compared with others; None where the search does not.
    """

    number: int
    program: Program
    parents: tuple[int, ...] = ()
    operator: str = "seed"
    island: int = 0
    note: str = ""
    model: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    ancestors: tuple[Ancestor, ...] = ()
    traits: Traits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A program from elsewhere that a search begins with, beside its seed.

    Attributes:
        program: The program; it passes the task's check.
        claimed: What it is said to score there; None where nothing is said. Nobody relies on it.
        place: Where it is from.
    """

    program: Program
    claimed: float | None
    place: str

    @property
    def note(self) -> str:
        """Where it is from and what it is said to score, in one line."""
        claim = "claims no score" if self.claimed is None else f"claims {self.claimed:.6g}"
        return f"from {self.place}, {claim} there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A candidate in an archive, with the evidence that operators and selection use.

    Attributes:
        candidate: Who it is.
        val: What drives selection. Operators never see it.
        train: Outcomes on train examples: traces, feedback and failures that operators are shown.
        extended: Numbers of the briefs whose results extended `val`, in the order in which they were told.
        baseline: Values of the seed on all of val, in the order in which programs meet them; empty where there is no seed to compare with.
        estimate: What `val` says of the mean over all of val, and how surely. Worked out once.
    """

    candidate: Candidate
    val: Evaluation
    train: Evaluation
    extended: tuple[int, ...] = ()
    baseline: tuple[float | None, ...] = field(default=(), repr=False)
    estimate: Estimate = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Work out the estimate."""
        values = self.val.values
        object.__setattr__(self, "estimate", estimate(values, self.baseline or values, lo=self.val.lo))

    def with_more(self, extension: Evaluation, brief: int) -> Member:
        """This member with what a brief's result tells of it on further examples; the same where all of that is known.

        Args:
            extension: Its evaluation on examples that follow on those that were known when the brief was asked.
            brief: The brief's number.
        """
        known = {judgement.outcome.example_id for judgement in self.val.judgements}
        more = tuple(judgement for judgement in extension.judgements if judgement.outcome.example_id not in known)
        if not more:
            return self
        return replace(self, val=self.val.extended(replace(extension, judgements=more)), extended=(*self.extended, brief))

    @property
    def score(self) -> float:
        """Mean on val in the task's unit; the lowest score when nothing could be judged."""
        mean = self.val.mean
        return self.val.lo if mean is None else mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What one operator call is given. Made by `ask` from the state and nothing else.

    Attributes:
        number: Its place in the sequence, from 1.
        told: How many results the state had when it was asked (the seed's included); what is known is known as of then.
        operator: Name of the operator to use.
        parents: As many members as the operator takes.
        island: Where the child will live.
        seed: Seed of every random choice that the operator makes, 64 bits.
        proposer: Alias of the model that is to write; empty where the run has no choice of them.
        worth: Of the operator with the proposer, as drawn by the bandit; None where their weight alone decided.
    """

    number: int
    told: int
    operator: str
    parents: tuple[Member, ...]
    island: int
    seed: int
    proposer: str = ""
    worth: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """How the race of a child against its parent came out.

    Attributes:
        verdict: `promoted`: it is better, at the level of the race; `dropped`: it does not look better; `undecided`: there are no more
            examples, or the race was broken off.
        against: Number of the parent; 0, the seed, where a child has none.
        n: On how many examples of val.
    """

    verdict: Verdict
    against: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The one told result of a brief.

    Attributes:
        number: The brief's number; 0 for the seed.
        operator: The brief's operator; where the brief was passed on, the one that it was passed to.
        island: The brief's island.
        parents: Numbers of the brief's parents, as many as the operator takes.
        status: `evaluated`; `duplicate` of a known program; `rejected` by check; `unwritten`: the operator or its model gave no program;
            `abandoned`: infrastructure or endpoint trouble outlasted every retry.
        candidate: The candidate, where a program was written.
        val: Evaluation on val, where it was evaluated.
        train: Evaluation on train examples, likewise.
        raced: How the race against its parent came out; None where there was none.
        estimate: What `val` says of the mean over all of val; None where that was not asked for.
        extension: What the parent is worth on those examples of the race that it had not seen; None where there are none.
        answers: Digest of its outputs on the first examples of the race; None where they tell too little, or there is no race.
        reason: Why it was not evaluated, one or a few lines.
        proposing: What its proposer calls cost at list price, hits in the cache included.
    """

    number: int
    operator: str
    island: int
    parents: tuple[int, ...]
    status: Status
    candidate: Candidate | None = None
    val: Evaluation | None = None
    train: Evaluation | None = None
    raced: Raced | None = None
    estimate: Estimate | None = None
    extension: Evaluation | None = None
    answers: str | None = None
    reason: str = ""
    proposing: Usage = field(default_factory=Usage)

    @property
    def usage(self) -> Usage:
        """Everything that it cost: proposing and evaluating, its parent included."""
        evaluations = [e.usage for e in (self.val, self.train, self.extension) if e is not None]
        return sum(evaluations, self.proposing)
