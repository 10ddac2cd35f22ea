"""Check: every defect is found, a good program has none, and nothing is raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.check import Defect, check, check_source
from graftwork.programs.parse import parse
from graftwork.programs.program import Component, Program

from .strategies import programs

GOOD = '''from __future__ import annotations

import math
import numpy as np
from graftwork.programs import prompt, tool, vote

DEMOS = [{"inputs": {"question": "1 + 1", "steps": "add"}, "output": 2.0}]

@tool
def calculate(expression: str) -> float:
    """The value of an arithmetic expression."""
    from decimal import Decimal
    return float(Decimal(expression)) + math.pi + np.pi

@prompt
def plan(question: str) -> str:
    """List the steps for {question}. Answer like {"steps": []} or \\\\boxed{steps}."""

@prompt(tools=[calculate], temperature=0.0, max_tokens=96, demos=DEMOS, model="small", top_p=1)
def work(question: str, steps: str) -> float:
    """Follow the steps."""
    ...

def solve(question: str) -> float:
    return vote(3, work, question, plan(question))
'''


def errors(source: str, **options: object) -> list[str]:
    return [str(item) for item in found(source, **options) if item.severity == "error"]


def found(source: str, **options: object) -> tuple[Defect, ...]:
    settings: dict[str, object] = {"entry": "solve", "parameters": ["question"], "packages": ["numpy"], **options}
    return check_source(source, **settings)  # type: ignore[arg-type]  # a test's shorthand


def test_a_good_program_has_no_defect() -> None:
    assert found(GOOD) == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def solve", "def answer", "error: no entry 'solve': define `def solve(question)`; there is DEMOS, calculate, plan, work, answer"),
        (
            "def solve(question: str) -> float:\n    return",
            "class solve:\n    x =",
            "error: line 24, solve: the entry 'solve' must be a function or a prompt, it is a type",
        ),
        ("solve(question: str)", "solve(text, question=1)", "no input gives 'text' (question)"),
        ("solve(question: str)", "solve(text)", "the input 'question' is not taken"),
        ("solve(question: str)", "solve(question, /)", "can only be given by position"),
        ("plan(question))", "plan(questions))", "'questions' is not defined; define it as a component or import it"),
        ("plan(question))", "plam(question))", "error: line 25, solve: 'plam' is not defined; did you mean 'plan'?"),
        ("import math\n", "", "error: line 12, calculate: 'math' is not defined; add `import math`"),
        ("prompt, tool, vote", "prompt, tool", "'vote' is not defined; add `from graftwork.programs import vote`"),
        ("import math\n", "import math\nimport subprocess\n", "error: line 4: `import subprocess`: subprocess is forbidden"),
        ("import math\n", "import math\nfrom os import path, _exit\nimport _socket\n", "`import _socket`: _socket is forbidden"),
        ("import math\n", "import math\nimport torch\n", "torch is not available; the task allows the standard library and numpy"),
        ("import math\n", "import math\nimport graftwork as gw\n", "a program may only write `from graftwork.programs import`"),
        ("tool, vote", "tool, vote, check", "a program may only write `from graftwork.programs import`"),
        (
            "from decimal import Decimal",
            "from ctypes import CDLL as Decimal",
            "error: line 12, calculate: `from ctypes import CDLL as Decimal`",
        ),
        ("from decimal import Decimal", "from . import Decimal", "error: line 12, calculate: a relative import"),
        ("from decimal import Decimal", "Decimal = __import__('decimal').Decimal", "`__import__` is forbidden"),
        ("    return vote", "    async def f(): await f()\n    return vote", "async code"),
        ("    return vote", "    x = [i async for i in question]\n    return vote", "async code"),
        ('    """Follow the steps."""\n', "", "a prompt without a docstring"),
        ("    ...\n", "    return 1.0\n", "error: line 22, work: a prompt with a body"),
        ("@prompt(tools", "@prompt('x', tools", "@prompt takes keywords only"),
        ("top_p=1", "seed=1", "@prompt has no option 'seed'"),
        ("top_p=1", "**{}", "@prompt has no option '**'"),
        ("top_p=1", "top_p=1.5", "top_p must be a number from 0 to 1"),
        ("temperature=0.0", "temperature=-1", "temperature must be a number from 0 to 2"),
        ("temperature=0.0", "temperature=1 + 1", "temperature must be a literal or a constant"),
        ("temperature=0.0", "temperature=plan", "temperature must be a literal or a constant"),
        ("max_tokens=96", "max_tokens=True", "max_tokens must be an integer"),
        ('model="small"', "model=3", "model must be a model's name"),
        ("demos=DEMOS", "demos=3", "demos must be a list"),
        ("demos=DEMOS", 'demos=[{"input": {}}]', "a demonstration must be"),
        ("demos=DEMOS", 'demos=[{"inputs": {"query": 1}, "output": 1}]', "a demonstration has inputs that are no parameters: query"),
        ("tools=[calculate]", "tools=calculate", "tools must be a list"),
        ("tools=[calculate]", "tools=[plan]", "tools must name tools or functions of the program (calculate, solve), not plan"),
        ("DEMOS = [", "WIDTH = HEIGHT\nHEIGHT = 1\nDEMOS = [", "'WIDTH' needs 'HEIGHT' when the program is loaded"),
        ("DEMOS = [", "PAD = '" + "x" * 70_000 + "'\nDEMOS = [", "at most 65536 are run"),
        ("DEMOS = [", "DEMOS = [[", "not Python"),
        ("    return vote", "    more = *question\n    return vote", "error: line 25: not Python: can't use starred expression here"),
        ("    return vote", "    steps = 1\n    global steps\n    return vote", "assigned to before global declaration"),
    ],
)
def test_an_error_is_found_and_says_what_to_do(old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert any(message in error for error in errors(GOOD.replace(old, new, 1))), errors(GOOD.replace(old, new, 1))


def test_a_frozen_component_must_stay() -> None:
    frozen = {"plan": parse(GOOD)["plan"].digest}
    assert errors(GOOD, frozen=frozen) == []
    assert errors(GOOD.replace("List the", "Name the"), frozen=frozen) == [
        "error: line 15, plan: 'plan' is frozen and was changed; restore it"
    ]
    assert errors(GOOD, frozen={"check_answer": "0" * 32}) == ["error: the frozen component 'check_answer' is missing; put it back"]
    assert errors(GOOD.replace("def plan(", "def plan(  # laid out\n    "), frozen=frozen) == []


def test_warnings_tell_what_is_not_used() -> None:
    source = "def helper(a, b, _c):\n    return a\n\ndef solve(question, more, n=1):\n    return 1\n"
    assert [str(item) for item in found(source, parameters=["question", "more"])] == [
        "warning: line 1, helper: 'helper' is never reached from 'solve'; use or remove it",
        "warning: line 1, helper: parameter 'b' is never used",
        "warning: line 4, solve: input 'more' is never used",
        "warning: line 4, solve: input 'question' is never used",
        "warning: line 4, solve: parameter 'n' is never used",
    ]


def test_a_placeholder_that_is_no_parameter_is_a_warning() -> None:
    (defect,) = found(GOOD.replace("for {question}", "for {query}"))
    assert (defect.severity, defect.component, defect.line) == ("warning", "plan", 16)
    assert defect.message == "{query} stays as it is: its parameters are question"


def test_an_entry_may_be_a_prompt_or_take_any_keyword() -> None:
    prompt = 'from graftwork.programs import prompt\n@prompt\ndef solve(question: str) -> str:\n    """Answer."""\n'
    assert found(prompt) == ()
    assert found("def solve(**inputs):\n    return inputs\n") == ()


def test_a_program_that_parse_did_not_make_is_a_defect_too() -> None:
    broken = Component(name="solve", kind="prompt", source="def solve(", digest="", refs=frozenset(("x",)))
    (defect,) = check(Program(source="", imports=(), components=(broken,), digest=""), entry="solve", parameters=[])
    assert defect.severity == "error"
    assert "not Python" in defect.message


@given(programs(), st.sampled_from(["solve", "alpha", "Shape"]), st.lists(st.sampled_from(["item", "n"]), unique=True))
def test_no_program_makes_check_raise(source: str, entry: str, parameters: list[str]) -> None:
    defects = check(parse(source), entry=entry, parameters=parameters)
    assert [item.severity for item in defects] == sorted(item.severity for item in defects)
    assert (entry in parse(source)) or any("no entry" in item.message for item in defects)


@given(st.text())
def test_no_text_makes_check_raise(text: str) -> None:
    assert check_source(text, entry="solve", parameters=[])
