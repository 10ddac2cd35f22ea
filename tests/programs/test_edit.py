"""Edits: what they name changes, everything else stays as written."""

from __future__ import annotations

import pytest
from hypothesis import given

from graftwork.programs.edit import Add, AddImport, Edit, Remove, RemoveImport, Replace, apply, diff, graft_source
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.structure import misplaced

from .strategies import programs

SOURCE = '''#!/usr/bin/env python3
"""What it is for."""
import math
from os import path, sep  # both

# Free.

# How many.
LIMIT = 3

def helper(x):
    return math.exp(x)  # kept


def solve(question):
    return helper(LIMIT)

if __name__ == "__main__":
    print(path, solve(1))
'''
PROGRAM = parse(SOURCE)


def test_a_replacement_changes_its_component_only() -> None:
    child = apply(PROGRAM, [Replace(name="LIMIT", source="LIMIT = 4\n")])
    assert child.source == SOURCE.replace("# How many.\nLIMIT = 3", "LIMIT = 4")


def test_a_replacement_brings_the_imports_it_uses_and_drops_those_it_no_longer_needs() -> None:
    new = "import numpy as np\nimport json\ndef helper(x):\n    return np.exp(x)\n"
    child = apply(PROGRAM, [Replace(name="helper", source=new)])
    assert [item.statement for item in child.imports] == ["import numpy as np", "from os import path", "from os import sep"]
    assert child.source.startswith(
        '#!/usr/bin/env python3\n"""What it is for."""\nfrom os import path, sep  # both\nimport numpy as np\n\n# Free.\n'
    )


def test_an_import_that_was_never_used_or_serves_the_main_block_stays() -> None:
    child = apply(PROGRAM, [Remove(name="LIMIT")])
    assert child.source == SOURCE.replace("# How many.\nLIMIT = 3\n\n", "")


def test_components_are_added_where_they_are_wanted() -> None:
    child = apply(
        PROGRAM, [Add(source="A = 1\nB = 2", after="LIMIT"), Add(source="FIRST = 0"), Add(source="def last(): ...", after="solve")]
    )
    assert child.names == ("FIRST", "LIMIT", "A", "B", "helper", "solve", "last")
    assert child.source.index("def last") < child.source.index("__main__")
    assert (
        apply(parse('"""Doc."""'), [Add(source="A = 1"), AddImport(statement="import re")]).source == '"""Doc."""\n\nimport re\n\n\nA = 1\n'
    )
    assert apply(parse(""), [Add(source="A = 1")]).source == "A = 1\n"
    assert apply(parse("# note\n"), [Add(source="A = 1")]).source == "# note\n\n\nA = 1\n"


