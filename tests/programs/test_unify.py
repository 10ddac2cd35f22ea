"""Types of two programs unify where a value of one may stand for the other."""

from __future__ import annotations

import pytest

from graftwork.programs.parse import parse
from graftwork.programs.signature import Signature, signature_of
from graftwork.programs.unify import Types, pairing, unify

HEAD = "import typing as t\nimport numpy as np\nfrom dataclasses import dataclass\n"
HEAD += "from typing import Any, Dict, List, Literal, Optional, TypedDict, Union\n\n"
ONE = parse(
    HEAD
    + "Answer = Literal['yes', 'no']\nNode = dict[str, 'Node']\n\n\n@dataclass\nclass Step:\n    text: str\n    n: int\n\n\n"
    + "class Shown(TypedDict):\n    text: str\n\n\nclass Plain:\n    x = 1\n"
)
OTHER = parse(
    "import numpy\nimport pydantic\nimport typing\nfrom collections.abc import Sequence\nfrom dataclasses import dataclass\n\n"
    "Verdict = typing.Literal['yes', 'no', 'maybe']\nNode = dict[str, 'Node']\n\n\n@dataclass(frozen=True)\nclass Move:\n"
    "    text: str\n    n: float\n\n\n"
    "class Said(pydantic.BaseModel):\n    text: int\n\n\nclass Plain:\n    x = 1\n\n\nclass Other:\n    x = 2\n"
)


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ("str", "str", True),
        ("str", "int", False),
        ("int", "float", True),
        ("float", "int", False),
        ("bool", "float", True),
        ("", "int", True),
        ("int", "", True),
        ("Any", "int", True),
        ("object", "int", True),
        ("str", "typing.Any", True),
        ("List[int]", "list[float]", True),
        ("list[str]", "list[float]", False),
        ("list", "list[float]", True),
        ("t.List[int]", "Sequence[int]", True),
        ("Dict[str, int]", "dict[str, float]", True),
        ("Optional[int]", "int | None", True),
        ("int", "float | None", True),
        ("int | None", "int", False),
        ("Union[int, str]", "str | float", True),
        ("Answer", "Verdict", True),
        ("Literal['yes', 1]", "Verdict", False),
        ("Answer", "str", True),
        ("Literal[1, True]", "float", True),
        ("str", "Verdict", False),
        ("np.ndarray", "numpy.ndarray", True),
        ("np.ndarray", "numpy.generic", False),
        ("Step", "Move", True),
        ("Shown", "Said", False),
        ("Plain", "Plain", True),
        ("Plain", "Other", False),
        ("Plain", "str", False),
        ("Node", "Node", True),
        ("'Step'", "Move", True),
        ("tuple[int, int]", "tuple[float, ...]", True),
        ("tuple[int, int]", "tuple[int]", False),
        ("tuple", "tuple[int]", True),
        ("None", "int | None", True),
        ("int(", "int", True),
    ],
)
def test_types_unify_where_a_value_of_one_may_stand_for_the_other(given: str, wanted: str, expected: bool) -> None:  # noqa: FBT001
    assert unify(given, wanted, giver=Types(ONE), taker=Types(OTHER)) is expected


def signature(head: str) -> Signature:
    found = signature_of(parse(f"def f{head}: ...\n")["f"])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("donor", "site", "given", "expected"),
    [
        ("(a: str) -> int", "(q: str) -> float", ("q",), {"q": "a"}),
        ("(a: str) -> float", "(q: str) -> int", ("q",), None),
        ("(b: str, a: str)", "(a: str, b: str)", ("a", "b"), {"a": "a", "b": "b"}),
        ("(n: int, text: str)", "(q: str, k: int)", ("q", "k"), {"q": "text", "k": "n"}),
        ("(x: str, a: str)", "(a: str, b: str)", ("b", "a"), {"a": "a", "b": "x"}),
        ("(a: int)", "(a: str)", ("a",), None),
        ("(a: str, n: int = 3)", "(q: str)", ("q",), {"q": "a"}),
        ("(a: str, n: int)", "(q: str)", ("q",), None),
        ("(a: str)", "(q: str, r: str = '')", ("q", "r"), None),
        ("(a: str)", "(q: str, r: str = '')", ("q",), {"q": "a"}),
        ("(*a: str)", "(q: str)", ("q",), None),
    ],
)
def test_parameters_pair_by_name_then_by_type_and_nothing_is_left_over(
    donor: str, site: str, given: tuple[str, ...], expected: dict[str, str] | None
) -> None:
    assert pairing(signature(donor), signature(site), given, types=(Types(ONE), Types(OTHER))) == expected
