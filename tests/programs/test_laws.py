"""Laws of programs: reading, rendering, digests, differences and check, over generated programs and every example.

More of the same: pytest --hypothesis-profile=soak --timeout=0 tests/programs/test_laws.py
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from graftwork.programs.check import check, check_source
from graftwork.programs.edit import Add, Edit, Remove, Replace, apply, diff
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

from .generated import PARAMETERS, commented, programs
from .strategies import relaid

# A quarter of what the profile allows: a generated program costs much more than a number.
LAW: Final = settings(max_examples=max(1, settings().max_examples // 4))
EXAMPLES: Final = {
    path.parent.name: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).resolve().parents[2] / "examples").glob("*/program.py"))
}
TEXTS: Final = st.one_of(programs(), st.sampled_from(sorted(EXAMPLES.values())))


def errors(program: Program) -> list[str]:
    defects = check(program, entry="solve", parameters=PARAMETERS, models=["task", "small"])
    return [str(defect) for defect in defects if defect.severity == "error"]


@st.composite
def edits(draw: st.DrawFn, program: Program) -> tuple[Edit, ...]:
    """One or two edits that fit a program, sense or not."""
    chosen: list[Edit] = []
    for name in draw(st.lists(st.sampled_from(program.names), unique=True, min_size=1, max_size=2)):
        source = program[name].source
        match draw(st.sampled_from(["comment", "number", "remove", "add", "repeat"])):
            case "comment":
                chosen.append(Replace(name=name, source=f"# said anew\n{source}"))
            case "number":
                chosen.append(Replace(name=name, source=re.sub(r"\b[0-9]\b", "7", source)))
            case "remove":
                chosen.append(Remove(name=name))
            case "add":
                chosen.append(Add(source=f"def {name}_again(x):\n    return x", after=name))
            case _:
                chosen += [Remove(name=name), Add(source=source)]
    return tuple(chosen)


@LAW
@given(programs())
def test_check_accepts_every_generated_program(source: str) -> None:
    assert errors(parse(source)) == []
    compile(source, "program.py", "exec", dont_inherit=True)


@LAW
@given(TEXTS)
def test_rendering_is_the_text_that_was_read(source: str) -> None:
    program = parse(source)
    assert program.source == source == "".join(piece.text for piece in program.pieces)
    assert all(component.source in source for component in program.components)
    assert apply(program, []).source == source


@LAW
@given(TEXTS, TEXTS)
def test_a_difference_leads_from_any_program_to_any_other(one: str, other: str) -> None:
    a, b = parse(one), parse(other)
    assert apply(a, diff(a, b)).digest == b.digest
    assert diff(a, a) == ()


@LAW
@given(TEXTS, st.data())
def test_a_difference_leads_to_an_edited_program_and_back(source: str, data: st.DataObject) -> None:
    program = parse(source)
    edited = apply(program, data.draw(edits(program)))
    assert apply(program, diff(program, edited)).digest == edited.digest
    assert apply(edited, diff(edited, program)).digest == program.digest
    assert parse(edited.source) == edited


@LAW
@given(TEXTS, st.data())
def test_layout_and_comments_are_not_in_the_digest(source: str, data: st.DataObject) -> None:
    program = parse(source)
    assert parse(data.draw(relaid(program))).digest == program.digest
    assert parse(data.draw(commented(source))).digest == program.digest


@LAW
@given(TEXTS, st.data())
def test_every_character_of_an_instruction_is_in_the_digest(source: str, data: st.DataObject) -> None:
    program = parse(source)
    if not program.prompts:
        return
    prompt = data.draw(st.sampled_from(program.prompts))
    node = ast.parse(prompt.source).body[0]
    assert isinstance(node, ast.FunctionDef)
    doc = ast.get_docstring(node) or ""
    place = data.draw(st.sampled_from([place for place, letter in enumerate(doc) if not letter.isspace()]))
    changed = doc[:place] + ("y" if doc[place] != "y" else "z") + doc[place + 1 :]
    node.body[0] = ast.Expr(ast.Constant(changed))
    other = apply(program, [Replace(name=prompt.name, source=ast.unparse(ast.fix_missing_locations(node)))])
    assert other[prompt.name].digest != prompt.digest
    assert other.digest != program.digest


@LAW
@given(st.one_of(st.text(max_size=200), programs()), st.data())
def test_check_never_raises(source: str, data: st.DataObject) -> None:
    lines = source.split("\n")
    cut = data.draw(st.integers(0, len(lines)))
    moved = "\n".join([*lines[cut:], *lines[:cut]])
    for text in (source, moved, source[: len(source) // 2]):
        assert all(defect.message for defect in check_source(text, entry="solve", parameters=PARAMETERS, models=()))


def test_every_example_passes_its_check_but_for_its_own_inputs() -> None:
    assert len(EXAMPLES) >= 3
    for source in EXAMPLES.values():
        program = parse(source)
        node = ast.parse(program["solve"].source).body[0]
        assert isinstance(node, ast.FunctionDef)
        found = check(program, entry="solve", parameters=[item.arg for item in node.args.args], packages=["numpy", "scipy"])
        assert [defect for defect in found if defect.severity == "error"] == []
