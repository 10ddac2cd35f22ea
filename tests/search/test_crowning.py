"""Tests of the crowning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from graftwork.evaluators.evaluation import Evaluation
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.errors import CeilingReached
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.program import Program
from graftwork.search.candidate import Candidate, Member
from graftwork.search.crowning import Crown, Crowning
from tests.search.factory import evaluation, member

NOTHING = Usage()
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
    spent: Usage = NOTHING,
    most_answers: int = 0,
) -> tuple[Crown, Log]:
    """Crown with scores given by candidate and split."""
    numbers = {m.candidate.program.digest: m.candidate.number for m in (*finalists, seed)}

    async def evaluate(program: Program, examples: tuple[Example, ...], *, candidate: int, purpose: str) -> Evaluation:
        del examples
        assert numbers[program.digest] == candidate
        return evaluation(scores(candidate, purpose))

    async def ask(program: Program, examples: tuple[Example, ...], *, candidate: int, purpose: str, repeats: int) -> Evaluation:
        assert (numbers[program.digest], purpose) == (candidate, "best-of-n")
        return repeated(scores(candidate, purpose), repeats)

    log = Log()
    task = Task(
        name="t",
        seed=seed.candidate.program,
        splits={"val": examples("v", 3), "confirm": examples("c", confirm), "test": examples("t", 3)},
        scorer=score,
        transfer={"other": examples("o", 3)},
    )
    crowning = Crowning(task=task, evaluate=evaluate, audit=audit, recorder=log, seed=0, asking=ask, most_answers=most_answers)  # type: ignore[arg-type]  # audits of the tests are plain
    return asyncio.run(crowning.crown(finalists, seed, spent=spent)), log


def repeated(values: list[float | None], times: int) -> Evaluation:
    """An evaluation in which every example was run so often, with the same outcome."""
    once = evaluation(values)
    judgements = [replace(one, outcome=replace(one.outcome, repeat=n)) for one in once.judgements for n in range(times)]
    return replace(once, judgements=tuple(judgements))


def calling(seed: Member, calls: int) -> Member:
    """A seed whose evaluation cost so many model calls."""
    first = replace(seed.val.judgements[0], judging=Usage(calls=calls))
    return replace(seed, val=replace(seed.val, judgements=(first, *seed.val.judgements[1:])))


def by_number(table: Mapping[int, float]) -> Scores:
    """The same score on every example of every split."""
    return lambda number, split: [table[number]] * 3


SEED, FIRST, SECOND = member(0, [0.1] * 3), member(1, [0.9] * 3), member(2, [0.8] * 3)


def test_confirm_chooses_the_champion_and_not_val() -> None:
    crowned, _ = crown((FIRST, SECOND), SEED, by_number({0: 0.1, 1: 0.4, 2: 0.6}))
    assert (crowned.champion.number, crowned.chosen_on) == (2, "confirm")
    assert crowned.measured["test"].difference is not None
    assert round(crowned.measured["test"].difference.mean, 6) == 0.5


def test_a_failure_that_only_another_split_had_widens_the_claim() -> None:
    def crowned(worst: float) -> Crown:
        scores: dict[int, list[float | None]] = {0: [0.5] * 3, 1: [0.9] * 3}
        return crown((FIRST,), SEED, lambda number, split: [worst, 0.9, 0.9] if (number, split) == (1, "confirm") else scores[number])[0]

    even, failing = crowned(0.9), crowned(0.0)
    assert even.claim is not None
    assert failing.claim is not None
    assert even.claim.score is not None
    assert failing.claim.score is not None
    assert failing.claim.score.mean == even.claim.score.mean
    assert failing.claim.score.lo < even.claim.score.lo


def test_a_champion_whose_race_ended_early_is_set_beside_the_seed_on_the_examples_that_both_ran() -> None:
    crowned, _ = crown((member(1, [0.9] * 2),), member(0, [0.1, 0.1, 0.7]), by_number({0: 0.1, 1: 0.9}))
    val = crowned.measured["val"]
    assert val.difference is not None
    assert (val.n, val.difference.n) == (2, 2)
    assert (val.champion, val.seed, round(val.difference.mean, 6)) == (0.9, 0.1, 0.8)


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


def test_the_claim_is_of_test_with_the_champions_own_interval() -> None:
    crowned, _ = crown((FIRST, SECOND), SEED, by_number({0: 0.1, 1: 0.4, 2: 0.6}))
    claim = crowned.claim
    assert claim is not None
    assert claim.score is not None
    assert (claim.split, round(claim.score.mean, 6), claim.n_compared) == ("test", 0.6, 2)
    assert claim.without == "the seed asks no model, and answers alike each time"


def test_what_is_said_of_confirm_is_corrected_for_the_number_of_finalists() -> None:
    table = {0: [0.1, 0.3, 0.2, 0.6], 1: [0.5, 0.4, 0.6, 0.2], 2: [0.2, 0.9, 0.5, 0.9], 3: [0.2, 0.1, 0.5, 0.1], 4: [0.3, 0.1, 0.1, 0.0]}
    others = tuple(member(number, [0.9 - number / 10] * 3) for number in range(1, 5))
    crowned, _ = crown(others, SEED, lambda number, _: list(table[number]), confirm=4)
    claim, plain = crowned.claim, crowned.measured["confirm"].difference
    assert claim is not None
    assert claim.confirm is not None
    assert plain is not None
    assert claim.n_compared == 4
    assert claim.confirm.mean == plain.mean
    assert claim.confirm.hi - claim.confirm.lo > 1.2 * (plain.hi - plain.lo)
    assert claim.optimism["confirm"] > 0


def test_the_seed_is_asked_as_often_as_the_search_would_have_bought_and_its_votes_are_compared() -> None:
    seed = calling(SEED, 3)  # one call a run; three test examples
    crowned, log = crown((FIRST,), seed, by_number({0: 0.1, 1: 0.4}), spent=Usage(calls=23), most_answers=16)
    assert crowned.claim is not None
    control = crowned.claim.control
    assert control is not None
    assert control.difference is not None
    assert (control.n, round(control.score or 0.0, 6), round(control.difference.mean, 6)) == (7, 0.1, 0.3)
    assert log.lines.index("open_split 1 test") < next(place for place, line in enumerate(log.lines) if line.startswith("best-of-7 of 0: "))
    held, _ = crown((FIRST,), seed, by_number({0: 0.1, 1: 0.4}), spent=Usage(calls=23), most_answers=5)
    assert held.claim is not None
    assert held.claim.control is not None
    assert held.claim.control.n == 5


def test_a_control_that_the_budget_does_not_hold_is_left_out_with_the_reason() -> None:
    def scores(number: int, split: str) -> list[float | None]:
        if split == "best-of-n":
            raise CeilingReached("spent")
        return [0.5] * 3

    crowned, _ = crown((FIRST,), calling(SEED, 3), scores, spent=Usage(calls=23), most_answers=16)
    assert crowned.claim is not None
    assert (crowned.claim.control, crowned.claim.without) == (None, "not finished, spent")
    assert "test" in crowned.measured


def test_a_search_that_cost_no_two_answers_to_each_example_has_no_control() -> None:
    crowned, _ = crown((FIRST,), calling(SEED, 3), by_number({0: 0.1, 1: 0.4}), spent=Usage(calls=5), most_answers=16)
    assert crowned.claim is not None
    assert crowned.claim.without == "the search cost no more than 1 of the seed's answers to each test example"
