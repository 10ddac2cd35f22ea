from __future__ import annotations

import pytest

from graftwork.programs.options import options_of, with_options
from graftwork.programs.parse import parse
from graftwork.programs.program import Component


def _prompt(decorator: str) -> Component:
    imports = "from graftwork.programs import prompt\nimport graftwork.programs as gp\n"
    return parse(f'{imports}\n\n{decorator}\ndef ask(question: str) -> str:\n    """Answer."""\n')["ask"]


def test_options_are_read_as_written() -> None:
    assert options_of(_prompt("@prompt(temperature = 0.50, tools=[ask])")) == {"temperature": "0.50", "tools": "[ask]"}
    assert options_of(_prompt("@prompt")) == {}
    assert options_of(_prompt("@gp.prompt(model='x')")) == {"model": "'x'"}


def test_options_that_only_running_would_tell_are_not_read() -> None:
    assert options_of(_prompt("@prompt(**OPTIONS)")) is None


def test_a_changed_value_leaves_the_rest_as_written() -> None:
    decorator = "@prompt(\n    temperature=0.0,  # measured: warmer is worse\n    max_tokens = 64,\n)"
    changed = with_options(_prompt(decorator), {"temperature": "0.0", "max_tokens": "96"})
    assert changed.startswith(decorator.replace("64", "96"))


@pytest.mark.parametrize("decorator", ["@prompt", "@prompt()", "@prompt(top_p=1)", "@gp.prompt(temperature=1.0)"])
def test_what_is_written_is_read_again(decorator: str) -> None:
    prompt = _prompt(decorator)
    options = {"temperature": "0.0", "demos": "[{'inputs': {'question': 'é\"'}, 'output': 'x'}]"}
    changed = _prompt("\n".join(line for line in with_options(prompt, options).splitlines()[:-2]))
    assert options_of(changed) == options
    assert with_options(changed, {}).startswith(decorator.partition("(")[0] + "\n")


def test_a_long_decorator_has_one_option_a_line() -> None:
    text = with_options(_prompt("@prompt"), {"model": repr("m" * 120), "top_p": "0.5"})
    assert text.splitlines()[:3] == ["@prompt(", f"    model={'m' * 120!r},", "    top_p=0.5,"]
