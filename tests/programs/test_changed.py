"""What differs between two programs is told component by component."""

from __future__ import annotations

from graftwork.programs.changed import changed, describe
from graftwork.programs.edit import Add, AddImport, Remove, Replace, apply
from graftwork.programs.parse import parse

from .test_edit import PROGRAM, SOURCE


def test_a_description_shows_each_changed_component() -> None:
    child = apply(
        PROGRAM,
        [
            Replace(name="solve", source="def solve(question):\n    return helper(7)"),
            Remove(name="LIMIT"),
            Add(source="NEW = 1", after="helper"),
            AddImport(statement="import re"),
        ],
    )
    assert describe(PROGRAM, child).splitlines() == [
        "+ import re",
        "@ removed constant LIMIT",
        "-# How many.",
        "-LIMIT = 3",
        "@ added constant NEW",
        "+NEW = 1",
        "@ changed function solve",
        " def solve(question):",
        "-    return helper(LIMIT)",
        "+    return helper(7)",
    ]
    assert describe(PROGRAM, PROGRAM) == ""
    assert describe(PROGRAM, parse(SOURCE.replace("# kept", "# left"))).startswith("@ laid out anew function helper\n")


def test_each_change_has_a_word_a_kind_and_a_name() -> None:
    child = parse(SOURCE.replace("LIMIT = 3", "LIMIT = 4").replace("from os import path, sep", "from os import path").replace(", sep", ""))
    assert [(change.word, change.kind, change.name) for change in changed(PROGRAM, child)] == [
        ("removed", "import", "sep"),
        ("changed", "constant", "LIMIT"),
    ]
    assert changed(PROGRAM, child)[1].diff == " # How many.\n-LIMIT = 3\n+LIMIT = 4"


def test_a_line_that_begins_with_dashes_is_kept() -> None:
    a, b = (parse(f'TEXT = """\n{line}\n"""\n') for line in ("-- a", "++ b"))
    assert changed(a, b)[0].diff == ' TEXT = """\n--- a\n+++ b\n """'


def test_statements_that_are_no_component_are_one_change() -> None:
    a, b = (parse(f"import sys\nsys.path.insert(0, {text!r})\nX = 1\n", statements=True) for text in ("a", "b"))
    (change,) = changed(a, b)
    assert (change.title, change.diff) == ("changed other statements", "-sys.path.insert(0, 'a')\n+sys.path.insert(0, 'b')")
