"""Variations: pure, bounded, and never a change where no value stands."""

from __future__ import annotations

import ast
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftwork.programs.parse import parse
from graftwork.search.bench import MAX_NODES
from graftwork.search.catalogue import variations
from graftwork.search.operator import Draft, Facts
from graftwork.search.sites import n_nodes

from .operator_cases import CHAIN, PACKING, brief, chain_facts, chain_member, defects, member_of, packing_facts

OTHER = (
    PACKING.replace("-rest * bonus(item)", "np.where(rest < 4, -rest, edge(item) - rest)")
    .replace("def priority", "def edge(x: float) -> float:\n    return x / EDGE\n\n\ndef priority")
    .replace("LIMIT = 3.5", "LIMIT = 4.5\nEDGE = 7")
)
RESHAPES = ("perturb", "swap_operator", "graft_expression", "grow", "statement")


def written(name: str, *sources: str, seed: int = 0, attempt: int = 0, facts: Facts | None = None) -> Draft | None:
    operator = variations()[name]
    parents = [member_of(sources[min(place, len(sources) - 1)], number=place) for place in range(operator.n_parents)]
    return operator.write(brief(*parents, seed=seed), facts or packing_facts(), attempt=attempt)


def drafts(name: str, *sources: str, n: int = 25, facts: Facts | None = None) -> list[Draft]:
    found = (written(name, *sources, seed=seed, facts=facts) for seed in range(n))
    return [draft for draft in found if draft is not None]


@pytest.mark.parametrize("name", sorted(variations()))
def test_a_variation_is_named_as_in_the_catalogue_and_takes_one_or_two_parents(name: str) -> None:
    operator = variations()[name]
    assert operator.name == name
    assert operator.n_parents in (1, 2)


@settings(max_examples=40)
@given(name=st.sampled_from([*RESHAPES, "swap_component"]), seed=st.integers(0, 2**64 - 1), attempt=st.integers(0, 8))
def test_a_child_differs_passes_check_and_keeps_what_is_frozen(name: str, seed: int, attempt: int) -> None:
    draft = written(name, PACKING, OTHER, seed=seed, attempt=attempt)
    parent = parse(PACKING)
    if draft is None:
        return
    assert draft.program.digest != parent.digest
    assert defects(draft.program, packing_facts(), parent) == []
    assert draft.program["solve"].source == parent["solve"].source
    assert "\n" not in draft.note


@settings(max_examples=40)
@given(name=st.sampled_from(RESHAPES), seed=st.integers(0, 2**64 - 1))
def test_equal_briefs_give_equal_children(name: str, seed: int) -> None:
    assert written(name, PACKING, OTHER, seed=seed) == written(name, PACKING, OTHER, seed=seed)


@pytest.mark.parametrize("name", RESHAPES)
def test_another_attempt_makes_other_choices(name: str) -> None:
    children = {draft.program.digest for attempt in range(12) if (draft := written(name, PACKING, OTHER, attempt=attempt))}
    assert len(children) > 2


@pytest.mark.parametrize("name", RESHAPES)
def test_comments_docstrings_and_annotations_survive(name: str) -> None:
    for draft in drafts(name, PACKING, OTHER):
        assert '"""Priority of 3 bins."""' in draft.program.source
        assert "def priority(item: int, gaps: np.ndarray) -> np.ndarray:" in draft.program.source
        assert "# what large items get" in draft.program.source


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_a_component_never_grows_beyond_the_bound(seed: int) -> None:
    source = PACKING
    for _ in range(6):
        draft = written("grow", source, seed=seed)
        if draft is None:
            break
        for component in draft.program.components:
            before = n_nodes(ast.parse(parse(source)[component.name].source))
            after = n_nodes(ast.parse(component.source))
            assert after <= max(before, min(MAX_NODES, max(int(before * 1.5), before + 60)))
        source = draft.program.source


def test_perturb_changes_one_number_and_nothing_else() -> None:
    for draft in drafts("perturb", PACKING):
        lines = zip(draft.program.source.splitlines(), PACKING.splitlines(), strict=True)
        assert sum(one != other for one, other in lines) == 1


def test_perturb_reaches_module_level_constants() -> None:
    assert any(draft.note.startswith("perturb LIMIT") for draft in drafts("perturb", PACKING, n=60))


def test_swap_operator_swaps_comparisons_arithmetic_and_functions() -> None:
    notes = " ".join(draft.note for draft in drafts("swap_operator", PACKING, n=60))
    assert "`x > LIMIT` -> `x " in notes
    assert "`gaps - item` -> `" in notes
    assert "`math.sqrt(x)` -> `math." in notes


