"""Rewriters: what a proposer is shown, and what is made of what it says."""

from __future__ import annotations

import json
from collections import Counter
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.evaluation import Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.errors import ProgramError
from graftwork.programs.failure import Failure
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.candidate import Brief
from graftwork.search.catalogue import rewriters
from graftwork.search.rewriters import Blend, DiffEdit, RewriteComponent, RewriteProgram

from .operator_cases import CHAIN, brief, chain_facts, chain_member, defects, member_of

NAMES = sorted(rewriters())
NEW_PLAN = '@prompt(max_tokens=96)\ndef plan(question: str) -> str:\n    """Name the numbers, then the operations."""'


def chain_brief(seed: int = 0) -> Brief:
    other = member_of(CHAIN.replace("List the steps.", "Think."), number=1)
    return brief(chain_member(), other, seed=seed)


def messages(name: str, seed: int = 0) -> list[str]:
    body = rewriters()[name].request(chain_brief(seed), chain_facts())
    return [message["content"] for message in cast("list[dict[str, str]]", body["messages"])]


def choosing(component: str) -> Brief:
    """A brief whose seed makes `rewrite_component` choose that component."""
    wanted = f"Write a better `{component}`"
    return next(chain_brief(seed) for seed in range(200) if wanted in messages("rewrite_component", seed)[1])


def rewritten(text: str, *, component: str = "plan") -> Program:
    child = RewriteComponent().read(choosing(component), chain_facts(), text).program
    assert defects(child, chain_facts(), parse(CHAIN)) == []
    return child


@pytest.mark.parametrize("name", NAMES)
def test_a_request_is_a_chat_body_that_names_task_program_and_evidence(name: str) -> None:
    body = rewriters()[name].request(chain_brief(), chain_facts())
    assert json.loads(json.dumps(body)) == body
    assert 0 < cast("int", body["max_tokens"]) <= 4096
    asked = messages(name)[1]
    for needed in ("Answer word problems.", "share correct", "def solve(question: str)", "expected 2, got 3", "no number in 'four'"):
        assert needed in asked


@pytest.mark.parametrize("name", NAMES)
def test_a_request_begins_with_text_that_never_changes(name: str) -> None:
    assert len({messages(name, seed)[0] for seed in range(5)}) == 1
    assert len({messages(name, seed)[1] for seed in range(20)}) > 1
    assert messages(name, 3) == messages(name, 3)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_val_is_ever_shown(name: str) -> None:
    assert all("SECRET" not in text for seed in range(10) for text in messages(name, seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "I cannot help with that.", "```python\ndef plan(:\n```", "```python\nprint('hello')\n```", "\x00"])
def test_a_reply_without_a_program_is_refused_in_words(name: str, text: str) -> None:
    with pytest.raises(ProgramError, match=r"\w+ \w+"):
        rewriters()[name].read(chain_brief(), chain_facts(), text)


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_that_repeats_the_parent_is_refused(name: str) -> None:
    with pytest.raises(ProgramError, match="changes nothing"):
        rewriters()[name].read(choosing("plan"), chain_facts(), f"Here it is:\n```python\n{CHAIN}```")


@given(name=st.sampled_from(NAMES), text=st.text())
def test_no_reply_raises_anything_but_a_program_error(name: str, text: str) -> None:
    try:
        child = rewriters()[name].read(chain_brief(), chain_facts(), text).program
    except ProgramError:
        return
    assert child.digest != parse(CHAIN).digest


@given(cut=st.integers(0, len(NEW_PLAN)), name=st.sampled_from(NAMES))
def test_a_reply_that_was_cut_off_raises_nothing_but_a_program_error(cut: int, name: str) -> None:
    try:
        child = rewriters()[name].read(chain_brief(), chain_facts(), f"```python\n{NEW_PLAN[:cut]}").program
    except ProgramError:
        return
    assert child.digest != parse(CHAIN).digest


def test_the_component_to_rewrite_is_mutable_and_often_one_that_failed() -> None:
    chosen = Counter(messages("rewrite_component", seed)[1].rpartition("Write a better `")[2].partition("`")[0] for seed in range(300))
    assert set(chosen) == {"plan", "work", "solve"}
    assert chosen["work"] > chosen["plan"] > chosen["solve"]


