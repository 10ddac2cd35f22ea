"""From a prompt and its arguments to a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.render import Demonstration, arguments_of, render


@dataclass
class Plan:
    steps: list[str]


def answer(question: str, hint: str = "none") -> str:
    """Answer the question.

    Be brief.
    """
    raise NotImplementedError


def shout(question: str, plan: Plan) -> Literal["yes", "no"]:
    """Is {question} shouted? Not a place: {other} {{}} {0}."""
    raise NotImplementedError


def calculate(expression: str, digits: int = 2) -> float:
    """The value of an expression."""
    raise NotImplementedError


def test_constant_text_comes_first_and_labelled_inputs_last() -> None:
    body = render(answer, {"question": "Why?", "hint": "line\nline"}, {})
    assert body == {
        "messages": [
            {"role": "system", "content": "Answer the question.\n\nBe brief."},
            {"role": "user", "content": "question: Why?\n\nhint:\nline\nline"},
        ]
    }


def test_places_are_filled_only_where_they_name_a_parameter() -> None:
    body = render(shout, {"question": "{plan} HELP", "plan": Plan(["a"])}, {})
    assert body["messages"] == [
        {"role": "system", "content": "Reply with exactly one of: yes | no. If you explain, put it last."},
        {"role": "user", "content": 'Is {plan} HELP shouted? Not a place: {other} {{}} {0}.\n\nplan: {"steps": ["a"]}'},
    ]


def test_demonstrations_stand_between_instruction_and_inputs_in_the_words_of_the_model() -> None:
    demos: list[Demonstration] = [{"inputs": {"question": "1?", "plan": 5}, "output": "yes"}]
    contents = [m["content"] for m in render(shout, {"question": "2?", "plan": 6}, {"demos": demos})["messages"]]
    assert contents[1:] == [
        "Is 1? shouted? Not a place: {other} {{}} {0}.\n\nplan: 5",
        "yes",
        "Is 2? shouted? Not a place: {other} {{}} {0}.\n\nplan: 6",
    ]


def test_options_become_fields_of_the_body_and_others_are_not_sent() -> None:
    body = render(answer, {"question": "Why?"}, {"temperature": 0.0, "max_tokens": 5, "top_p": 0.5, "model": "m", "tools": [calculate]})
    tool = {
        "name": "calculate",
        "description": "The value of an expression.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string"}, "digits": {"type": "integer"}},
            "required": ["expression"],
        },
    }
    assert {name: value for name, value in body.items() if name != "messages"} == {
        "temperature": 0.0,
        "max_tokens": 5,
        "top_p": 0.5,
        "model": "m",
        "tools": [{"type": "function", "function": tool}],
    }


def test_a_structured_output_is_constrained_and_asked_for_in_words_too() -> None:
    def plan(question: str) -> Plan:
        """Plan."""
        raise NotImplementedError

    body = render(plan, {"question": "?"}, {})
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["steps"]
    assert body["messages"][0]["content"].startswith("Plan.\n\nReply with JSON only, matching this schema: {")


def test_a_prompt_without_inputs_still_has_a_users_message() -> None:
    def invent() -> str:
        """Invent a name."""
        raise NotImplementedError

    assert [message["role"] for message in render(invent, {}, {})["messages"]] == ["system", "user"]


def test_an_input_that_is_no_data_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a JSON value, a dataclass or an array, got object"):
        render(answer, {"question": object()}, {})


def test_arguments_come_in_the_order_of_the_signature_with_defaults() -> None:
    assert list(arguments_of(answer, (), {"hint": "h", "question": "q"})) == ["question", "hint"]
    assert arguments_of(answer, ("q",), {}) == {"question": "q", "hint": "none"}


@given(st.text(), st.text())
def test_no_input_changes_another_or_the_constant_text(question: str, hint: str) -> None:
    body: dict[str, Any] = render(answer, {"question": question, "hint": hint}, {})
    system, user = body["messages"]
    assert system["content"] == "Answer the question.\n\nBe brief."
    assert question in user["content"]
    assert user["content"].endswith(hint)