def test_grafted_names_that_are_unknown_become_names_in_scope() -> None:
    receiver = "def f(a: float) -> float:\n    return a + 1\n\n\ndef solve(x: float) -> float:\n    return f(x)\n"
    donor = "def f(far: float, out: float) -> float:\n    return far * out - 5\n\n\ndef solve(x: float) -> float:\n    return f(x, x)\n"
    facts = Facts(description="", unit="", score_range=(0.0, 1.0), entry="solve", frozen=frozenset({"solve"}), packages=(), train=())
    found = drafts("graft_expression", receiver, donor, facts=facts)
    assert any("a * a - 5" in draft.program.source for draft in found)
    assert not any("far" in draft.program["f"].source or "out" in draft.program["f"].source for draft in found)


def test_a_component_is_never_grafted_into_what_it_calls() -> None:
    assert not any("bonus(" in draft.program["bonus"].source.partition(":")[2] for draft in drafts("graft_expression", PACKING, n=60))


def test_statement_deletes_shrinks_and_inserts() -> None:
    notes = [draft.note for draft in drafts("statement", PACKING, n=60)]
    assert any("deleted `if x > LIMIT" in note for note in notes)
    assert any("inserted `" in note for note in notes)
    assert any("`-rest * bonus(item)` -> `" in note for note in notes)
    assert not any("deleted `rest = " in note for note in notes)


def test_an_array_valued_expression_keeps_an_array() -> None:
    for draft in drafts("grow", PACKING, n=60):
        returned = draft.program["priority"].source.rpartition("return")[2]
        assert "rest" in returned or "gaps" in returned


def test_no_change_brings_in_a_division_by_what_may_be_zero() -> None:
    source = PACKING.replace("-rest * bonus(item)", "-rest / (abs(item) + 1)")
    children = [draft.program["priority"].source for name in RESHAPES[:4] for draft in drafts(name, source, n=40)]
    assert len(children) > 75
    # With all names at 1 every difference of two names is 0.
    names = {"item": 1, "gaps": 1, "rest": 1, "LIMIT": 1, "bonus": float, "math": math, "np": np}
    for child in children:
        divisors = [node.right for node in ast.walk(ast.parse(child)) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
        assert all(eval(ast.unparse(divisor), dict(names)) for divisor in divisors)  # noqa: S307 - grown here


def test_swap_component_brings_what_the_component_needs() -> None:
    found = [draft for draft in drafts("swap_component", PACKING, OTHER) if "priority of" in draft.note]
    assert found
    for draft in found:
        assert {"edge", "EDGE"} <= set(draft.program.names)
        assert "np.where(rest < 4" in draft.program["priority"].source


def test_swap_component_grafts_an_expression_where_only_one_component_differs() -> None:
    one = "def solve(x: float) -> float:\n    return x + 1\n"
    other = "def solve(x: float) -> float:\n    return x * x - 3\n"
    facts = Facts(description="", unit="", score_range=(0.0, 1.0), entry="solve", frozen=frozenset(), packages=(), train=())
    children = {draft.program["solve"].source for draft in drafts("swap_component", one, other, facts=facts)}
    assert len(children) > 2
    assert not children & {parse(one)["solve"].source, parse(other)["solve"].source}


def test_a_program_of_prompts_gives_arithmetic_nothing_to_do() -> None:
    operator = variations()["grow"]
    source = CHAIN.replace("float(len(expression))", "expression")
    assert operator.write(brief(chain_member(source)), chain_facts(), attempt=0) is None


def test_components_that_the_entry_does_not_use_are_left_alone() -> None:
    unused = "\n\ndef unused(x: float) -> float:\n    return x * 2 + 3 - 4 * x\n"
    assert not any("unused" in draft.note for name in RESHAPES for draft in drafts(name, PACKING + unused, n=20))


def test_what_a_sum_starts_with_is_not_deleted_and_huge_numbers_are_left_alone() -> None:
    source = "def solve(q: list[float]) -> float:\n    total = 0.0\n    for x in q:\n        total += x\n    return total\n"
    facts = Facts(description="", unit="", score_range=(0.0, 1.0), entry="solve", frozen=frozenset(), packages=(), train=())
    assert all("total = 0.0" in draft.program.source for draft in drafts("statement", source, n=100, facts=facts))
    huge = f"def solve(q: float) -> float:\n    return q * 2 + {'9' * 400}\n"
    assert all("9" * 400 in draft.program.source for draft in drafts("perturb", huge, facts=facts))


def test_lines_are_counted_as_python_counts_them() -> None:
    source = 'def solve(x: float) -> float:\n    """One.\u2028 Two.\x0c"""\n    y = x * 2.0\n    y = y + 3.0\n    return x - 1.0\n'
    facts = Facts(description="", unit="", score_range=(0.0, 1.0), entry="solve", frozen=frozenset(), packages=(), train=())
    deleted = [draft for draft in drafts("statement", source, n=100, facts=facts) if "deleted" in draft.note]
    assert deleted
    assert all(draft.note.split("`")[1] not in draft.program.source for draft in deleted)
