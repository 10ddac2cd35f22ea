"""Structure: the call graph and what is counted on it."""

from __future__ import annotations

import pytest

from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.structure import Descriptors, call_graph, descriptors, misplaced, reachable

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


def test_only_what_the_entry_reaches_is_counted() -> None:
    assert reachable(PROGRAM, "solve") == {"solve", "again", "ask", "add", "LIMIT"}
    found = descriptors(PROGRAM, "solve")
    assert found == Descriptors(n_prompts=1, n_tools=1, n_functions=2, depth=3, size=found.size, n_lines=12)
    # A function, its arguments, a return, a constant.
    assert descriptors(parse("def solve():\n\n    return 1  # one\n\nX = 2\n"), "solve").size == 4


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
