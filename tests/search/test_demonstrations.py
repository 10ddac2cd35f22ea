"""Demonstrations: taken from successful train traces, at most four, kept readable."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.evaluation import Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.parse import parse
from graftwork.programs.trace import Span
from graftwork.search.demonstrations import MAX_DEMOS, Demo, demo_operators, demos_of, demos_seen, with_demos

from .operator_cases import CHAIN, PACKING, brief, chain_facts, chain_member, defects, member_of, packing_facts, prompt_span

BOOTSTRAP, REORDER, RESAMPLE = demo_operators()

RIGHT: dict[str, object] = {"inputs": {"question": "What is 0 plus 0?"}, "output": "add them"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_only_what_went_well_on_train_becomes_a_demonstration() -> None:
    assert demos_seen(chain_member().train, "plan") == [RIGHT]


def test_a_demonstration_is_added_to_the_decorator_and_other_options_stay() -> None:
    children = [BOOTSTRAP.write(brief(chain_member(), seed=seed), chain_facts(), attempt=0) for seed in range(8)]
    plans = [draft.program["plan"] for draft in children if draft is not None and "of plan" in draft.note]
    assert plans
    for component in plans:
        assert demos_of(component) == [RIGHT]
        assert "max_tokens=96" in component.source
        assert component.source.endswith('def plan(question: str) -> str:\n    """List the steps."""')


def test_children_with_demonstrations_pass_check() -> None:
    parent = parse(CHAIN)
    for seed in range(8):
        draft = BOOTSTRAP.write(brief(chain_member(), seed=seed), chain_facts(), attempt=0)
        assert draft is not None
        assert defects(draft.program, chain_facts(), parent) == []


def test_nothing_of_val_is_ever_used() -> None:
    for seed in range(20):
        draft = BOOTSTRAP.write(brief(chain_member(), seed=seed), chain_facts(), attempt=0)
        assert draft is not None
        assert "SECRET" not in draft.program.source


def test_there_are_never_more_than_four() -> None:
    spans = tuple(prompt_span("plan", {"question": str(k)}, f"step {k}") for k in range(9))
    judgement = Judgement(outcome=Outcome(example_id="t0", output=1.0, spans=spans), score=Score(value=1.0))
    source, most = CHAIN, 0
    for seed in range(40):
        draft = BOOTSTRAP.write(brief(member_of(source, train=[judgement]), seed=seed), chain_facts(), attempt=0)
        assert draft is not None
        source = draft.program.source
        most = max(most, len(demos_of(draft.program["plan"]) or []))
    assert most == MAX_DEMOS


def test_demonstrations_are_dropped_even_when_nothing_was_seen() -> None:
    source = with_demos(parse(CHAIN)["plan"], [RIGHT])
    member = member_of(CHAIN.replace(parse(CHAIN)["plan"].source, source))
    draft = BOOTSTRAP.write(brief(member), chain_facts(), attempt=0)
    assert draft is not None
    assert draft.program.digest == parse(CHAIN).digest


def test_cut_or_non_finite_values_are_not_used() -> None:
    cut = dataclasses.replace(prompt_span("plan", {"question": "a"}, "b"), output='"never end')
    endless = Span(path="0", component="plan", kind="prompt", inputs='{"question": "a"}', output="NaN")
    raised = dataclasses.replace(prompt_span("plan", {"question": "a"}, "b"), error="no")
    judgement = Judgement(outcome=Outcome(example_id="t0", output=1.0, spans=(cut, endless, raised)), score=Score(value=1.0))
    assert demos_seen(member_of(CHAIN, train=[judgement]).train, "plan") == []


def test_a_program_without_prompts_has_nothing_to_demonstrate() -> None:
    assert BOOTSTRAP.write(brief(member_of(PACKING)), packing_facts(), attempt=0) is None


def test_demonstrations_kept_in_a_name_are_left_alone() -> None:
    source = CHAIN.replace("max_tokens=96", "demos=SHOWN").replace("@prompt(demos", "SHOWN = []\n\n\n@prompt(demos")
    assert demos_of(parse(source)["plan"]) is None


@given(inputs=st.dictionaries(st.sampled_from(["question", "steps"]), JSON, min_size=1), output=JSON)
def test_any_json_value_survives_the_way_into_the_text(inputs: dict[str, object], output: object) -> None:
    demo: dict[str, object] = {"inputs": inputs, "output": output}
    text = with_demos(parse(CHAIN)["work"], [demo, demo])
    component = parse(f"from graftwork.programs import prompt, tool\n\n{parse(CHAIN)['calculate'].source}\n\n\n{text}\n")["work"]
    assert json.dumps(demos_of(component)) == json.dumps([demo, demo])
    assert (
        with_demos(component, [])
        == '@prompt(tools=[calculate], temperature=0.0)\ndef work(question: str, steps: str) -> float:\n    """Follow the steps."""'
    )


SHOWN: list[Demo] = [{"inputs": {"question": str(k)}, "output": f"step {k}"} for k in range(3)]


def test_reordering_shows_the_same_demonstrations_in_another_order() -> None:
    source = CHAIN.replace(parse(CHAIN)["plan"].source, with_demos(parse(CHAIN)["plan"], SHOWN))
    asked = [brief(member_of(source), seed=seed) for seed in range(12)]
    assert all(REORDER.applies(item, chain_facts()) for item in asked)
    drafts = [REORDER.write(item, chain_facts(), attempt=0) for item in asked]
    orders = [demos_of(draft.program["plan"]) for draft in drafts if draft is not None]
    assert len(orders) == 12
    assert all(order != SHOWN and order is not None and all(demo in order for demo in SHOWN) for order in orders)
    assert len({json.dumps(order) for order in orders}) > 2


def test_resampling_draws_from_what_a_prompt_shows_and_what_it_did() -> None:
    source = CHAIN.replace(parse(CHAIN)["plan"].source, with_demos(parse(CHAIN)["plan"], SHOWN[:2]))
    seen = chain_member(source)
    drafts = [RESAMPLE.write(brief(seen, seed=seed), chain_facts(), attempt=0) for seed in range(30)]
    draws = [demos_of(draft.program["plan"]) or [] for draft in drafts if draft is not None]
    assert len(draws) == 30
    assert all(draw != SHOWN[:2] and 1 <= len(draw) <= MAX_DEMOS for draw in draws)
    assert {json.dumps(demo) for draw in draws for demo in draw} == {json.dumps(demo) for demo in [*SHOWN[:2], RIGHT]}


def test_one_demonstration_has_no_order_and_no_other_draw() -> None:
    source = CHAIN.replace(parse(CHAIN)["plan"].source, with_demos(parse(CHAIN)["plan"], SHOWN[:1]))
    for operator in (REORDER, RESAMPLE):
        assert not operator.applies(brief(member_of(source)), chain_facts())
        assert operator.write(brief(member_of(source)), chain_facts(), attempt=0) is None
