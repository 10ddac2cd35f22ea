"""Reading: the definitions of a reply, whatever stands around them, and how often they are parsed."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest
from hypothesis import assume, given

from graftwork.programs.errors import ProgramError
from graftwork.programs.layout import read_all
from graftwork.programs.parse import parse
from graftwork.programs.readings import forget
from graftwork.search.reading import graft_reply, snippet_of
from tests.programs.strategies import programs

from .operator_cases import CHAIN, PACKING, chain_facts, packing_facts

NEW_BONUS = "def bonus(x: float) -> float:\n    return math.sqrt(x) + LIMIT"


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def source_or_reason(reply: str) -> str:
    try:
        return snippet_of(reply, parse(CHAIN)).source
    except ProgramError as error:
        return error.message


@given(programs())
def test_an_example_of_use_below_the_definitions_changes_nothing(source: str) -> None:
    assume(parse(source).components)
    assert source_or_reason(fenced(source)) == source_or_reason(fenced(f"{source}\n\nprint(1)"))


def test_comments_docstring_and_main_block_of_a_reply_are_left_out() -> None:
    code = f'"""Doc."""\n\n# why\nimport math\n\n# of bonus\n{NEW_BONUS}\n    # more\n\n\nif __name__ == "__main__":\n    print(bonus(1))'
    assert snippet_of(fenced(code), parse(PACKING)).source == f"import math\n\n{NEW_BONUS}\n"


def test_a_prompt_in_a_reply_ends_with_its_docstring_and_has_the_decorator_that_it_had() -> None:
    reply = fenced('def plan(question: str) -> str:\n    """Plan."""\n    steps = question.split()\n    return steps[0]')
    plan = graft_reply(reply, parse(CHAIN), chain_facts(), wanted="plan")["plan"]
    assert plan.source == f'{parse(CHAIN)["plan"].source.partition("def ")[0]}def plan(question: str) -> str:\n    """Plan."""'


def test_what_a_reply_defines_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, cut = parse(PACKING), list[str]()

    def noted(texts: Sequence[str]) -> list[list[ast.stmt]]:
        cut.extend(texts)
        return read_all(texts)

    forget()
    parse(parent.source)
    monkeypatch.setattr("graftwork.programs.cutting.read_all", noted)
    child = graft_reply(fenced(NEW_BONUS), parent, packing_facts(), wanted="bonus")
    assert child["bonus"].source == NEW_BONUS
    assert [text for text in cut if "def " in text] == [NEW_BONUS]
