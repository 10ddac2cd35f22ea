"""Programs whose structure the tests of moves change, each with the context of its task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from graftwork.programs.check import check
from graftwork.programs.moves import Context
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.runtime import using_session
from graftwork.programs.structure import reachable

from .sessions import Asked, RecordingSession, Script, loaded, text_of

__all__ = ["CHAIN", "PROGRAMS", "errors", "example_programs", "parameters_of", "run", "told"]

CHAIN: Final = '''\
"""Answer questions."""

from graftwork.programs import prompt, tool


@tool
def calculate(expression: str) -> float:
    """The value of an expression."""
    return float(len(expression))


@prompt(max_tokens=96)
def plan(question: str) -> str:
    """List the steps."""


@prompt(tools=[calculate], temperature=0.0)
def work(question: str, steps: str) -> float:
    """Follow the steps."""


def solve(question: str) -> float:
    return work(question, plan(question))
'''

BRANCHES: Final = '''\
from typing import Literal

from graftwork.programs import (
    parallel,
    prompt,  # what a model does
    vote,
)

Kind = Literal["sum", "other"]


@prompt
def kind_of(question: str) -> Kind:
    """Say whether "{question}" asks for a sum."""


@prompt(temperature=0.5, demos=[{"inputs": {"question": "1 + 1"}, "output": "2"}, {"inputs": {"question": "2 + 2"}, "output": "4"}])
def add(question: str, *, hint: str = "") -> str:
    r"""Add the numbers of the question; \\d stands for a digit."""


@prompt(model="small", top_p=0.9)
def shorten(text: str, limit: int) -> str:
    """Make the text shorter, to at most {limit} words."""


@prompt
def merge(first: str, second: str, question: str) -> str:
    """Take the better of two answers."""


def answer(question: str) -> str:
    """An answer in words."""
    # Sums are easy.
    if kind_of(question) == "sum":
        return add(question.strip(), hint="carry the one")
    drafts = parallel(lambda: shorten(question, 10), lambda: shorten(question, limit=20))
    for _ in range(2):
        question = f"{question} {shorten(question, 5)}"
    return merge(drafts[0], drafts[1], question)


def solve(question: str) -> str:
    text = vote(3, answer, question)  # most common
    long = [shorten(part, 3) for part in text.split(".") if part]
    return " ".join(long) or shorten(
        text,
        limit=3,
    )


if __name__ == "__main__":
    print(solve("1 + 1"))
'''

WINDOWS: Final = CHAIN.replace("\n", "\r\n").replace("    return work", "    # both\r\n    return work")

PROGRAMS: Final[Mapping[str, tuple[Program, Context]]] = {
    "chain": (parse(CHAIN), Context(entry="solve", frozen=frozenset({"calculate"}), models=("small", "large"))),
    "branches": (parse(BRANCHES), Context(entry="solve", frozen=frozenset({"kind_of"}), models=("small", "large"))),
    "windows": (parse(WINDOWS), Context(entry="solve", models=("small",))),
    "lonely": (
        parse('from graftwork.programs import prompt\n\n\n@prompt\ndef solve(question: str) -> str:\n    """Answer."""\n'),
        Context(entry="solve"),
    ),
}


def example_programs() -> Iterator[tuple[str, Program, Context]]:
    """The programs above, and those of the examples that have prompts."""
    yield from ((name, program, context) for name, (program, context) in PROGRAMS.items())
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*/program.py")):
        program = parse(path.read_text(encoding="utf-8"))
        if program.prompts:
            yield path.parent.name, program, Context(entry="solve", models=("small", "large"))


def parameters_of(program: Program) -> frozenset[str]:
    """Inputs of the tasks of these programs: one question."""
    return frozenset({"question"}) if "solve" in program else frozenset()


def errors(child: Program, parent: Program, context: Context) -> list[str]:
    """What `check` finds wrong with a child, and components that nothing uses but that may go."""
    frozen = {name: parent[name].digest for name in context.frozen}
    found = check(child, entry=context.entry, parameters=parameters_of(parent), frozen=frozen)
    kept = frozenset[str]().union(*(reachable(child, name) for name in context.frozen if name in child))
    unused = [item for item in found if "is never reached" in item.message and item.component not in kept]
    return [defect.message for defect in found if defect.severity == "error" or defect in unused]


def told(asked: Asked) -> dict[str, str]:
    """The labelled fields of a request, by name."""
    return dict(re.findall(r"^(\w+): (.*)$", text_of(asked.body), flags=re.MULTILINE))


def run(program: Program, script: Script, question: str = "What is 5 plus 7?") -> tuple[object, list[Asked]]:
    """What a program answers with a scripted model, and what it asked."""
    session = RecordingSession(script=script)
    with loaded(program.source) as module, using_session(session):
        output = module.solve(question)
    return output, session.asked
