"""Children of awkward programs are run, not only checked: no name may be lost or taken, and no call may be broken."""

from __future__ import annotations

import itertools
from typing import Final

import pytest

from graftwork.programs.errors import ProgramError
from graftwork.programs.merge import merge
from graftwork.programs.moves import Context, moved
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.restructure import moves
from graftwork.programs.transplant import grafts, transplant

from .sessions import Asked
from .structures import errors, run

_HEAD: Final = "from graftwork.programs import prompt\n\n\n"
_CONTEXT: Final = Context(entry="solve", models=("small", "large"))


def _prompt(name: str, parameters: str, instruction: str = "Do it.", returns: str = "str") -> str:
    return f'@prompt\ndef {name}({parameters}) -> {returns}:\n    r"""{instruction}"""\n\n\n'


_WORK: Final = _prompt("work", "question: str, steps: str")
PROGRAMS: Final = {
    name: parse(_HEAD + text)
    for name, text in {
        "a local is called like another's prompt": _prompt("outline", "question: str")
        + _WORK
        + "def solve(question: str) -> str:\n    plan = outline(question)\n    return work(question, plan)\n",
        "a prompt is called plan": _prompt("plan", "question: str")
        + _WORK
        + "def solve(question: str) -> str:\n    steps = plan(question)\n    return work(question, steps)\n",
        "a value grows": _prompt("count", "question: str", returns="int")
        + _prompt("pick", "question: str, total: int")
        + "def solve(question: str) -> str:\n    total = count(question)\n    total += 1\n    return pick(question, total)\n",
        "a loop is left": _prompt("work", "part: str")
        + _prompt("other", "part: str")
        + _prompt("last", "part: str")
        + "def solve(question: str) -> str:\n    x = ''\n    for part in question:\n        x = work(part)\n"
        + "        if part == 'b':\n            break\n        x = other(part)\n    return last(x)\n",
        "parameters have numbers": _prompt("judge", "answer_1: str, answer_2: str")
        + "def solve(question: str) -> str:\n    answer_1 = question\n    other = question\n"
        + "    return judge(answer_1.strip(), other.upper())\n",
        "an instruction has braces": _prompt("work", "question: str", r"Solve it. End with \boxed{answer}; write {notes} where unsure.")
        + "def solve(question: str) -> str:\n    answer = work(question)\n    return answer\n",
        "calls are laid out oddly": _prompt("plan", "question: str")
        + _WORK
        + "def solve(question: str) -> str:\n    steps = (plan)(question)\n    return work(\n        question,\n"
        + "        steps  # the plan\n    )\n",
        "a generator is an argument": _prompt("work", "question: str")
        + "def gather(parts: list[str]) -> str:\n    return work(''.join(parts))\n\n\n"
        + "def solve(question: str) -> str:\n    x = gather(part for part in question)\n    return gather(part for part in x)\n",
        "strings hold odd line ends": _prompt("work", "question: str", "Keep.\u2028 this.\n\n    Mind.\n\n    And\x0c that.")
        + "def solve(question: str) -> str:\n    answer = work(question)\n    return answer\n",
    }.items()
}


def _script(asked: Asked) -> str:
    return "3"


def _result(program: Program) -> str:
    """What a run gives or raises; the model says 3 to everything."""
    try:
        return repr(run(program, _script)[0])
    except (NameError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"


def _is_broken(result: str) -> bool:
    return result.startswith(("NameError", "UnboundLocalError", "TypeError", "AttributeError"))


def _children(program: Program, move_name: str) -> list[Program]:
    (move,) = [move for move in moves() if move.name == move_name]
    return [moved(move, program, place, _CONTEXT).program for place in move.places(program, _CONTEXT)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_children_of_moves_run(name: str) -> None:
    program = PROGRAMS[name]
    assert not _is_broken(_result(program))
    front, n_children = [program], 0
    for _ in range(2):
        children = [moved(move, parent, place, _CONTEXT) for parent in front for move in moves() for place in move.places(parent, _CONTEXT)]
        front = list({child.program.digest: child.program for child in children}.values())[:60]
        n_children += len(front)
        for child in front:
            assert errors(child, program, Context(entry="solve")) == [], child.source
            assert not _is_broken(_result(child)), f"{_result(child)}\n{child.source}"
    assert n_children > 3


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(PROGRAMS, 2)))
def test_children_of_transplants_run(one: str, other: str) -> None:
    for graft in grafts(PROGRAMS[one], PROGRAMS[other], entry="solve"):
        try:
            child = transplant(PROGRAMS[one], PROGRAMS[other], graft, entry="solve").program
        except ProgramError:
            continue
        assert not _is_broken(_result(child)), f"{_result(child)}\n{child.source}"


def test_a_local_of_one_side_does_not_hide_a_prompt_of_the_other() -> None:
    base = parse(
        _HEAD + _prompt("work", "q: str") + "def solve(q):\n    first = q\n    middle = 0\n    last = work(q)\n    return first + last\n"
    )
    a = parse(base.source.replace("    first = q\n", "    plan = q.strip()\n    first = plan\n"))
    b = parse(base.source.replace("def solve", _prompt("plan", "q: str") + "def solve").replace("last = work(q)", "last = work(plan(q))"))
    for prefer in ("a", "b"):
        outcome = merge(a, b, base, prefer=prefer)
        assert not ("plan = q.strip()" in outcome.program["solve"].source and "plan(q)" in outcome.program["solve"].source)
    assert merge(a, base, base).program.digest == a.digest


def test_a_merge_keeps_the_line_ends_within_strings() -> None:
    base = PROGRAMS["strings hold odd line ends"]
    a = parse(base.source.replace("work(question: str)", "work(question)"))
    b = parse(base.source.replace("And\x0c that.", "And\x0c those."))
    merged = merge(a, b, base).program["work"].source
    assert "work(question)" in merged
    assert "Keep.\u2028 this." in merged
    assert "And\x0c those." in merged


def test_bypassing_keeps_what_is_still_needed() -> None:
    program = PROGRAMS["a value grows"]
    children = _children(program, "bypass")
    assert any("total = count(question)\n    total += 1\n    return question" in child.source for child in children)
    program = PROGRAMS["a loop is left"]
    children = _children(program, "bypass")
    without_last = [child for child in children if "last" not in child]
    assert without_last
    assert all("x = work(part)" in child.source for child in without_last)


def test_votes_are_imported_where_marks_allow_it() -> None:
    text = (
        _HEAD
        + "# EVOLVE-BLOCK-START\n"
        + _WORK
        + "def solve(question: str) -> str:\n    return work(question, question)\n# EVOLVE-BLOCK-END\n"
    )
    program = parse(text)
    children = _children(program, "vote")
    assert children
    assert all(child.source.startswith(_HEAD + "# EVOLVE-BLOCK-START\n") for child in children)
