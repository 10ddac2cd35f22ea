"""A merge holds what both sides did, settles what they did not agree on by stated rules, and is never worse than its parents."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graftwork.programs.check import check
from graftwork.programs.edit import Add, AddImport, Remove, RemoveImport, Replace, apply
from graftwork.programs.errors import ProgramError
from graftwork.programs.joining import joined_lines
from graftwork.programs.merge import Merge, merge
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.signature import signature_of
from graftwork.programs.sound import new_errors

from .changed import CHAIN, EXAMPLES, changed_programs
from .strategies import programs

BASE = parse(CHAIN)
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def texts(program: Program) -> dict[str, str]:
    return {component.name: component.source for component in program.components}


def told(outcome: Merge) -> list[str]:
    return [str(conflict) for conflict in outcome.conflicts]


def errors(program: Program) -> list[str]:
    signature = signature_of(program["solve"])
    assert signature is not None
    found = check(program, entry="solve", parameters=signature.names, packages=["numpy"])
    return [str(defect) for defect in found if defect.severity == "error"]


def replaced(name: str, old: str, new: str, program: Program = BASE) -> Program:
    assert old in program[name].source
    return apply(program, [Replace(name=name, source=program[name].source.replace(old, new))])


def test_a_better_tool_and_a_better_chain_become_one_program_that_holds_both() -> None:
    tool = "import re\n\n\ndef clean(text):\n    return re.sub(' ', '', text)\n"
    a = apply(replaced("calculate", "len(expression)", "len(clean(expression))"), [Add(source=tool, after="LIMIT")])
    checking = '@prompt\ndef verify(question: str, answer: float) -> float:\n    """Check the answer."""\n'
    b = apply(replaced("solve", "return answer", "return verify(question, answer)"), [Add(source=checking, after="work")])
    outcome = merge(a, b, BASE)
    assert outcome.program.names == ("LIMIT", "clean", "calculate", "plan", "work", "verify", "solve")
    assert outcome.sides == {
        "LIMIT": "base",
        "clean": "a",
        "calculate": "a",
        "plan": "base",
        "work": "base",
        "verify": "b",
        "solve": "b",
    }
    assert outcome.conflicts == ()
    assert "import re" in {item.statement for item in outcome.program.imports}
    assert errors(outcome.program) == []


def test_changes_of_one_component_are_joined_where_they_do_not_meet() -> None:
    a = replaced("solve", "steps = plan(question)", "steps = plan(question.strip())")
    b = replaced("solve", "return answer", "return answer or 0.0")
    outcome = merge(a, b, BASE)
    assert outcome.program["solve"].source == (
        "def solve(question: str) -> float:\n    steps = plan(question.strip())\n    answer = work(question, steps)\n"
        "    return answer or 0.0"
    )
    assert outcome.sides["solve"] == "both"
    assert told(outcome) == ["solve: changed in both; the lines of both were joined"]


@pytest.mark.parametrize("prefer", ["a", "b"])
def test_changes_that_meet_are_settled_by_the_preferred_side(prefer: str) -> None:
    a, b = replaced("plan", "List", "Name"), replaced("plan", "List", "Number")
    outcome = merge(a, b, BASE, prefer="a" if prefer == "a" else "b")
    assert outcome.program["plan"] == {"a": a, "b": b}[prefer]["plan"]
    assert told(outcome) == [f"plan: changed in both; that of {prefer} was taken"]


def test_lines_are_not_joined_into_an_interface_that_nobody_knows() -> None:
    base = parse("def f(\n    x,\n    y=0,\n):\n    return x + y\n\n\ndef solve(x):\n    return f(x, x)\n")
    a = replaced("f", "    x,\n", "    x,\n    z=1,\n", base)
    b = replaced("f", "    return", "    y = y or x\n    return", replaced("f", "):\n", "    *rest,\n):\n", base))
    outcome = merge(a, b, base)
    assert outcome.program["f"] == a["f"]
    assert told(outcome) == ["f: changed in both; that of a was taken"]


def test_layout_gives_way_to_a_change() -> None:
    a = replaced("plan", "@prompt(max_tokens=96)", "# Before all else.\n@prompt( max_tokens = 96 )")
    b = replaced("plan", "Compute nothing", "Compute only sums")
    outcome = merge(a, b, BASE)
    assert outcome.program["plan"] == b["plan"]
    assert outcome.conflicts == ()
    assert merge(a, BASE, BASE).program["plan"].source == a["plan"].source


def test_what_one_side_changed_and_the_other_removed_stays() -> None:
    base = apply(BASE, [Add(source="UNUSED = 1")])
    a, b = apply(base, [Remove(name="UNUSED")]), replaced("UNUSED", "1", "2", base)
    for outcome in (merge(a, b, base), merge(b, a, base)):
        assert outcome.program["UNUSED"].source == "UNUSED = 2"
        assert "the changed one stays" in told(outcome)[0]


def test_what_the_other_side_still_needs_is_kept() -> None:
    a = apply(
        replaced("solve", "    steps = plan(question)\n    answer = work(question, steps)", "    answer = 1.0"), [Remove(name="plan")]
    )
    b = replaced("calculate", "+ LIMIT", "+ LIMIT + len(plan('x'))")
    outcome = merge(replaced("work", "Follow", "Take", a), b, BASE)
    assert "plan" in outcome.program
    assert "plan: removed, and still needed by 'calculate'; it stays" in told(outcome)
    assert errors(outcome.program) == []


def test_two_things_of_one_name_get_two_names() -> None:
    a = apply(replaced("plan", "List", "Name"), [Add(source="def helper(x):\n    return x + 1", after="LIMIT")])
    a = replaced("calculate", "+ LIMIT", "+ helper(LIMIT)", a)
    b = apply(replaced("work", "Follow", "Take"), [Add(source="def helper(x):\n    return x.strip()", after="LIMIT")])
    b = replaced("solve", "plan(question)", "plan(helper(question))", b)
    outcome = merge(a, b, BASE)
    assert "helper(LIMIT)" in outcome.program["calculate"].source
    assert "plan(helper_2(question))" in outcome.program["solve"].source
    assert outcome.program["helper_2"].source == "def helper_2(x):\n    return x.strip()"
    assert told(outcome) == ["helper: both added it, and differently; that of b is called helper_2 now"]


def test_two_imports_of_one_name_get_two_names() -> None:
    tool = BASE["calculate"].source.replace("math.floor", "sqrt")
    a = apply(BASE, [Replace(name="calculate", source=f"from math import sqrt\n\n\n{tool}")])
    b = apply(
        BASE, [Replace(name="solve", source="from cmath import sqrt\n\n\ndef solve(question):\n    return sqrt(work(question, ''))\n")]
    )
    outcome = merge(a, b, BASE)
    assert "return sqrt_2(work(question, ''))" in outcome.program["solve"].source
    assert {"from math import sqrt", "from cmath import sqrt as sqrt_2"} <= {item.statement for item in outcome.program.imports}


def test_imports_merge_as_a_set() -> None:
    future = "from __future__ import annotations"
    a = apply(BASE, [AddImport(statement=future)])
    b = replaced("LIMIT", "3", "4")
    assert future in merge(a, b, BASE).program.source
    assert merge(apply(a, [RemoveImport(statement=future)]), replaced("LIMIT", "3", "4", a), a).program.source.count(future) == 0


def test_a_name_that_hides_a_builtin_does_not_reach_those_who_mean_the_builtin() -> None:
    a = apply(replaced("solve", "plan(question)", "plan(len(question))"), [Add(source="def len(x):\n    return x", after="calculate")])
    a = replaced("calculate", "math.floor(len(expression))", "1", a)
    b = replaced("calculate", "+ LIMIT", "* LIMIT")
    outcome = merge(replaced("calculate", "1 +", "1 +", a), b, BASE, prefer="b")
    assert "plan(len_2(question))" in outcome.program["solve"].source
    assert "math.floor(len(expression))" in outcome.program["calculate"].source


def test_what_only_the_losing_text_needed_is_dropped() -> None:
    a = replaced("solve", "return answer", "return answer + 1")
    b = apply(replaced("solve", "return answer", "return extra(answer)"), [Add(source="def extra(x):\n    return x", after="work")])
    outcome = merge(a, b, BASE)
    assert "extra" not in outcome.program
    assert "extra" in merge(a, b, BASE, prefer="b").program


def test_what_cannot_become_a_sound_program_is_refused() -> None:
    base = parse("A = 1\nB = 1\n\n\ndef solve(x):\n    return A + B + x\n")
    with pytest.raises(ProgramError, match="do not merge into a sound program"):
        merge(replaced("A", "1", "B + 1", base), replaced("B", "1", "A + 1", base), base)


def test_a_new_call_of_what_takes_other_arguments_by_now_is_refused() -> None:
    base = parse("def f(x):\n    return x\n\n\ndef g(x):\n    return 1\n\n\ndef solve(x):\n    return f(x) + g(x)\n")
    wider = parse(base.source.replace("def f(x):\n    return x", "def f(x, y):\n    return x + y").replace("f(x) +", "f(x, 2) +"))
    caller = replaced("g", "return 1", "return f(x)", base)
    with pytest.raises(ProgramError, match="'g' does not call 'f' as it is defined"):
        merge(wider, caller, base)
    fitting = replaced("g", "return 1", "return x", base)
    assert "f(x, 2) +" in merge(wider, fitting, base).program.source


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a\nx\nb\nc\nd", "a\nb\nc\ny", "a\nx\nb\nc\ny"),
        ("x\nb\nc\nd", "y\nb\nc\nd", None),
        ("a\nb", "a\nb\nc\nz", None),
        ("x\nb\nc\nd", "x\nb\nc\nd", "x\nb\nc\nd"),
        ("a\nx\nb\nc\nd", "a\ny\nb\nc\nd", None),
    ],
)
def test_lines_are_joined_where_changes_neither_meet_nor_touch(one: str, other: str, expected: str | None) -> None:
    found = joined_lines(["a", "b", "c", "d"], one.split("\n"), other.split("\n"))
    assert found == (expected.split("\n") if expected is not None else None)
    assert joined_lines(["a", "b", "c", "d"], other.split("\n"), one.split("\n")) == found


@slow
@given(st.data())
def test_merging_obeys_its_laws(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(EXAMPLES))
    a, b = data.draw(changed_programs(base)), data.draw(changed_programs(base))
    for outcome, expected in ((merge(a, a, base), a), (merge(base, b, base), b), (merge(a, base, base), a)):
        assert outcome.program.digest == expected.digest
        assert texts(outcome.program) == texts(expected)


@slow
@given(st.data())
def test_a_merge_is_sound_and_the_same_from_both_sides(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(EXAMPLES))
    a, b = data.draw(changed_programs(base)), data.draw(changed_programs(base))
    try:
        outcome = merge(a, b, base)
    except ProgramError as error:
        with pytest.raises(ProgramError, match=str(error)[:20]):
            merge(b, a, base, prefer="b")
        return
    mirrored = merge(b, a, base, prefer="b")
    assert mirrored.program.digest == outcome.program.digest
    assert dict(mirrored.sides) == {name: {"a": "b", "b": "a"}.get(side, side) for name, side in outcome.sides.items()}
    assert tuple(outcome.sides) == outcome.program.names
    if not (errors(a) or errors(b)):
        assert errors(outcome.program) == []


@settings(slow, max_examples=20)
@given(programs(), programs(), programs())
def test_three_programs_of_nothing_in_common_merge_or_are_refused(one: str, other: str, third: str) -> None:
    a, b, base = parse(one), parse(other), parse(third)
    assert merge(a, a, base).program.digest == a.digest
    try:
        outcome = merge(a, b, base)
    except ProgramError:
        return
    assert new_errors(outcome.program, [a, b], entry="solve") == ()


def test_independent_changes_are_both_held() -> None:
    for base in EXAMPLES:
        a = apply(base, [Replace(name=base.names[0], source=base[base.names[0]].source.replace("(", "(  ").replace("3", "5"))])
        b = apply(base, [Add(source="def extra(x):\n    return x", after=base.names[-1])])
        outcome = merge(a, b, base).program
        assert outcome[base.names[0]].digest == a[base.names[0]].digest
        assert outcome["extra"] == b["extra"]
