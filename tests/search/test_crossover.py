"""Crossover of structures: what a merge and a transplant make of two candidates, and what a candidate keeps of its ancestors."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from graftwork.programs.edit import Add, Replace, apply
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.candidate import Candidate, Member
from graftwork.search.crossover import MergeParents, TransplantComponent
from graftwork.search.descent import MAX_ANCESTORS, descended, nearest_common
from graftwork.search.operator import Draft

from .factory import evaluation
from .operator_cases import CHAIN, brief, chain_facts, defects

SEED = descended(Candidate(number=0, program=parse(CHAIN)), ())


def child(number: int, program: Program, *parents: Candidate) -> Candidate:
    return descended(Candidate(number=number, program=program, parents=tuple(item.number for item in parents)), parents)


def changed(name: str, old: str, new: str, parent: Candidate = SEED) -> Program:
    assert old in parent.program[name].source
    return apply(parent.program, [Replace(name=name, source=parent.program[name].source.replace(old, new))])


def member(candidate: Candidate) -> Member:
    return Member(candidate=candidate, val=evaluation([0.5]), train=evaluation(()))


def written(operator: MergeParents | TransplantComponent, *parents: Candidate, seed: int = 0) -> Draft | None:
    asked = brief(*(member(parent) for parent in parents), seed=seed)
    draft = operator.write(asked, chain_facts(), attempt=0)
    assert operator.write(asked, chain_facts(), attempt=0) == draft
    if draft is not None:
        assert operator.applies(asked, chain_facts())
        assert draft.program.digest not in {parent.program.digest for parent in parents}
        assert defects(draft.program, chain_facts(), SEED.program) == []
        assert "\n" not in draft.note
    return draft


PLANNER = child(3, changed("plan", "List the steps.", "List two steps."), SEED)
WORKER = child(5, changed("work", "Follow the steps.", "Follow each step."), SEED)


def test_a_merge_holds_what_both_changed_and_says_what_is_from_whom() -> None:
    draft = written(MergeParents(), PLANNER, WORKER)
    assert draft is not None
    assert draft.program["plan"] == PLANNER.program["plan"]
    assert draft.program["work"] == WORKER.program["work"]
    assert draft.note == "merge of 3 and 5 on 0: plan of 3, work of 5"
    merged = child(9, draft.program, PLANNER, WORKER)
    assert [origin.candidate for origin in merged.provenance.origins] == [0, 3, 5, 0]
    assert merged.provenance.changes == ()


def test_a_merge_has_nothing_to_do_without_two_lines_that_differ() -> None:
    stranger = Candidate(number=8, program=WORKER.program)
    for pair in ((PLANNER, PLANNER), (PLANNER, SEED), (PLANNER, stranger)):
        asked = brief(*map(member, pair))
        assert written(MergeParents(), *pair) is None
        assert not MergeParents().applies(asked, chain_facts())


def test_a_transplant_brings_a_component_to_a_call_that_it_fits() -> None:
    source = '@prompt\ndef sketch(question: str) -> str:\n    """Sketch a way."""\n'
    donor = apply(changed("solve", "plan(question)", "sketch(question)"), [Add(source=source, after="plan")])
    drafts = [written(TransplantComponent(), WORKER, child(7, donor, SEED), seed=seed) for seed in range(8)]
    draft = next(item for item in drafts if item is not None and "sketch" in item.note)
    assert draft.note == "transplant: sketch of 7 for plan in solve"
    assert draft.program["work"] == WORKER.program["work"]
    assert "sketch(question)" in draft.program["solve"].source
    assert "plan" not in draft.program


def test_a_transplant_tells_which_names_the_model_reads_anew() -> None:
    twice = changed("solve", "work(question, plan(question))", "work(plan(question), plan(question))")
    drafts = [written(TransplantComponent(), child(4, twice, SEED), PLANNER, seed=seed) for seed in range(6)]
    assert any(draft is not None and draft.note.endswith("plan is plan_2 to the model too") for draft in drafts)
    frozen = TransplantComponent().write(brief(member(SEED), member(SEED)), chain_facts(), attempt=0)
    assert frozen is None


def test_the_nearest_common_ancestor_is_the_latest_that_is_neither() -> None:
    first = child(1, changed("plan", "List", "Name"), SEED)
    one, other = child(2, changed("work", "Follow", "Take", first), first), child(3, changed("work", "Follow", "Go", first), first)
    found = nearest_common(one, other)
    assert found is not None
    assert found.number == 1
    assert found.program is first.program
    below = nearest_common(first, one)
    assert below is not None
    assert below.number == 0
    assert nearest_common(SEED, one) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=40, max_size=60))
def test_a_candidate_keeps_a_bounded_number_of_ancestors_and_always_the_seed(pairs: list[tuple[int, int]]) -> None:
    line = [SEED]
    for number, pair in enumerate(pairs, 1):
        line.append(child(number, SEED.program, *(line[max(0, number - 1 - step % 9)] for step in pair)))
    for candidate in line[1:]:
        numbers = [ancestor.number for ancestor in candidate.ancestors]
        assert numbers == sorted(set(numbers))
        assert numbers[0] == 0
        assert len(numbers) <= MAX_ANCESTORS + 1
        assert set(candidate.parents) <= set(numbers)
        assert len(candidate.provenance.origins) == len(candidate.program.components)
    assert line[-1] == child(len(pairs), SEED.program, *(line[number] for number in line[-1].parents)) or len(set(line[-1].parents)) == 1
