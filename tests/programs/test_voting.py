"""Tests of a vote of a whole program."""

from __future__ import annotations

import pytest

from graftwork.programs.check import check
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.voting import voted

PROGRAM = '''"""Read numbers."""
from graftwork.programs import prompt


@prompt(temperature=0.0)
def read(words: str) -> int:
    """Give the number."""


def solve(words: str, *more: str, k: int = 3, **rest: str) -> int:
    # what it does
    return read(words) if k else solve(words, k=1)


if __name__ == "__main__":
    print(solve("seven"))
'''
PROMPT = 'from graftwork.programs import prompt\n\n\n@prompt\ndef solve(words: str) -> int:\n    """Give the number."""\n'


def test_the_entry_keeps_its_name_and_takes_a_vote_of_what_it_was() -> None:
    child = voted(parse(PROGRAM), "solve", 5)
    assert "return vote(5, solve_once, words, *more, k=k, **rest)" in child["solve"].source
    assert "# what it does" in child["solve_once"].source
    assert "solve_once(words, k=1)" in child["solve_once"].source
    assert 'print(solve("seven"))' in child.source
    assert not [defect for defect in check(child, entry="solve", parameters=["words"]) if defect.severity == "error"]


def test_a_prompt_can_be_the_entry() -> None:
    child = voted(parse(PROMPT), "solve", 3)
    assert (child["solve"].kind, child["solve_once"].kind) == ("function", "prompt")
    assert check(child, entry="solve", parameters=["words"]) == ()


def test_prompts_that_always_say_the_same_are_set_warmer_unless_they_are_frozen() -> None:
    assert "temperature=0.0" not in voted(parse(PROGRAM), "solve", 3).source
    assert "temperature=0.0" in voted(parse(PROGRAM), "solve", 3, frozen=frozenset({"read"})).source


@pytest.mark.parametrize(
    "source",
    [
        "class solve:\n    pass\n",
        "def other(x):\n    return x\n",
        "def solve(x, *, n):\n    return x\n",
        "def vote(x):\n    return x\n\n\ndef solve(x):\n    return vote(x)\n",
    ],
)
def test_where_no_vote_fits_that_is_said(source: str) -> None:
    with pytest.raises(ProgramError, match="no vote can be put round solve"):
        voted(parse(source), "solve", 3)
