"""The state of a search and its two moves: `ask` makes a brief of it, `tell` folds a result into it.

The state is a value: equal to another that was told the same results in the same order. Every random choice of `ask` is drawn from
(seed, brief number), so nothing depends on when results come in.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Final

from graftwork.evaluators.ledger import CandidateCaps, Ceilings
from graftwork.programs.model import Usage

from .archive import AddStatus
from .archives import order_of
from .bandit import Arm, Bandit, Drawn
from .candidate import Brief, Member, Result, Status
from .digest_index import DigestIndex
from .islands import Islands, Moves
from .novelty import Novelty
from .strategy import Strategy

__all__ = ["Budget", "State", "Told", "ask", "settle", "tell"]

_NO_CHOICE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Hard ceilings of a run.

    Attributes:
        candidates: Briefs, the seed not counted.
        seconds: Wall seconds; None for no limit. A stop by the clock is recorded, and a replay obeys it.
        ceilings: Of model calls, tokens and US dollars together.
        caps: What one candidate may use of each; what `ask` sets aside for every candidate in flight.
    """

    candidates: int
    seconds: float | None = None
    ceilings: Ceilings = field(default_factory=Ceilings)
    caps: CandidateCaps = field(default_factory=CandidateCaps)

    def fits(self, spent: Usage, n_in_flight: int) -> bool:
        """Whether the caps of `n_in_flight` candidates fit beside what is spent."""
        pairs = (
            (self.ceilings.usd, self.caps.usd, spent.usd),
            (self.ceilings.tokens, self.caps.tokens, spent.tokens),
            (self.ceilings.calls, self.caps.calls, spent.calls),
        )
        return all(ceiling is None or used + n_in_flight * (cap or 0) <= ceiling for ceiling, cap, used in pairs)


