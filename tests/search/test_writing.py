"""Tests of writing: what is known in other words is not evaluated, and a proposer that changes next to nothing is asked once more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from graftwork.evaluators.pool import Relayed
from graftwork.programs.errors import ProgramError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, Usage
from graftwork.programs.parse import parse
from graftwork.search.candidate import Brief, Candidate, Member
from graftwork.search.novelty import Novelty, traits_of
from graftwork.search.operator import Draft, Facts, Variation
from graftwork.search.writing import Writer, Written
from tests.search.factory import evaluation

LINES = "\n".join(f"    total += {n} * x ** {n % 5} - x // {n + 2}" for n in range(1, 40))
KNOWN = f"def solve(x: int) -> int:\n    total = 7\n{LINES}\n    return total\n"
NEAR = KNOWN.replace("x ** 1 - x // 3\n", "x ** 1 - x // 4\n")
RENAMED = KNOWN.replace("total", "s")
OTHER = "def solve(x: int) -> int:\n    return x\n"
FACTS = Facts(description="", unit="", score_range=(0, 1), entry="solve", frozen=frozenset(), packages=(), train=())
BRIEF = Brief(number=4, told=1, operator="say", parents=(), island=0, seed=0)


class Say:
    """An operator, with a model or without: the text is the program, or no program where it says so."""

    name = "say"
    n_parents = 1

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        del brief, facts
        return {"messages": [{"role": "user", "content": "write"}]}

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        del brief, facts
        if text == "no":
            raise ProgramError("there is no program in this")
        return Draft(program=parse(text), note="")


@dataclass
class Turns:
    """A variation that writes one text after the other."""

    texts: tuple[str, ...]
    name: str = "say"
    n_parents: int = 1

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        del brief, facts
        return Draft(program=parse(self.texts[attempt]), note="")


@dataclass
class Scripted:
    """A proposer that gives one reply after the other, each for a dollar; None is a call that the endpoint rejects."""

    replies: tuple[str | None, ...]
    asked: list[str] = field(default_factory=list)
    aliases: tuple[str, ...] = ("scripted",)

    async def propose(self, body: Mapping[str, object], *, brief: int, attempt: int, alias: str = "") -> Relayed:
        del brief, alias
        self.asked.append(str(body["messages"]))
        reply, usage = self.replies[attempt], Usage(usd=1.0, calls=1)
        if reply is None:
            return Relayed(failure=Failure(kind="invalid", message="too long"), usage=usage, seconds=0.0)
        return Relayed(reply=Reply(text=reply, usage=usage, model="m"), usage=usage, seconds=0.0)


def written(*, variation: Turns | None = None, proposer: Scripted | None = None, novelty: bool = True) -> Written:
    """What is written where KNOWN is known."""
    known = Novelty()
    known.learn(0, traits_of(parse(KNOWN), entry="solve"))
    digest = parse(KNOWN).digest
    writer = Writer(
        facts=FACTS,
        check=lambda _: (),
        known=lambda other, _: other == digest,
        variations={} if variation is None else {"say": variation},
        rewriters={"say": Say()},
        proposer=proposer,
        attempts=2,
        novelty=known if novelty else None,
        too_near=0.95,
    )
    return asyncio.run(writer.write(BRIEF))


def test_a_renamed_copy_is_a_duplicate_that_nobody_evaluates() -> None:
    assert written(variation=Turns((RENAMED, RENAMED))).status == "duplicate"
    assert "candidate 0 in other words" in written(variation=Turns((RENAMED, RENAMED))).reason
    assert written(variation=Turns((RENAMED, RENAMED)), novelty=False).status is None


def test_a_variation_tries_again_after_a_renamed_copy_and_not_after_a_near_program() -> None:
    after = written(variation=Turns((RENAMED, NEAR)))
    assert after.status is None
    assert after.draft is not None
    assert after.draft.program.source == NEAR
    assert after.traits == traits_of(parse(NEAR), entry="solve")
    first = written(variation=Turns((NEAR, OTHER))).draft
    assert first is not None
    assert first.program.source == NEAR


def test_a_proposer_that_comes_too_near_is_asked_to_change_more() -> None:
    proposer = Scripted((NEAR, OTHER))
    after = written(proposer=proposer)
    assert len(proposer.asked) == 2
    assert "the same has been tried (candidate 0): change more of it." in proposer.asked[1]
    assert after.draft is not None
    assert after.draft.program.source == OTHER
    assert after.usage.usd == 2.0


@pytest.mark.parametrize("second", ["no", KNOWN, RENAMED, None])
def test_what_is_near_is_no_duplicate_and_is_kept_where_nothing_better_comes(second: str | None) -> None:
    after = written(proposer=Scripted((NEAR, second)))
    assert after.status is None
    assert after.draft is not None
    assert after.draft.program.source == NEAR
    assert (after.usage.usd, after.model) == (2.0, "scripted")


def test_without_novelty_a_near_program_is_taken_at_once() -> None:
    proposer = Scripted((NEAR, OTHER))
    assert written(proposer=proposer, novelty=False).status is None
    assert len(proposer.asked) == 1


@dataclass
class Nothing:
    """A variation that finds nothing to change."""

    name: str
    n_parents: int = 1

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        del brief, facts, attempt
        return None


def passed_on(
    *variations: Variation, proposer: Scripted | None = None, parents: int = 1, others: Mapping[str, float] | None = None
) -> Written:
    """What comes of a brief for `idle`, which finds nothing, of so many parents; all operators weigh the same."""
    by_name = {"idle": Nothing("idle", parents)} | {one.name: one for one in variations}
    writer = Writer(
        facts=FACTS,
        check=lambda _: (),
        known=lambda _, told: told < 0,
        variations=by_name,
        rewriters={"say": Say()},
        proposer=proposer,
        attempts=2,
        others=dict.fromkeys((*by_name, "say"), 1.0) if others is None else others,
    )
    member = Member(candidate=Candidate(number=3, program=parse(KNOWN)), val=evaluation([0.5]), train=evaluation([]))
    return asyncio.run(writer.write(replace(BRIEF, operator="idle", parents=(member,) * parents)))


def test_a_brief_whose_operator_finds_nothing_to_change_is_passed_on_until_one_does() -> None:
    after = passed_on(Nothing("other"), Turns((OTHER,), name="turns"), Nothing("another"), parents=2)
    assert after.status is None
    assert after.passed is not None
    assert (after.passed.operator, len(after.passed.parents), after.passed.number) == ("turns", 1, BRIEF.number)
    asked = passed_on(Nothing("other"), proposer=Scripted((OTHER,)))
    assert asked.passed is not None
    assert (asked.passed.operator, asked.passed.proposer, asked.model) == ("say", "scripted", "scripted")


def test_a_brief_that_nobody_can_answer_says_so_and_is_not_passed_to_who_takes_more_parents() -> None:
    for after in (
        passed_on(Nothing("other"), Turns((OTHER,), name="two", n_parents=2)),
        passed_on(Turns((OTHER,), name="turns"), others={}),
    ):
        assert (after.status, after.passed) == ("unwritten", None)
        assert after.reason == "idle found nothing to change"


def test_a_brief_is_passed_to_operators_as_often_as_they_weigh() -> None:
    first = Counter[str]()
    for seed in range(300):
        writer = Writer(
            facts=FACTS,
            check=lambda _: (),
            known=lambda _, told: told < 0,
            variations={name: Turns((OTHER,), name=name, n_parents=0) for name in ("often", "seldom")} | {"idle": Nothing("idle", 0)},
            rewriters={},
            proposer=None,
            attempts=1,
            others={"idle": 5.0, "often": 3.0, "seldom": 1.0, "say": 9.0},
        )
        passed = asyncio.run(writer.write(replace(BRIEF, operator="idle", seed=seed))).passed
        first[passed.operator if passed is not None else ""] += 1
    assert first.keys() == {"often", "seldom"}
    assert 195 <= first["often"] <= 255  # 225 expected
