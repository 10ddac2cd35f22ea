"""Structure: the call graph and what is counted on it."""

from __future__ import annotations

import pytest

from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.structure import call_graph, levels, misplaced, reachable

PROGRAM = parse('''from graftwork.programs import prompt, tool

LIMIT = 3

@tool
def add(a: int) -> int:
    """Add."""
    return a + LIMIT

@prompt(tools=[add])
def ask(question: str) -> str:
    """Ask."""

def again(question):
    return solve(question) or ask(question)

def lost():
    return add(1)

def solve(question):

    return again(question)
''')


def test_the_call_graph_holds_components_only() -> None:
    assert call_graph(PROGRAM) == {
        "LIMIT": frozenset(),
        "add": {"LIMIT"},
        "ask": {"add"},
        "again": {"solve", "ask"},
        "lost": {"add"},
        "solve": {"again"},
    }


def test_what_the_entry_needs_is_found_by_its_distance() -> None:
    assert reachable(PROGRAM, "solve") == {"solve", "again", "ask", "add", "LIMIT"}
    assert levels(PROGRAM, "solve") == {"solve": 0, "again": 1, "ask": 2, "add": 3, "LIMIT": 4}


def test_an_unknown_entry_is_told_with_the_names_there_are() -> None:
    with pytest.raises(ProgramError, match="no component 'main'; this program has LIMIT, add"):
        reachable(PROGRAM, "main")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("A = B\nB = 1\n", (("A", "B"),)),
        ("def f(x=B): ...\nB = 1\n", (("f", "B"),)),
        ("def f(x: B): ...\nB = int\n", (("f", "B"),)),
        ("from __future__ import annotations\ndef f(x: B): ...\nB = int\n", ()),
        ("def f():\n    return B\nB = 1\n", ()),
        ("A = lambda: B\nB = 1\n", ()),
        ("class A:\n    x = B\n    def f(self): return C\nB = 1\nC = 1\n", (("A", "B"),)),
        ("B = 1\nA = B\n", ()),
    ],
)
def test_misplaced_are_those_needed_above_where_they_stand(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert misplaced(parse(text)) == pairs
