"""Programs made for elsewhere: marked blocks, other statements, and modules without an entry."""

from __future__ import annotations

import pytest

from graftwork.programs.blocks import marked_lines, outside
from graftwork.programs.check import check
from graftwork.programs.defect import Defect
from graftwork.programs.descriptors import descriptors
from graftwork.programs.edit import Replace, apply, graft_source
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.structure import reachable

FOREIGN = '''"""A program."""
import sys
sys.path.insert(0, ".")
try:
    import numpy as np
except ImportError:
    np = None
WIDTH, HEIGHT = 3, 4

# EVOLVE-BLOCK-START
STEP = 1


def area(scale):
    return WIDTH * HEIGHT * scale * STEP


# EVOLVE-BLOCK-END


def run():
    return area(2) if np is None else float(np.float64(area(2)))


for _ in range(2):
    run()
'''


def test_other_statements_are_carried_along_only_when_asked_for() -> None:
    program = parse(FOREIGN, statements=True)
    assert program.source == FOREIGN
    assert program.names == ("STEP", "area", "run")
    assert len(program.statements) == 4
    assert {"WIDTH", "HEIGHT", "np", "sys", "area"} <= program.bound
    with pytest.raises(ProgramError, match="line 3"):
        parse(FOREIGN)


def test_other_statements_count_in_the_digest_and_their_layout_does_not() -> None:
    program = parse(FOREIGN, statements=True)
    assert parse(FOREIGN.replace("= 3, 4", "= 3,  4  # cm"), statements=True).digest == program.digest
    assert parse(FOREIGN.replace("= 3, 4", "= 4, 3"), statements=True).digest != program.digest


def test_a_program_without_other_statements_is_the_same_either_way() -> None:
    text = "import math\n\n\ndef solve(x):\n    return math.sin(x)\n"
    assert parse(text) == parse(text, statements=True)


def test_a_name_bound_again_is_another_statement() -> None:
    program = parse("x = 1\nx = x + 1\n\n\ndef f():\n    return x\n", statements=True)
    assert program.names == ("x", "f")
    assert program.statements[0].source == "x = x + 1"


def test_an_edit_keeps_marks_and_other_statements() -> None:
    program = parse(FOREIGN, statements=True)
    changed = apply(program, [Replace(name="area", source="def area(scale):\n    return scale")])
    assert outside(changed.source) == outside(FOREIGN)
    assert changed.statements == program.statements
    assert changed["area"].source.endswith("return scale")


def test_what_a_graft_adds_stands_inside_a_block() -> None:
    program = parse(FOREIGN, statements=True)
    snippet = "import math\n\n\ndef half(x):\n    return math.floor(x / 2)\n\n\ndef area(scale):\n    return half(scale) * STEP\n"
    child = graft_source(program, snippet)
    assert outside(child.source) == outside(FOREIGN)
    assert "half" in child
    assert not [defect for defect in found(child) if defect.severity == "error"]


def test_an_import_outside_the_blocks_stays_though_it_is_not_used_any_more() -> None:
    text = "import math\n\n\n# EVOLVE-BLOCK-START\ndef f(x):\n    return math.sin(x)\n# EVOLVE-BLOCK-END\n"
    child = apply(parse(text), [Replace(name="f", source="def f(x):\n    return x")])
    assert "import math" in child.source


def found(program: Program) -> tuple[Defect, ...]:
    """Defects of a child of `FOREIGN`."""
    return check(program, entry="", parameters=(), packages=("numpy",), fixed=outside(FOREIGN))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("WIDTH, HEIGHT = 3, 4", "WIDTH, HEIGHT = 300, 4"),
        ("return area(2) if", "return area(3) if"),
        ("# EVOLVE-BLOCK-END\n", ""),
        ("for _ in range(2):", "for _ in range(3):"),
        ("import sys", "import os"),
    ],
)
def test_a_change_outside_the_blocks_is_a_defect(before: str, after: str) -> None:
    program = parse(FOREIGN.replace(before, after, 1), statements=True)
    assert any("outside the EVOLVE blocks" in str(defect) for defect in found(program))


def test_a_block_in_a_function_holds_the_rest_of_it() -> None:
    text = "def f(x):\n    a = 1\n    # EVOLVE-BLOCK-START\n    a = a + x\n    # EVOLVE-BLOCK-END\n    return a\n"
    good, bad = text.replace("a + x", "a - x"), text.replace("a = 1", "a = 2")
    defects = [check(parse(one), entry="", parameters=(), fixed=outside(text)) for one in (text, good, bad)]
    assert [len(one) for one in defects] == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# EVOLVE-BLOCK-START\nx = 1\n", "line 1: EVOLVE-BLOCK-START without"),
        ("x = 1\n# EVOLVE-BLOCK-END\n", "line 2: EVOLVE-BLOCK-END without"),
        ("# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n", "line 2: EVOLVE-BLOCK-START again"),
    ],
)
def test_marks_that_do_not_fit_together_are_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        marked_lines(text)


def test_without_an_entry_every_component_is_needed() -> None:
    program = parse("A = 1\n\n\ndef f(x):\n    return x\n\n\ndef g(x):\n    return f(x)\n")
    assert reachable(program, "") == {"A", "f", "g"}
    assert descriptors(program, "").n_functions == 2
    assert not check(program, entry="", parameters=())
