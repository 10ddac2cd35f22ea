"""Tests of the crowning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.errors import CeilingReached
from graftwork.programs.failure import Failure
from graftwork.programs.program import Program
from graftwork.search.candidate import Candidate, Member
from graftwork.search.crowning import Crown, Crowning
from tests.search.factory import evaluation, member

Scores = Callable[[int, str], list[float | None]]


def examples(split: str, n: int) -> tuple[Example, ...]:
    """Examples that no other split has."""
    return tuple(Example(id=f"{split}{place}", inputs={"x": words(split, place)}) for place in range(n))


def words(split: str, place: int) -> str:
    """Twelve words that no other example has."""
    return " ".join(f"{split}{letter * (place + 2)}" for letter in "abcdefghijkl")


def score(output: object, example: Example, /) -> Score:
    """Never called: the evaluator of these tests scores by itself."""
    raise AssertionError(output, example)


@dataclass
class Log:
    """A recorder that keeps what happened, in order."""

    lines: list[str] = field(default_factory=list)

    def evaluation(self, candidate: int, split: str, evaluation: Evaluation) -> None:
        self.lines.append(f"{split} of {candidate}: {evaluation.mean}")

    def decision(self, kind: str, *, number: int, detail: Mapping[str, object]) -> None:
        self.lines.append(f"{kind} {number} {detail.get('split', '')}".strip())


async def lawful(candidate: Candidate) -> Failure | None:
    """An audit that nobody breaks."""
    del candidate
    return None


def crown(
    finalists: tuple[Member, ...],
    seed: Member,
    scores: Scores,
    *,
    audit: Callable[..., object] = lawful,
    confirm: int = 3,
) -> tuple[Crown, Log]:
    """Crown with scores given by candidate and split."""
    numbers = {m.candidate.program.digest: m.candidate.number for m in (*finalists, seed)}

    async def evaluate(program: Program, examples: tuple[Example, ...], *, candidate: int, purpose: str) -> Evaluation:
        del examples
        assert numbers[program.digest] == candidate
        return evaluation(scores(candidate, purpose))

    log = Log()
    task = Task(
        name="t",
        seed=seed.candidate.program,
        splits={"val": examples("v", 3), "confirm": examples("c", confirm), "test": examples("t", 3)},
        scorer=score,
        transfer={"other": examples("o", 3)},
    )
    crowning = Crowning(task=task, evaluate=evaluate, audit=audit, recorder=log, seed=0)  # type: ignore[arg-type]  # audits of the tests are plain
    return asyncio.run(crowning.crown(finalists, seed)), log


def by_number(table: Mapping[int, float]) -> Scores:
    """The same score on every example of every split."""
    return lambda number, split: [table[number]] * 3


SEED, FIRST, SECOND = member(0, [0.1] * 3), member(1, [0.9] * 3), member(2, [0.8] * 3)


def test_confirm_chooses_the_champion_and_not_val() -> None:
    crowned, _ = crown((FIRST, SECOND), SEED, by_number({0: 0.1, 1: 0.4, 2: 0.6}))
    assert (crowned.champion.number, crowned.chosen_on) == (2, "confirm")
    assert crowned.measured["test"].difference is not None
    assert round(crowned.measured["test"].difference.mean, 6) == 0.5


def test_the_seed_can_stay_champion() -> None:
    crowned, _ = crown((FIRST,), SEED, by_number({0: 0.5, 1: 0.4}))
    assert crowned.champion.number == 0


def test_only_champion_and_seed_are_run_on_test_and_its_opening_is_recorded_first() -> None:
    _, log = crown((FIRST, SECOND), SEED, by_number({0: 0.1, 1: 0.4, 2: 0.6}))
    of_test = [line for line in log.lines if "test" in line]
    assert of_test[0] == "open_split 2 test"
    assert sorted(line.split(":")[0] for line in of_test[1:]) == ["test of 0", "test of 2"]


def test_finalists_are_compared_on_examples_on_which_all_of_them_count() -> None:
    table: dict[int, list[float | None]] = {0: [0.1, 0.1, 0.1], 1: [0.9, 0.2, 0.2], 2: [None, 0.5, 0.5]}
    crowned, _ = crown((FIRST, SECOND), SEED, lambda number, _: table[number])
    assert crowned.champion.number == 2


def test_who_breaks_an_audit_cannot_be_champion() -> None:
    async def audit(candidate: Candidate) -> Failure | None:
        return Failure(kind="forbidden", message="looks ahead") if candidate.number == 1 else None

    crowned, _ = crown((FIRST, SECOND), SEED, by_number({0: 0.1, 1: 0.9, 2: 0.6}), audit=audit)
    assert crowned.champion.number == 2
    assert crowned.disqualified == {1: "looks ahead"}


def test_who_holds_a_held_out_example_cannot_be_champion_and_which_is_recorded() -> None:
    text = f"Answer as for: {words('t', 1)}"
    copied = member(1, [0.9] * 3, source=f"HINT = {text!r}\n\n\ndef solve(x):\n    return HINT\n")
    crowned, log = crown((copied, SECOND), SEED, by_number({0: 0.1, 1: 0.9, 2: 0.6}))
    assert crowned.champion.number == 2
    assert crowned.disqualified[1].startswith("holds examples that it was never shown (1 of test), such as t1: ")
    assert "leak 1" in log.lines
    assert not any("of 1" in line for line in log.lines)  # it is run on nothing


def test_a_ceiling_met_in_an_audit_costs_the_finalist_its_chance_and_not_the_run() -> None:
    async def audit(candidate: Candidate) -> Failure | None:
        raise CeilingReached("spent")

    crowned, _ = crown((FIRST,), SEED, by_number({0: 0.1, 1: 0.9}), audit=audit)
    assert crowned.champion.number == 0
    assert any("audit of candidate 1" in line for line in crowned.missing)


def test_a_ceiling_met_on_confirm_falls_back_on_val_and_says_so() -> None:
    def scores(number: int, split: str) -> list[float | None]:
        if split == "confirm":
            raise CeilingReached("spent")
        return [0.5] * 3

    crowned, _ = crown((FIRST,), SEED, scores)
    assert (crowned.champion.number, crowned.chosen_on) == (1, "val")
    assert any("flatters" in line for line in crowned.missing)
    assert "test" in crowned.measured


def test_without_a_confirm_split_val_chooses_and_that_is_said() -> None:
    crowned, _ = crown((FIRST,), SEED, by_number({0: 0.1, 1: 0.4}), confirm=0)
    assert crowned.chosen_on == "val"
    assert any("flatters" in line for line in crowned.missing)
