"""Cutting a text stretch by stretch gives what cutting it as a whole gives, whatever the text."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graftwork.programs.cutting import split, statement_of
from graftwork.programs.errors import ProgramError
from graftwork.programs.layout import Piece, read_all, split_nodes
from graftwork.programs.readings import forget

_EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/*/program.py"))
_LINES = st.sampled_from(
    (
        *("", "", "", " ", "# a comment", "    # indented", "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END"),
        *('"""Doc."""', '"""', "'''", 'TEXT = """', "TEXT = '''x", '    """Doc."""', 's = "\\', '# it\'s """ quoted'),
        *("def f():", "def g(x):", "    return 1", "    x = 1", "    pass", "@tool", "@prompt(", ")", "class C:", "    y: int = 2"),
        *("x = 1", "y: int = 2", "z = [", "]", "    1,", "    {", "    }", "x = 1 + \\", "x = 1; y = 2", "x = 1  # why", "\f"),
        *("import os", "from math import exp", "from __future__ import annotations", "from __future__ import barry_as_FLUFL", "a = 1 <> 2"),
        *(
            'if __name__ == "__main__":',
            "    print(f())",
            "else:",
            "elif x:",
            "except ValueError:",
            "try:",
            "finally:",
            "match x:",
            "    case 1:",
        ),
        *("print(1)", "def h(): return 1", "x = 1\r", "\r", "type X = int", "async def a():", "for x in y:", "\x00", "é = 1"),
    )
)
_BLOCKS = st.sampled_from(
    (
        *("import os", "from __future__ import annotations", '"""Doc."""', "# alone", "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END"),
        *(
            "# of f\ndef f():\n    return 1",
            "def g():\n    return 1\n    # below",
            "def h():\n    x = 1\n\n    return x",
            "a = 1",
            "b: int = 2",
        ),
        *(
            'T = """\nx\n\ny = 1\n"""',
            "U = [\n\n    1,\n]",
            "@tool\ndef t():\n    pass",
            'if __name__ == "__main__":\n    f()',
            "else:\n    pass",
        ),
        *("def k():\n    x = 1\n\n# at the margin\n    return x", "class C:\n    y: int = 2", 'V = \'"""\'', "@tool"),
    )
)
_GAPS = st.sampled_from(("\n", "\n\n", "\n\n\n", "\n \n", "\n\n\n\n"))
_TEXTS = st.one_of(
    st.lists(_LINES, max_size=24).map("\n".join),
    st.lists(st.tuples(_BLOCKS, _GAPS), max_size=9).map(lambda pairs: "".join(block + gap for block, gap in pairs)),
)


def _outcome(text: str, *, whole: bool) -> tuple[Piece, ...] | str:
    try:
        return tuple(piece for piece, _ in split_nodes(text)) if whole else split(text)
    except ProgramError as error:
        return str(error)


@settings(max_examples=500)
@given(_TEXTS)
@example('def f():\n    return 1\n\nif __name__ == "__main__":\n    pass\n\nelse:\n    pass\n')
@example('x = """a\n\nb = 1\n"""\n\ny = """\n\nc = """ + "\n"')
@example("@tool\n\ndef f():\n    pass\n")
@example("# licence\n\nimport os\n\n\ndef f():\n    return os\n")
@example("# licence\nimport os\n\n# why\nimport re\n\nx = 1\n")
@example("x = 1 + \\\n\ny = 2\n")
@example("from __future__ import barry_as_FLUFL\n\nx = 1\n\ny = 1 != 2\n")
@example("x = 1\n\n\nfrom __future__ import annotations\n")
@example("x = 1\n\n# alone\n\n# also alone\n\ny = 2\n\n\n")
def test_stretches_give_what_the_whole_gives(text: str) -> None:
    expected = _outcome(text, whole=True)
    assert _outcome(text, whole=False) == expected
    assert _outcome(text, whole=False) == expected  # now from what was kept
    if not isinstance(expected, str):
        assert "".join(piece.text for piece in expected) == text


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.parent.name)
def test_example_programs_are_cut_alike(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forget()
    expected = _outcome(text, whole=True)
    assert not isinstance(expected, str)
    assert _outcome(text, whole=False) == expected


def test_only_a_changed_stretch_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import math\n\n\ndef f():\n    return 1\n\n\n# of g\ndef g():\n    return math.pi\n"
    split(text)
    read: list[str] = []

    def noted(texts: Sequence[str]) -> list[list[ast.stmt]]:
        read.extend(texts)
        return read_all(texts)

    monkeypatch.setattr("graftwork.programs.cutting.read_all", noted)
    pieces = split(text.replace("return 1", "return 2"))
    assert read == ["def f():\n    return 2"]
    assert [(piece.name, piece.first_line, piece.line) for piece in pieces if piece.name] == [("f", 4, 4), ("g", 8, 9)]


def test_the_statement_of_a_text_is_read_once() -> None:
    text = "# why\ndef f(x):\n    return x\n"
    assert statement_of(text) is statement_of(text)
    assert isinstance(statement_of(text), ast.FunctionDef)
    with pytest.raises(ProgramError, match="one statement was expected, this text has 2"):
        statement_of("x = 1\ny = 2")
