"""Tests of the normal form: what a rename leaves alike, and what it must not."""

from __future__ import annotations

import pytest

from graftwork.programs.normal import normal
from graftwork.programs.parse import parse
from graftwork.programs.rename import renamed_program

PROGRAM = '''
from graftwork.programs import prompt, tool

SCALE = 3


@tool
def look_up(word: str) -> int:
    """The number of a word."""
    return len(word)


@prompt(tools=[look_up])
def read(words: str) -> int:
    """Give the number, please.
    Nothing else!"""


def weigh(x: int) -> int:
    total = 0
    for item in range(x):
        total += item * SCALE
    return total


def solve(words: str) -> int:
    number = read(words)
    return weigh(number) - len(words)
'''


def digest(text: str) -> str:
    """Of the normal form of a text."""
    return normal(parse(text), entry="solve").digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total", "s"),
        ("number = read(words)\n    return weigh(number)", "n = read(words)\n    return weigh(n)"),
        ("weigh", "heaviness"),
        ("SCALE", "FACTOR"),
        ("def read(", "def reads("),
        ("Give the number, please.\n    Nothing else!", "give the NUMBER please; nothing   else"),
        ("    total = 0\n", "    # from nothing\n    total = 0\n"),
    ],
)
def test_what_nobody_sees_may_be_called_otherwise(old: str, new: str) -> None:
    text = PROGRAM.replace(old, new).replace("= read(", "= reads(" if "reads" in new else "= read(")
    assert text != PROGRAM
    assert digest(text) == digest(PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 3", "SCALE = 4"),
        ("words", "text"),  # a model sees how a prompt's parameters are called
        ("look_up", "find"),  # and its tools
        ("The number of a word.", "the number of a word"),
        ("Nothing else!", "Nothing more!"),
        ("item * SCALE", "SCALE * item"),
        ("weigh(number) - len(words)", "len(words) - weigh(number)"),
        ("def weigh(x: int)", "def weigh(x: int, y: int = 0)"),
    ],
)
def test_what_may_change_an_answer_does_not_go_unnoticed(old: str, new: str) -> None:
    assert digest(PROGRAM.replace(old, new)) != digest(PROGRAM)


def test_two_functions_that_change_places_with_their_names_are_another_program() -> None:
    helpers = "def one(x: int) -> int:\n    return x + 1\n\n\ndef two(x: int) -> int:\n    return x * 2\n\n\n"
    calling = f"{helpers}def solve(x: int) -> int:\n    return one(two(x))\n"
    swapped = calling.replace("x + 1", "x * 3").replace("x * 2", "x + 1").replace("x * 3", "x * 2")
    assert digest(calling) != digest(swapped)
    assert digest(swapped) == digest(swapped.replace("one", "first"))


def test_in_a_circle_names_count_so_that_nothing_is_taken_for_another() -> None:
    circle = """
def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


def third(n: int) -> bool:
    return n != 1 and even(n - 1)


def solve(n: int) -> bool:
    return even(n) or third(n)
"""
    other = circle.replace("n != 0", "n != 7").replace("n != 1", "n != 0").replace("n != 7", "n != 1")
    assert digest(circle) != digest(other)


def test_a_variable_that_also_is_a_component_or_a_builtin_keeps_its_name() -> None:
    own = "def solve(x: int) -> int:\n    limit = 3\n    return min(x, limit)\n"
    taken = "limit = 3\n\n\ndef solve(x: int) -> int:\n    return min(x, limit)\n"
    hiding = own.replace("limit", "max")
    assert len({digest(own), digest(taken), digest(hiding)}) == 3


def test_what_a_local_is_called_counts_where_the_function_can_see_it() -> None:
    seeing = "def solve(x: int) -> int:\n    y = x\n    return len(str(locals())) + y\n"
    assert digest(seeing) != digest(seeing.replace("y", "longer"))


def test_components_renamed_by_an_edit_leave_the_normal_form_and_its_tokens() -> None:
    program = parse(PROGRAM)
    other = renamed_program(program, {"weigh": "w", "read": "r", "SCALE": "k"})
    assert other.digest != program.digest
    assert normal(other, entry="solve") == normal(program, entry="solve")
