"""How long it takes to read, check and edit a program: medians in ms of CPU, and as multiples of what Python's own parser takes.

The multiple is the figure to compare between machines: both parts of it are measured in turns. Cold is a program that nobody has seen
before; warm is a child of a program that was read a moment ago, with one component changed.

python benchmarks/program_speed.py --repeats 50
"""

from __future__ import annotations

import argparse
import ast
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graftwork.programs.check import check
from graftwork.programs.dataflow import flows
from graftwork.programs.edit import Add, Replace, apply, diff, graft_source
from graftwork.programs.merge import merge
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.readings import forget
from graftwork.programs.transplant import grafts, transplant
from graftwork.programs.worst_case import worst_case_calls

__all__ = ["Case", "cases", "dense", "main", "realistic", "steps"]

_EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
_HEAD: Final = '''"""Answer questions about stock in several warehouses."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal

from graftwork.programs import parallel, prompt, retry, tool, vote

MAX_ROUNDS = 3
TOLERANCE = 0.05
Unit = Literal["piece", "box", "pallet"]
'''
_PART: Final = '''

@dataclass
class Finding{n}:
    """What was found about one item."""

    name: str
    amount: float
    unit: Unit
    certain: bool = False


# Rates as of the last review.
RATES_{n} = {{"piece": 1.0, "box": {n}2.0, "pallet": {n}40.0}}


@tool
def convert_{n}(amount: float, unit: Unit) -> float:
    """The amount in pieces.

    Use it whenever two amounts have different units.
    """
    if unit not in RATES_{n}:
        raise ValueError(f"unknown unit {{unit!r}}")
    return amount * RATES_{n}[unit]


@prompt(tools=[convert_{n}], temperature=0.2, max_tokens=256)
def extract_{n}(question: str, notes: list[str]) -> list[Finding{n}]:
    """Find every item that the question asks about.

    Read {{notes}} first. Convert amounts with the tool, never in your head.
    """


@prompt(model="task", demos=[{{"inputs": {{"findings": "12 boxes", "question": "how many?"}}, "output": 144.0}}])
def total_{n}(question: str, findings: str) -> float:
    """Give the one number that answers the question.

    Think about which findings matter, leave the others out, and add up.
    """


def agreed_{n}(question: str, findings: list[Finding{n}]) -> float:
    # The median is kinder to one bad answer than the mean.
    text = json.dumps([finding.name for finding in findings])
    answers = sorted(parallel(*[lambda: total_{n}(question, text)] * MAX_ROUNDS))
    middle = answers[len(answers) // 2]
    close = [answer for answer in answers if math.isclose(answer, middle, rel_tol=TOLERANCE)]
    return sum(close) / len(close)
'''
_TAIL = """

def solve(question: str, notes: list[str]) -> float:
    best = 0.0
    for attempt in range(MAX_ROUNDS):
        try:
            findings = retry(2, extract_1, question, notes)
        except ValueError:
            continue
        wanted = [finding for finding in findings if finding.amount > 0]
        if not wanted:
            continue
        best = max(best, agreed_1(question, wanted), agreed_2(question, wanted))
        if attempt and best > TOLERANCE:
            break
    if not best:
        # Nothing was certain: ask once more, in other words.
        second = extract_3(question, notes) + extract_4(question, notes)
        return vote(3, total_3, question, str(second)) + agreed_4(question, second)
    return best + agreed_5(question, extract_5(question, notes))


if __name__ == "__main__":
    print(solve("How many bolts are left?", ["12 boxes of bolts"]))
"""
_DENSE: Final = '''

def step_{n}(items: list[float], gap: float, limit: int = {n}) -> float:
    """Step {n} of the score."""
    total, best = 0.0, gap * {n}.5 - limit / 2
    seen = {{index: value**2 for index, value in enumerate(items) if value > gap}}
    for index, item in enumerate(sorted(items, key=lambda value: abs(value - gap))):
        weight = math.exp(-abs(item - gap) / (1.0 + limit * 0.25)) + seen.get(index, 0.0)
        if weight > 0.5 and index % 2 == 0:
            total += weight * (item - gap)
        best = max(best, total / (index + 1), weight * item)
        seen = {{key: value + total for key, value in seen.items() if key != index}}
    return best - math.sqrt(abs(total) + len(items) * limit + {n})
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A program to be measured.

    Attributes:
        name: What it is called in the table.
        source: Its text.
        changed: The component that an edit replaces.
    """

    name: str
    source: str
    changed: str

    @property
    def replacement(self) -> str:
        """Another text of that component: the same with one more statement, or another value."""
        component = parse(self.source)[self.changed]
        return f"{component.source}\n    return None" if component.kind in {"function", "tool"} else f"{self.changed} = 0.125"


def main() -> None:
    """Print one table of CPU milliseconds and multiples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    repeats: int = parser.parse_args().repeats
    print(f"{'program':<16}{'lines':>6}{'nodes/line':>11}  {'step':<20}{'CPU ms':>8}{'best':>8}{'wall ms':>8}{'x parser':>9}")
    for case in cases():
        n_lines = case.source.count("\n")
        nodes = sum(not isinstance(node, ast.expr_context) for node in ast.walk(ast.parse(case.source)))
        place = f"{case.name:<16}{n_lines:>6}{nodes / n_lines:>11.1f}"
        for name, (cpu, best, wall, multiple) in _measured(case, repeats).items():
            print(f"{place}  {name:<20}{cpu:>8.2f}{best:>8.2f}{wall:>8.2f}{multiple:>9.2f}")


def cases() -> Iterator[Case]:
    """Every example program, and two texts of about 300 lines."""
    for path in sorted(_EXAMPLES.glob("*/program.py")):
        source = path.read_text(encoding="utf-8")
        functions = [item.name for item in parse(source).components if item.kind in {"function", "tool"}]
        yield Case(name=path.parent.name, source=source, changed=functions[0])
    yield Case(name="realistic", source=realistic(), changed="agreed_2")
    yield Case(name="dense", source=dense(), changed="step_7")


def realistic() -> str:
    """Prompts, tools, types, constants and functions as people write them: 288 lines, 3.5 syntax nodes a line."""
    return _HEAD + "".join(_PART.format(n=n) for n in range(1, 6)) + _TAIL


def dense() -> str:
    """Arithmetic and comprehensions: 293 lines, 14 syntax nodes a line, twice as many as the densest file of this repository."""
    steps = "".join(_DENSE.format(n=n) for n in range(1, 23))
    calls = " + ".join(f"step_{n}(items, gap)" for n in range(1, 23))
    return f'"""Score items."""\n\nimport math\n{steps}\n\ndef solve(items: list[float], gap: float) -> float:\n    return {calls}\n'


def steps(case: Case) -> Mapping[str, tuple[Callable[[], object], bool]]:
    """What is measured by name, and whether readings are forgotten before each time."""
    program, replacement = parse(case.source), case.replacement
    edits = [Replace(name=case.changed, source=replacement)]
    child = apply(program, edits)
    other = _with_another_constant(program)
    fitting = next(iter(grafts(program, child, entry="solve")), None)

    def checked(one: Program) -> object:
        return check(one, entry="solve", parameters=())

    return {
        "parse, cold": (lambda: parse(case.source), True),
        "check": (lambda: checked(program), True),
        "parse+check, cold": (lambda: checked(parse(case.source)), True),
        "parse+check, warm": (lambda: checked(parse(child.source)), False),
        "graft, cold": (lambda: graft_source(program, replacement), True),
        "graft, warm": (lambda: graft_source(program, replacement), False),
        "apply, warm": (lambda: apply(program, edits), False),
        "diff": (lambda: diff(program, child), False),
        "flows, warm": (lambda: flows(program, "solve"), False),
        "worst case, warm": (lambda: worst_case_calls(program, "solve"), False),
        "merge, warm": (lambda: merge(child, other, program), False),
        "grafts, warm": (lambda: grafts(program, child, entry="solve"), False),
        **({} if fitting is None else {"transplant, warm": (lambda: transplant(program, child, fitting, entry="solve"), False)}),
    }


def _with_another_constant(program: Program) -> Program:
    """Another change than the replacement: one more component, which the entry returns as it is or not at all."""
    added = Add(source="LIMIT_OF_OTHERS = 17", after=program.names[0])
    entry = program["solve"].source.replace("return ", "return LIMIT_OF_OTHERS and ", 1)
    return apply(program, [added, Replace(name="solve", source=entry)])


def _measured(case: Case, repeats: int) -> dict[str, tuple[float, float, float, float]]:
    """Median and best CPU ms, median wall ms, and the multiple of the parser's median, by step."""
    rows = {}
    for name, (step, cold) in steps(case).items():
        plain, cpu, wall = [], [], []
        for _ in range(repeats):
            plain.append(_seconds(lambda: compile(case.source, "<program>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True))[0])
            if cold:
                forget()
            spent = _seconds(step)
            cpu.append(spent[0])
            wall.append(spent[1])
        median = statistics.median(cpu)
        rows[name] = (1e3 * median, 1e3 * min(cpu), 1e3 * statistics.median(wall), median / statistics.median(plain))
    return rows


def _seconds(step: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    main()
