"""Duplicates: equal but for their names."""

from __future__ import annotations

import pytest

from graftwork.programs.check import check
from graftwork.programs.duplicates import duplicates
from graftwork.programs.parse import parse

HEAD = "from graftwork.programs import prompt, tool\n\n"


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("def f(x):\n    return x + 1\n\ndef g(x):\n    return x + 1  # the same\n", (("f", "g"),)),
        ("def f(n):\n    return n and f(f(n - 1))\n\ndef g(n):\n    return n and g(g(n - 1))\n", (("f", "g"),)),
        ("def f(n):\n    return n and f(n - 1)\n\ndef g(n):\n    return n and f(n - 1)\n", ()),
        ("def f(x):\n    return x + 1\n\ndef g(y):\n    return y + 1\n", ()),
        ('@prompt\ndef f(x):\n    """Say."""\n\n@prompt\ndef g(x):\n    """Say."""\n', (("f", "g"),)),
        ('@prompt\ndef f(x):\n    """Say."""\n\n@prompt\ndef g(x):\n    """Tell."""\n', ()),
        ('@tool\ndef f(x):\n    """Say."""\n    return x\n\ndef g(x):\n    """Say."""\n    return x\n', ()),
        ("class A:\n    x: int\n\nclass B:\n    x: int\n", (("A", "B"),)),
        ("class A(Exception):\n    pass\n\nclass B(Exception):\n    pass\n", ()),
        ("A = 3\nB = 3\n", ()),
        ("A = dict[str, int]\nB = dict[str, int]\nC = list\n", (("A", "B"),)),
        ("def f(x):\n    return x\n\ndef h():\n    return 1\n\ndef g(x):\n    return x\n\ndef k(x):\n    return x\n", (("f", "g", "k"),)),
    ],
)
def test_components_are_duplicates_if_only_their_names_tell_them_apart(text: str, groups: tuple[tuple[str, ...], ...]) -> None:
    assert duplicates(parse(HEAD + text)) == groups


def test_a_renamed_component_keeps_its_shape_and_not_its_digest() -> None:
    one, other = parse("def f(n):\n    return f(n)\n")["f"], parse("def longer(n):\n    return longer(n)\n")["longer"]
    assert one.shape == other.shape
    assert one.digest != other.digest


def test_check_warns_of_a_duplicate_at_the_later_one() -> None:
    program = parse("def f(x):\n    return x\n\ndef g(x):\n    return x\n\ndef solve(x):\n    return f(g(x))\n")
    (defect,) = check(program, entry="solve", parameters=["x"])
    assert str(defect) == "warning: line 4, g: 'g' does the same as 'f'; keep one"