def test_imports_are_added_and_taken_out_one_by_one() -> None:
    edits: list[Edit] = [
        RemoveImport(statement="from os import sep"),
        AddImport(statement="from __future__ import annotations"),
        AddImport(statement="from re import sub, match"),
    ]
    child = apply(PROGRAM, edits)
    imports = ["from __future__ import annotations", "import math", "from os import path", "from re import sub", "from re import match"]
    assert "\n".join(['"""What it is for."""', *imports, "", "# Free.\n"]) in child.source
    assert apply(child, [RemoveImport(statement="import math"), AddImport(statement="import cmath as math")])["helper"] == child["helper"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Replace(name="lost", source="lost = 1"), "no component 'lost' to replace; this program has LIMIT, helper, solve"),
        (Replace(name="LIMIT", source="limit = 1"), "the replacement must define 'LIMIT', it defines limit"),
        (Replace(name="LIMIT", source="LIMIT ="), "line 1: not Python"),
        (Add(source="LIMIT = 1"), "component 'LIMIT' is there already"),
        (Add(source="X = 1", after="lost"), "no component 'lost'"),
        (Add(source="import x"), "defines no component"),
        (Remove(name="lost"), "no component 'lost'"),
        (RemoveImport(statement="import os"), "no import `import os`; there is `import math`"),
        (AddImport(statement="x = 1"), "an import statement was expected, not 'x = 1'"),
        (AddImport(statement="import LIMIT"), "'LIMIT' is defined and imported"),
        (AddImport(statement="from cmath import path"), "'path' is imported as os.path and as cmath.path"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: Edit, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        apply(PROGRAM, [edit])
    assert message in str(caught.value)


def test_a_component_needed_at_loading_is_moved_above_its_user() -> None:
    child = apply(PROGRAM, [Add(source="STEP = 2", after="solve"), Replace(name="LIMIT", source="LIMIT = STEP + 1")])
    assert child.names == ("STEP", "LIMIT", "helper", "solve")
    assert misplaced(apply(parse("A = 1\nB = 1\n"), [Replace(name="A", source="A = B"), Replace(name="B", source="B = A")])) == (
        ("A", "B"),
    )


def test_a_snippet_is_grafted_by_name_with_its_helpers_before_their_users() -> None:
    snippet = '''"""New."""
from os import getcwd
import statistics

def solve(question):
    return helper(middle(question)) + WIDTH

def middle(x):
    return statistics.median(x)

WIDTH = 2

print_ = 1

if __name__ == "__main__":
    solve(1)
'''
    child = graft_source(PROGRAM, snippet)
    assert child.names == ("LIMIT", "helper", "middle", "WIDTH", "print_", "solve")
    assert [item.statement for item in child.imports] == ["import math", "from os import path", "from os import sep", "import statistics"]
    assert child.doc == "What it is for."
    assert child["helper"] == PROGRAM["helper"]


def test_a_snippet_may_forget_to_import_the_names_of_graftwork() -> None:
    child = graft_source(PROGRAM, '@prompt\ndef helper(x: float) -> float:\n    """Guess."""\n')
    assert child["helper"].kind == "prompt"
    assert "import math" not in child.source


def test_a_snippet_may_not_change_what_others_mean() -> None:
    program = parse("from math import exp\nimport xml.dom\n\ndef f(x):\n    return exp(pow(x, 2)), xml\n\ndef g(x):\n    return x\n")
    with pytest.raises(ProgramError, match="`from cmath import exp` clashes with `from math import exp`, which 'f' uses"):
        graft_source(program, "from cmath import exp\ndef g(x):\n    return exp(x)\n")
    with pytest.raises(ProgramError, match="'pow' would take the place of the builtin that 'f' uses"):
        graft_source(program, "from math import pow\ndef g(x):\n    return pow(x, 2)\n")
    with pytest.raises(ProgramError, match="defines no component"):
        graft_source(program, "import re\n")
    assert graft_source(program, "from cmath import exp\ndef f(x):\n    return exp(x)\n").imports[0].statement == "from cmath import exp"
    assert "import xml.sax\n" in graft_source(program, "import xml.sax\ndef g(x):\n    return xml.sax\n").source


@given(programs(), programs())
def test_the_difference_of_two_programs_leads_from_one_to_the_other(one: str, other: str) -> None:
    a, b = parse(one), parse(other)
    child = apply(a, diff(a, b))
    assert child.digest == b.digest
    assert {item.name: item.source for item in child.components} == {item.name: item.source for item in b.components}
    if not misplaced(b):
        assert child.names == b.names
    assert diff(b, b) == ()


@given(programs(), programs())
def test_grafting_a_whole_program_takes_all_its_components_over(one: str, other: str) -> None:
    a, b = parse(one), parse(other)
    try:
        child = graft_source(a, other)
    except ProgramError as error:
        assert b.components == () or "clashes" in str(error)  # noqa: PT017 - the law has two cases
        return
    assert {item.name: item.source for item in child.components if item.name in b} == {item.name: item.source for item in b.components}
    assert {item.source for item in a.components if item.name not in b} == {item.source for item in child.components if item.name not in b}
