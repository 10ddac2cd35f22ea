"""Every component knows where its text is from, and what a changed one was made from."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graftwork.programs.edit import Add, Replace, apply
from graftwork.programs.merge import merge
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.provenance import Descent, Origin, Parent, provenance
from graftwork.programs.rename import renamed_program

from .changed import CHAIN, EXAMPLES, changed_programs
from .test_merge import replaced

SEED = parse(CHAIN)


def as_parent(program: Program, number: int, *parents: Parent) -> Parent:
    return Parent(program=program, origins=dict(zip(program.names, provenance(program, number, parents).origins, strict=True)))


def origin(program: Program, number: int, name: str) -> Origin:
    return Origin(candidate=number, name=name, digest=program[name].digest)


def test_a_seed_is_its_own_origin() -> None:
    found = provenance(SEED, 0, [])
    assert found.origins == tuple(origin(SEED, 0, name) for name in SEED.names)
    assert found.changes == ()


def test_only_what_changed_has_a_new_origin_and_a_predecessor() -> None:
    child = replaced("plan", "List", "Name")
    found = provenance(child, 5, [as_parent(SEED, 0)])
    assert [item.candidate for item in found.origins] == [0, 0, 5, 0, 0]
    assert found.changes == (Descent(name="plan", predecessor=origin(SEED, 0, "plan")),)


def test_a_merge_has_its_components_from_both_lines() -> None:
    seed = as_parent(SEED, 0)
    a, b = replaced("plan", "List", "Name"), replaced("work", "Follow", "Take")
    found = provenance(merge(a, b, SEED).program, 9, [as_parent(a, 3, seed), as_parent(b, 4, seed)])
    assert [item.candidate for item in found.origins] == [0, 0, 3, 4, 0]
    assert found.changes == ()


def test_a_renamed_component_keeps_its_origin() -> None:
    child = renamed_program(SEED, {"plan": "outline"})
    found = provenance(child, 2, [as_parent(SEED, 0)])
    assert dict(zip(child.names, found.origins, strict=True))["outline"] == origin(SEED, 0, "plan")
    assert Descent(name="outline", predecessor=origin(SEED, 0, "plan"), is_renamed=True) in found.changes


@pytest.mark.timeout(5)
def test_long_components_are_compared_in_no_time() -> None:
    text = f"{CHAIN}\n\nROWS = [{'0, ' * 9000}]\n"
    seed = parse(text)
    for old, new in (("[0, ", "[1, "), ("ROWS = [0, ", "LINES = [1, ")):
        found = provenance(parse(text.replace(old, new)), 2, [as_parent(seed, 0)])
        assert [change.predecessor for change in found.changes] == [origin(seed, 0, "ROWS")]


def test_what_is_much_like_another_was_made_from_it_and_what_is_like_none_was_added() -> None:
    child = renamed_program(replaced("calculate", "len(expression)", "len(expression.strip())"), {"calculate": "evaluate"})
    child = apply(child, [Add(source="def twist(x):\n    while x:\n        x -= 1\n    return {x: [x]}")])
    found = {change.name: change for change in provenance(child, 2, [as_parent(SEED, 0)]).changes}
    assert found["evaluate"] == Descent(name="evaluate", predecessor=origin(SEED, 0, "calculate"))
    assert found["twist"] == Descent(name="twist", predecessor=None)


def test_of_two_namesakes_the_nearer_one_is_the_predecessor() -> None:
    far = apply(SEED, [Replace(name="solve", source="def solve(question: str) -> float:\n    return work(question, '')")])
    child = replaced("solve", "return answer", "return answer + 1")
    found = provenance(child, 7, [as_parent(far, 3, as_parent(SEED, 0)), as_parent(SEED, 0)])
    assert found.changes == (Descent(name="solve", predecessor=origin(SEED, 0, "solve")),)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_origin_has_the_text_and_every_predecessor_came_before(data: st.DataObject) -> None:
    line = [as_parent(data.draw(st.sampled_from(EXAMPLES)), 0)]
    for number in range(1, 5):
        parent = data.draw(st.sampled_from(line))
        program = data.draw(changed_programs(parent.program, n=2))
        line.append(as_parent(program, number, parent))
        found = provenance(program, number, [parent])
        assert len(found.origins) == len(program.components)
        assert {item.name for item in found.changes} == {
            item.name for item in program.components if item.name not in parent.program or parent.program[item.name].digest != item.digest
        }
        for component, origin_of in zip(program.components, found.origins, strict=True):
            first = line[origin_of.candidate].program[origin_of.name]
            assert first.digest == origin_of.digest
            assert component.digest == first.digest or component.name != first.name
        assert all(item.predecessor is None or item.predecessor.candidate < number for item in found.changes)