def test_a_new_component_takes_the_place_of_the_old_one() -> None:
    child = rewritten(f"Sure!\n```python\n{NEW_PLAN}\n```\nThis is clearer.")
    assert child["plan"].source == NEW_PLAN
    assert [child[name].source for name in ("calculate", "work", "solve")] == [
        parse(CHAIN)[name].source for name in ("calculate", "work", "solve")
    ]


@pytest.mark.parametrize("fence", ["```", "```py", "~~~"])
def test_fences_of_any_language_are_read(fence: str) -> None:
    end = fence[:3]
    assert rewritten(f"{fence}\n{NEW_PLAN}\n{end}")["plan"].source == NEW_PLAN


def test_a_bare_definition_of_a_prompt_gets_its_decorator_back() -> None:
    child = rewritten("```python\n" + NEW_PLAN.partition("\n")[2] + "\n```")
    assert child["plan"].kind == "prompt"
    assert "max_tokens=96" in child["plan"].source


def test_code_below_the_docstring_of_a_prompt_is_dropped() -> None:
    child = rewritten(f"```python\n{NEW_PLAN}\n    steps = question.split()\n    return steps[0]\n```")
    assert child["plan"].source == NEW_PLAN


def test_a_whole_program_instead_of_one_component_is_taken_but_for_frozen_ones() -> None:
    whole = CHAIN.replace("List the steps.", "Name the steps.").replace("float(len(expression))", "42.0")
    child = rewritten(f"```python\n{whole}\nprint(solve('What is 1 plus 1?'))\n```")
    assert "Name the steps." in child["plan"].source
    assert child["calculate"].source == parse(CHAIN)["calculate"].source


def test_forgotten_imports_are_added() -> None:
    reply = "```python\ndef solve(question: str) -> float:\n    return vote(3, work, question, re.sub(r'\\s+', ' ', plan(question)))\n```"
    child = rewritten(reply, component="solve")
    assert {"re", "vote"} <= {item.name for item in child.imports}


def test_helpers_in_the_same_block_come_along() -> None:
    reply = f"```python\n{NEW_PLAN}\n\ndef tidy(text: str) -> str:\n    return text.strip()\n\ndef solve(question: str) -> float:\n"
    child = rewritten(reply + "    return work(question, tidy(plan(question)))\n```")
    assert "tidy" in child
    assert "tidy(plan(question))" in child["solve"].source


def test_a_reply_without_the_wanted_component_says_which_one() -> None:
    with pytest.raises(ProgramError, match="`plan`"):
        RewriteComponent().read(choosing("plan"), chain_facts(), "```python\n" + parse(CHAIN)["work"].source + "\n```")


def test_a_diff_is_applied_and_frozen_components_are_put_back() -> None:
    reply = (
        '<<<<<<< SEARCH\n    """List the steps."""\n=======\n    """Name the steps."""\n>>>>>>> REPLACE\n'
        "<<<<<<< SEARCH\n    return float(len(expression))\n=======\n    return 42.0\n>>>>>>> REPLACE\n"
    )
    child = DiffEdit().read(chain_brief(), chain_facts(), reply).program
    assert "Name the steps." in child["plan"].source
    assert child["calculate"].source == parse(CHAIN)["calculate"].source
    assert defects(child, chain_facts(), parse(CHAIN)) == []


def test_a_diff_that_does_not_fit_quotes_the_nearest_lines() -> None:
    reply = '<<<<<<< SEARCH\n    """List all steps."""\n=======\n    """Name them."""\n>>>>>>> REPLACE\n'
    with pytest.raises(ProgramError, match="List the steps"):
        DiffEdit().read(chain_brief(), chain_facts(), reply)


def test_new_definitions_instead_of_a_diff_are_taken() -> None:
    child = DiffEdit().read(chain_brief(), chain_facts(), f"```python\n{NEW_PLAN}\n```").program
    assert child["plan"].source == NEW_PLAN


def test_a_whole_rewrite_may_drop_components_but_not_frozen_ones() -> None:
    work = '@prompt\ndef work(question: str) -> float:\n    """Answer."""'
    reply = f"```python\n{work}\n\n\ndef solve(question: str) -> float:\n    return work(question)\n```"
    child = RewriteProgram().read(chain_brief(), chain_facts(), reply).program
    assert set(child.names) == {"calculate", "work", "solve"}
    assert child["work"].kind == "prompt"
    assert defects(child, chain_facts(), parse(CHAIN)) == []