@dataclass(slots=True, kw_only=True)
class State:
    """What is known after some results were told.

    Attributes:
        strategy: How to search.
        seed: Seed of every choice.
        islands: Where members live.
        seen: For each known digest, how many results had been told when it became known.
        told: Results told so far, the seed's included.
        spent: What the told results cost at list price.
        statuses: Number of told results by status.
        failures: Number of failures on val by kind.
        bandit: What is known of operators and proposers; None where the strategy has none.
        best: Highest estimate of those that led an island when they were told; None before there is one.
        improved: How many results had been told when it last rose.
        novelty: What new programs are compared with; None where the strategy does not.
    """

    strategy: Strategy
    seed: int
    islands: Islands
    seen: DigestIndex = field(default_factory=DigestIndex)
    told: int = 0
    spent: Usage = field(default_factory=Usage)
    statuses: Counter[Status] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    bandit: Bandit | None = None
    best: float | None = None
    improved: int = 0
    novelty: Novelty | None = None

    @classmethod
    def start(cls, strategy: Strategy, seed: int, *, entry: str = "") -> State:
        """The state before anything was told.

        Args:
            strategy: How to search.
            seed: Of every choice.
            entry: The task's, from which a program's structure is counted; empty counts all of a program.
        """
        bandit = Bandit(floor=strategy.bandit_floor, memory=strategy.bandit_memory) if strategy.bandit else None
        novelty = Novelty() if strategy.novelty else None
        return cls(strategy=strategy, seed=seed, islands=Islands(strategy, entry), bandit=bandit, novelty=novelty)

    def known(self, digest: str, *, as_of: int) -> bool:
        """Whether a program of this digest had been told among the first `as_of` results."""
        told = self.seen.get(digest)
        return told is not None and told <= as_of

    @property
    def baseline(self) -> tuple[float | None, ...]:
        """Values of the seed on val; empty before it is told."""
        return () if self.islands.founder is None else self.islands.founder.val.values

    @property
    def finalists(self) -> tuple[Member, ...]:
        """The best members of all islands, best first, each digest once."""
        by_digest = {member.candidate.program.digest: member for archive in self.islands for member in archive}
        return tuple(sorted(by_digest.values(), key=order_of(self.strategy))[: self.strategy.finalists])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What telling a result did.

    Attributes:
        added: What the island's archive did with it.
        moves: What was done between islands then.
        learned: What the bandit learned of the brief's operator and proposer: reward, and cost in US dollars; None where there is no
            bandit, or nothing to learn.
    """

    added: AddStatus
    moves: Moves = field(default_factory=Moves)
    learned: tuple[float, float] | None = None

    @property
    def detail(self) -> dict[str, object]:
        """What there is to record of it; empty where nothing changed."""
        moves = asdict(self.moves)
        if self.added is AddStatus.REFUSED and not any(moves.values()):
            return {}
        said = {what: {str(home): number for home, number in came.items()} for what, came in moves.items()}
        return {"added": self.added.name.lower(), **{what: came for what, came in said.items() if came or what == "migrated"}}


def ask(
    state: State, number: int, *, operators: Mapping[str, tuple[float, int]], proposers: Mapping[str, tuple[str, ...]] = _NO_CHOICE
) -> Brief:
    """Make the brief of that number. Pure: the state is not changed.

    Args:
        state: At least the seed has been told.
        number: The brief's number, from 1.
        operators: Weight and number of parents of each usable operator.
        proposers: Aliases of the models among which an operator has a choice, by its name; they share its weight.
    """
    rng = random.Random(f"ask/{state.seed}/{number}")
    island = rng.randrange(len(state.islands))
    names = sorted(operators)
    name = rng.choices(names, weights=[operators[n][0] for n in names])[0]
    drawn = Drawn(arm=Arm(operator=name, proposer=_any(proposers.get(name, ("",)), state.seed, number)), worth=None)
    if state.bandit is not None:
        drawn = state.bandit.draw(_arms(operators, proposers), random.Random(f"bandit/{state.seed}/{number}"))
    name, root = drawn.arm.operator, state.islands.founder if state.strategy.from_seed else None
    return Brief(
        number=number,
        told=state.told,
        operator=name,
        parents=tuple(root or state.islands[island].draw(rng) for _ in range(operators[name][1])),
        island=island,
        seed=rng.getrandbits(64),
        proposer=drawn.arm.proposer,
        worth=drawn.worth,
    )


def _arms(operators: Mapping[str, tuple[float, int]], proposers: Mapping[str, tuple[str, ...]]) -> dict[Arm, float]:
    """The weight of each operator with each of its proposers."""
    choices = {name: proposers.get(name, ("",)) for name in operators}
    return {Arm(operator=name, proposer=alias): operators[name][0] / len(aliases) for name, aliases in choices.items() for alias in aliases}


def _any(aliases: tuple[str, ...], seed: int, number: int) -> str:
    return random.Random(f"proposer/{seed}/{number}").choice(aliases)


def settle(state: State, result: Result) -> Result:
    """The result as it will be told: one whose program became known while it was in flight is a duplicate."""
    candidate = result.candidate
    if result.status != "evaluated" or candidate is None:
        return result
    if candidate.program.digest in state.seen:
        return replace(result, status="duplicate", reason="the same program was told while this one was in flight")
    renamed = None
    if state.novelty is not None and candidate.traits is not None:
        renamed = state.novelty.renamed(candidate.traits, as_of=state.told)
    if renamed is not None:
        return replace(result, status="duplicate", reason=f"candidate {renamed} in other words, told while this one was in flight")
    return result


def tell(state: State, result: Result, brief: Brief | None = None) -> Told:
    """Fold one settled result into the state, in the order of briefs; the seed's comes first.

    Args:
        state: What changes.
        result: What is told.
        brief: The brief that it answers; None for the seed, and for a result of another run.
    """
    state.told += 1
    state.spent += result.usage
    state.statuses[result.status] += 1
    if result.candidate is not None and result.status != "abandoned":  # one that nobody could run may be tried again
        state.seen.add(result.candidate.program.digest, state.told)
        if state.novelty is not None and result.candidate.traits is not None:
            state.novelty.learn(result.number, result.candidate.traits, answers=result.answers, ran=result.val is not None)
    if result.raced is not None and result.extension is not None and result.status != "abandoned":
        state.islands.renew(result.raced.against, result.extension, result.number)
    added = AddStatus.REFUSED
    member = _member(state, result)
    if member is not None:
        state.failures.update(failure.kind for failure in member.val.failures)
        islands = state.islands
        added = islands.settle(member) if result.number == 0 else islands.add(member, result.island, told=state.told)
        if added is AddStatus.BEST and (state.best is None or member.estimate.mean > state.best):
            state.best, state.improved = member.estimate.mean, state.told
    learned = None if brief is None or not brief.parents else _learn(state, result, brief, member)
    return Told(added=added, moves=state.islands.turn(told=state.told, seed=state.seed), learned=learned)


def _member(state: State, result: Result) -> Member | None:
    """The member that an evaluated result gives; None of another."""
    if result.status != "evaluated" or result.candidate is None or result.val is None or result.train is None:
        return None
    baseline = result.val.values if result.number == 0 else state.baseline
    return Member(candidate=result.candidate, val=result.val, train=result.train, baseline=baseline)


def _learn(state: State, result: Result, brief: Brief, member: Member | None) -> tuple[float, float] | None:
    """Let the bandit learn what a brief's choice came to: how far the child, unless its race dropped it, is above the better parent.

    Of a brief that was passed on it learns that its own operator gave nothing and cost nothing.
    """
    if state.bandit is None or result.status == "abandoned":
        return None
    gain, raced, passed = 0.0, result.raced, result.operator != brief.operator
    if member is not None and not passed and (raced is None or raced.verdict != "dropped"):
        extension, against = result.extension, -1 if raced is None else raced.against
        parents = (
            parent if extension is None or parent.candidate.number != against else parent.with_more(extension, brief.number)
            for parent in brief.parents
        )
        gain = member.estimate.mean - max(parent.estimate.mean for parent in parents)
    usd = 0.0 if passed else result.usage.usd
    return state.bandit.learn(Arm(operator=brief.operator, proposer=brief.proposer), gain=gain, usd=usd), usd
