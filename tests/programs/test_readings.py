from __future__ import annotations

import ast
import sys
from collections.abc import Callable

import pytest
from hypothesis import given

from graftwork.programs.check import check
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.program import ComponentKind
from graftwork.programs.readings import MAX_KEPT_CHARS, forget, known_tree, place_of
from graftwork.programs.walk import Walk, walk

from .strategies import programs

ASKS = 'from graftwork.programs import prompt\n\n\n@prompt\ndef ask(question: str) -> str:\n    """Answer."""\n'


@given(programs())
def test_a_text_read_again_is_the_program_that_it_was(source: str) -> None:
    again = parse(source)
    forget()
    cold = parse(source)
    assert cold == again == parse(source)
    assert [(c.unused, c.immediate, c.first_line) for c in cold.components] == [
        (c.unused, c.immediate, c.first_line) for c in again.components
    ]


def test_the_same_text_among_other_imports_is_read_anew() -> None:
    other = ASKS.replace("from graftwork.programs import prompt", "from other import prompt")
    assert [parse(text)["ask"].kind for text in (ASKS, other, ASKS)] == ["prompt", "function", "prompt"]


def test_annotations_that_nobody_evaluates_are_told_from_those_that_load_the_program() -> None:
    text = "def solve(x: Later) -> int:\n    return x\n\n\nclass Later:\n    pass\n"
    lazy = parse("from __future__ import annotations\n\n\n" + text)
    assert parse(text)["solve"].immediate == {"Later"}
    assert lazy["solve"].immediate == frozenset()
    assert parse(text)["solve"].immediate == {"Later"}


def test_a_builtin_that_a_sibling_shadows_is_the_siblings_even_where_the_text_was_read_before() -> None:
    user = "def solve(x):\n    return max(x)\n"
    assert parse(user)["solve"].refs == frozenset()
    assert parse(f"def max(x):\n    return x\n\n\n{user}")["solve"].refs == {"max"}


def test_long_texts_are_not_kept() -> None:
    text = "X = " + repr("x" * MAX_KEPT_CHARS)
    assert place_of(text, ()) is not place_of(text, ())
    assert place_of("X = 1", ()) is place_of("X = 1", ())
    n_holders = sys.getrefcount(text)
    assert known_tree(text) is None
    assert sys.getrefcount(text) == n_holders


def test_pieces_are_the_whole_text_and_say_where_statements_begin() -> None:
    program = parse('"""Doc."""\n\nimport math, json as js\n\n# About.\nX = 1\n\nif __name__ == "__main__":\n    print(X)\n')
    assert "".join(piece.text for piece in program.pieces) == program.source
    assert [(piece.kind, piece.line) for piece in program.pieces if piece.kind != "gap"] == [
        ("doc", 1),
        ("import", 3),
        ("component", 6),
        ("main", 8),
    ]
    assert [piece.imports for piece in program.pieces if piece.imports] == [
        (("import math", "math", "math"), ("import json as js", "js", "json"))
    ]
    assert [sorted(piece.reads) for piece in program.pieces if piece.reads] == [["X", "__name__", "print"]]


def test_two_starred_targets_are_refused_wherever_they_stand() -> None:
    for target in ("a, *b, *c = x", "[a, *b], (*c, *d) = x", "for *a, *b in x:\n        pass"):
        with pytest.raises(ProgramError, match="two starred targets"):
            parse(f"def solve(x):\n    {target}\n    return x\n")
    assert parse("def solve(x):\n    (a, *b), *c = x\n    return [*x, *x]\n").names == ("solve",)


@pytest.mark.parametrize("line", ["y = *x", "return *x", "for y in *x: pass", "y, z = 1, *x; w =*x", "global x", "__debug__ = x"])
def test_what_only_the_compiler_refuses_is_found_with_its_line(line: str) -> None:
    source = f"import math\n\n\ndef first(x):\n    return x\n\n\ndef solve(x):\n    {line}\n"
    errors = [item for item in check(parse(source), entry="solve", parameters=["x"]) if item.severity == "error"]
    assert errors[-1].line == 9


def test_a_main_block_that_cannot_be_compiled_is_an_error() -> None:
    source = 'def solve(x):\n    return x\n\n\nif __name__ == "__main__":\n    y = *solve(1)\n'
    assert [item.line for item in check(parse(source), entry="solve", parameters=["x"]) if item.severity == "error"] == [6]


def test_a_plain_function_is_read_once_whatever_is_imported_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, prompts = "def solve(x: int) -> int:\n    return x", ASKS.partition("\n\n\n")[2]
    read: list[str] = []

    def noted(node: ast.FunctionDef, *, kind_of: Callable[[ast.stmt], ComponentKind], lazy: bool) -> Walk:
        read.append(node.name)
        return walk(node, kind_of=kind_of, lazy=lazy)

    monkeypatch.setattr(sys.modules[parse.__module__], "walk", noted)
    forget()
    for head in ("import math", "import math as m\nimport re", "from graftwork.programs import prompt", "import os as prompt"):
        parse(f"{head}\n\n\n{plain}\n\n\n{prompts}")
    assert read.count("solve") == 1 < read.count("ask")
    parse(f"from __future__ import annotations\n\n\n{plain}\n")
    assert read.count("solve") == 2
