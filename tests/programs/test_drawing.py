"""Drawing: what a person reads, line by line, and what Mermaid reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graftwork.programs.drawing import WIDTH, draw_mermaid, draw_text
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse

SOURCE = '''from graftwork.programs import parallel, prompt, retry, tool, vote

HINTS = ["a", "b"]

@tool
def calculate(expression: str) -> float:
    """The value."""
    return float(expression)

@prompt(tools=[calculate], temperature=0.2, demos=[{"inputs": {"question": "1", "hint": "x"}, "output": "2"}])
def work(question: str, hint: str = "none") -> str:
    """Work."""

@prompt(model="small")
def judge(question: str, answers: list[str]) -> str:
    """Judge."""

def normal(text):
    return text.strip().lower()

def lost(x):
    return x

def solve(question: str) -> str:
    answers = [normal(work(question, hint)) for hint in HINTS]
    for _ in range(2):
        if len(answers) > 1:
            answers.append(vote(3, work, question, hint=answers[-1]))
        elif answers:
            answers += parallel(lambda: work(question, "p"), lambda: work(question, "q"))
        else:
            answers = list(map(normal, answers))
    try:
        return retry(2, judge, question, answers, accept=lambda a: normal(a) in answers)
    except ValueError:
        return normal(answers[0]) or work(question)
'''

TREE = """\
function solve(question: str) -> str
├─ for hint in HINTS
│  ├─ prompt work(question: str, hint: str = 'none') -> str · temperature=0.2, 1 demo
│  │  └─ tool calculate(expression: str) -> float
│  └─ function normal(text)
├─ for _ in range(2)
│  ├─ if len(answers) > 1
│  │  └─ vote 3
│  │     └─ prompt work (above)
│  ├─ else if answers
│  │  └─ parallel
│  │     └─ prompt work ×2 (above)
│  └─ else
│     └─ function normal (above), handed on
├─ try
│  └─ retry 2
│     ├─ prompt judge(question: str, answers: list[str]) -> str · model="small"
│     └─ function normal (above)
└─ except ValueError
   ├─ function normal (above)
   └─ or, if that is nothing
      └─ prompt work (above)
constants: HINTS
never reached: lost"""

MERMAID = """\
flowchart TD
    i0[/"question"/]
    n0[("HINTS")]
    n1[["calculate#40;expression: str#41; -#62; float"]]
    n2(["work#40;question: str, hint: str = 'none'#41; -#62; str"])
    n3["solve#40;question: str#41; -#62; str"]
    n0 -->|"question"| n2
    i0 -->|"question"| n2
    n1 -.->|"tool"| n2
    n2 -->|"returned"| n3
    style n3 stroke-width:3px
"""


def test_the_tree_shows_calls_in_order_with_what_stands_around_them() -> None:
    assert draw_text(parse(SOURCE), "solve") == TREE


def test_the_flowchart_has_a_shape_for_each_kind_and_an_arrow_for_each_parameter() -> None:
    head, _, _ = SOURCE.partition("def solve")
    program = parse(head + "def solve(question: str) -> str:\n    return work(question + HINTS[0])\n")
    assert draw_mermaid(program, "solve") == MERMAID


def test_no_line_is_wider_than_the_page() -> None:
    arguments = ", ".join(f"argument_number_{n}: dict[str, list[int]]" for n in range(9))
    drawn = draw_text(parse(f"def solve({arguments}):\n    return argument_number_0\n"), "solve")
    assert max(map(len, drawn.splitlines())) == WIDTH
    assert drawn.endswith("…")


def test_calls_are_told_in_the_order_in_which_they_are_made() -> None:
    program = parse(
        "def a(x):\n    return x\n\ndef b(x):\n    return x\n\ndef c(x):\n    return x\n\ndef solve(x):\n    return a(b(x)) + c(x)\n"
    )
    assert re.findall(r"function (\w)\(", draw_text(program, "solve")) == ["b", "a", "c"]


def test_what_is_reached_without_being_called_in_view_is_listed() -> None:
    source = SOURCE.replace('HINTS = ["a", "b"]', 'HINTS = {"a": work}').partition("def solve")[0] + (
        "class Agent:\n    def run(self, q):\n        return judge(q, [])\n\ndef solve(q):\n    return Agent().run(q) + HINTS['a'](q)\n"
    )
    listed = "reached in other ways: calculate, work, judge\nconstants: HINTS\ntypes: Agent\nnever reached: normal, lost"
    assert draw_text(parse(source), "solve") == f"function solve(q)\n{listed}"


def test_defaults_of_inner_functions_are_drawn() -> None:
    head = SOURCE.partition("def solve")[0]
    for body in ("f = lambda x=normal(q): x\n    return f", "def f(*, x=normal(q)):\n        pass\n    return f"):
        drawn = draw_text(parse(f"{head}def solve(q):\n    {body}\n"), "solve")
        assert drawn.splitlines()[1] == "└─ function normal(text)"


def test_recursion_is_drawn_once() -> None:
    drawn = draw_text(parse("def even(n):\n    return odd(n - 1)\n\ndef odd(n):\n    return even(n - 1)\n"), "even")
    assert drawn == "function even(n)\n└─ function odd(n)\n   └─ function even (above)"


def test_text_cannot_break_out_of_a_label() -> None:
    program = parse('def solve(x: str = \'"] --> n9; %%{init: {}}%% `<b>\\n#\') -> "end":\n    return x\n')
    labels = re.findall(r'"(.*)"', draw_mermaid(program, "solve"))
    assert labels
    assert not any(re.search(r'["<>`|%{}\[\]]|#(?!\d+;)', label) for label in labels)


def test_an_unknown_entry_is_told() -> None:
    program = parse("def f():\n    return 1\n")
    for draw in (draw_text, draw_mermaid):
        with pytest.raises(ProgramError, match="no component 'solve'"):
            draw(program, "solve")


def test_a_comprehensions_variable_hides_no_prompt() -> None:
    ask = 'from graftwork.programs import prompt\n\n\n@prompt\ndef ask(q: str) -> str:\n    """Answer."""\n\n\n'
    program = parse(ask + "def solve(q):\n    hints = [ask for ask in q]\n    return ask(q)\n")
    assert "prompt ask" in draw_text(program, "solve")


def test_every_example_is_drawn() -> None:
    files = list((Path(__file__).parents[2] / "examples").glob("*/program.py"))
    assert files
    for file in files:
        program = parse(file.read_text(encoding="utf-8"))
        assert draw_text(program, "solve").startswith("function solve(")
        assert draw_mermaid(program, "solve").startswith("flowchart TD\n")
