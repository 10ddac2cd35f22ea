"""Descriptors: what the entry reaches, counted."""

from __future__ import annotations

from graftwork.programs.descriptors import Descriptors, descriptors
from graftwork.programs.parse import parse

PROGRAM = parse('''import json
import math
from graftwork.programs import prompt, tool, vote

LIMIT = 3

class Shape:
    size = 1

@tool
def add(a: int) -> int:
    """Add."""
    return a + LIMIT + math.pi

@prompt(tools=[add])
def ask(question: str) -> str:
    """Ask."""

def lost():
    return json.dumps(add(1))

def solve(question):

    return vote(LIMIT, ask, question), add(1), Shape
''')


def test_only_what_the_entry_reaches_is_counted() -> None:
    found = descriptors(PROGRAM, "solve")
    assert found == Descriptors(
        n_prompts=1,
        n_tools=1,
        n_functions=1,
        n_types=1,
        n_constants=1,
        n_calls=2,
        depth=1,
        worst_case_calls=3 * 2 * 6,
        size=found.size,
        n_lines=12,
        modules=("math",),
    )


def test_size_counts_syntax_and_not_layout() -> None:
    # A function, its arguments, a return, a constant.
    assert descriptors(parse("def solve():\n\n    return 1  # one\n\nX = 2\n"), "solve").size == 4


def test_a_program_that_calls_nothing_has_no_depth_and_asks_nothing() -> None:
    found = descriptors(parse("def solve():\n    return 1\n"), "solve")
    assert (found.depth, found.n_calls, found.worst_case_calls, found.modules) == (0, 0, 0, ())