def test_a_whole_rewrite_may_leave_out_what_stays() -> None:
    reply = f"```python\n{NEW_PLAN}\n\ndef solve(question: str) -> float:\n    return work(question, plan(question)) + 1\n```"
    child = RewriteProgram().read(chain_brief(), chain_facts(), reply).program
    assert set(child.names) == {"calculate", "plan", "work", "solve"}
    assert child["work"].source == parse(CHAIN)["work"].source
    assert defects(child, chain_facts(), parse(CHAIN)) == []


def test_a_new_function_that_only_instructs_is_a_prompt() -> None:
    review = 'def review(answer: float) -> float:\n    """Check the answer."""'
    reply = f"```python\n{review}\n\ndef solve(question: str) -> float:\n    return review(work(question, plan(question)))\n```"
    child = RewriteProgram().read(chain_brief(), chain_facts(), reply).program
    assert child["review"].kind == "prompt"
    assert defects(child, chain_facts(), parse(CHAIN)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_form_that_was_not_filled_in_is_refused(name: str) -> None:
    reply = '```python\ndef plan(question: str) -> str:\n    """NEW TEXT"""\n```'
    with pytest.raises(ProgramError, match="where NEW TEXT stands"):
        rewriters()[name].read(choosing("plan"), chain_facts(), reply)


def test_definitions_within_broken_markers_are_taken() -> None:
    child = DiffEdit().read(chain_brief(), chain_facts(), f"<<<<<<< SEARCH\nplan\nREPLACE\n```python\n{NEW_PLAN}\n```").program
    assert child["plan"].source == NEW_PLAN


@pytest.mark.parametrize("operator", [RewriteComponent(), DiffEdit()])
def test_a_lone_docstring_is_the_new_instruction_of_the_prompt_that_was_asked_for(operator: RewriteComponent | DiffEdit) -> None:
    reply = '```python\n    """Name the numbers,\n    then the operations."""\n```'
    child = operator.read(choosing("plan"), chain_facts(), reply).program
    assert child["plan"].kind == "prompt"
    assert "Name the numbers,\n    then the operations." in child["plan"].source


def test_a_blend_must_differ_from_both_parents() -> None:
    other = CHAIN.replace("List the steps.", "Think.")
    with pytest.raises(ProgramError, match="join both"):
        Blend().read(chain_brief(), chain_facts(), f"```python\n{other}```")
    joined = CHAIN.replace("List the steps.", "Think, then list the steps.")
    assert Blend().read(chain_brief(), chain_facts(), f"```python\n{joined}```").note == "blended 0 and 1"


def test_evidence_is_bounded_whatever_the_examples_hold() -> None:
    long = "x" * 50_000
    judgements = [
        Judgement(
            outcome=Outcome(example_id=f"t{k % 3}", output=long, failure=Failure(kind="crash", message=long) if k % 2 else None),
            score=Score(value=0.0, feedback=long),
        )
        for k in range(40)
    ]
    body = RewriteComponent().request(brief(member_of(CHAIN, train=judgements)), chain_facts())
    user = cast("list[dict[str, str]]", body["messages"])[1]["content"]
    assert len(user) < len(CHAIN) + 3_000 + 600


def test_an_example_that_is_repeated_is_shown_once_by_its_worst_run() -> None:
    judgements = [
        Judgement(outcome=Outcome(example_id=name, repeat=repeat, output=f"{name} in run {repeat}"), score=Score(value=value))
        for name, values in {"t0": (1.0, 0.0, 0.5), "t1": (1.0, 1.0, 1.0)}.items()
        for repeat, value in enumerate(values)
    ]
    body = RewriteComponent().request(brief(member_of(CHAIN, train=judgements)), chain_facts())
    user = cast("list[dict[str, str]]", body["messages"])[1]["content"]
    assert "On 2 train examples, 6 runs of which the worst of each is shown: mean score 0.75, 0 without output." in user
    assert [run for run in range(3) if f"t0 in run {run}" in user] == [1]
    assert [run for run in range(3) if f"t1 in run {run}" in user] == [0]
