"""Programs, facts and briefs for the tests of operators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Example, Score
from graftwork.programs.check import check
from graftwork.programs.failure import Failure
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.trace import Span
from graftwork.search.candidate import Brief, Candidate, Member
from graftwork.search.operator import Facts
from tests.programs.structures import CHAIN

__all__ = ["CHAIN", "PACKING", "brief", "chain_facts", "chain_member", "defects", "member_of", "packing_facts", "prompt_span"]

PACKING: Final = '''"""Pack."""

import math

import numpy as np

LIMIT = 3.5


def bonus(x: float) -> float:
    # what large items get
    if x > LIMIT:
        x = math.sqrt(x) + 1
    return x * 2


def priority(item: int, gaps: np.ndarray) -> np.ndarray:
    """Priority of 3 bins."""
    rest = gaps - item  # what is left
    return -rest * bonus(item)


def solve(items: list[int], capacity: int) -> list[int]:
    return [int(np.argmax(priority(item, np.array([capacity, item])))) for item in items]
'''


def packing_facts() -> Facts:
    """Facts of a task whose packing loop is frozen."""
    return Facts(
        description="Pack items online.",
        unit="% excess",
        score_range=(-100.0, 0.0),
        entry="solve",
        frozen=frozenset({"solve"}),
        packages=("numpy",),
        train=(),
    )


def chain_facts() -> Facts:
    """Facts of a task of word problems, with three train examples."""
    train = tuple(Example(id=f"t{k}", inputs={"question": f"What is {k} plus {k}?"}, target=2 * k) for k in range(3))
    return Facts(
        description="Answer word problems.",
        unit="share correct",
        score_range=(0.0, 1.0),
        entry="solve",
        frozen=frozenset({"calculate"}),
        packages=(),
        train=train,
    )


def member_of(source: str, *, number: int = 0, train: Sequence[Judgement] = (), val: Sequence[Judgement] = ()) -> Member:
    """A member of a text."""
    program = parse(source)
    return Member(
        candidate=Candidate(number=number, program=program),
        val=Evaluation(digest=program.digest, judgements=tuple(val), lo=0.0),
        train=Evaluation(digest=program.digest, judgements=tuple(train), lo=0.0),
    )


def prompt_span(component: str, inputs: dict[str, object], output: object) -> Span:
    """What a prompt did."""
    return Span(path="0", component=component, kind="prompt", inputs=json.dumps(inputs), output=json.dumps(output))


def chain_member(source: str = CHAIN) -> Member:
    """The chain after three train examples: right, wrong, crashed; and one val example whose text must never be shown."""
    right = Judgement(
        outcome=Outcome(
            example_id="t0",
            output=0.0,
            spans=(
                prompt_span("plan", {"question": "What is 0 plus 0?"}, "add them"),
                prompt_span("work", {"question": "What is 0 plus 0?", "steps": "add them"}, 0.0),
            ),
        ),
        score=Score(value=1.0, feedback="right"),
    )
    wrong = Judgement(
        outcome=Outcome(example_id="t1", output=3.0, spans=(prompt_span("plan", {"question": "What is 1 plus 1?"}, "guess"),)),
        score=Score(value=0.0, feedback="expected 2, got 3"),
    )
    failure = Failure(kind="invalid", message="no number in 'four'", component="work")
    crashed = Judgement(outcome=Outcome(example_id="t2", failure=failure), score=Score(value=None))
    secret = Judgement(
        outcome=Outcome(example_id="v0", output=9.0, spans=(prompt_span("plan", {"question": "SECRET"}, "SECRET"),)),
        score=Score(value=1.0, feedback="SECRET"),
    )
    return member_of(source, train=(right, wrong, crashed), val=(secret,))


def brief(*parents: Member, seed: int = 0, operator: str = "any") -> Brief:
    """A brief with these parents."""
    return Brief(number=1, told=1, operator=operator, parents=parents, island=0, seed=seed)


def defects(program: Program, facts: Facts, parent: Program) -> list[str]:
    """What check finds wrong with a child."""
    parameters = {"items", "capacity"} if "items" in parent[facts.entry].source else {"question"}
    frozen = {name: parent[name].digest for name in facts.frozen}
    found = check(program, entry=facts.entry, parameters=parameters, frozen=frozen, packages=facts.packages)
    return [defect.message for defect in found if defect.severity == "error"]
