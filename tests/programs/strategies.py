"""Programs for property tests: small, varied, and always readable."""

from __future__ import annotations

import ast

from hypothesis import strategies as st

from graftwork.programs.program import Component, Program

__all__ = ["programs", "relaid"]

_NAMES = ("alpha", "beta", "gamma", "delta", "solve", "Shape", "LIMIT", "größe")
_IMPORTS = ("import math", "from math import exp, log", "import os.path", "import json as js", "from typing import Literal, Any")
_WORDS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\\\"'", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20
)
_NUMBERS = st.one_of(st.integers(-999, 999), st.floats(allow_nan=False, allow_infinity=False, width=32))
_COMMENTS = st.one_of(st.just(""), _WORDS.map(lambda text: f"# {text}\n"))


@st.composite
def _expression(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    leaf = st.one_of(_NUMBERS.map(repr), st.sampled_from([*names, "item", "math.pi", "len('x')"]))
    pairs = st.recursive(
        leaf, lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"), max_leaves=4
    )
    return draw(pairs)


@st.composite
def _component(draw: st.DrawFn, name: str, names: tuple[str, ...]) -> str:
    text = draw(_WORDS)
    match draw(st.sampled_from(["prompt", "prompt()", "tool", "function", "loop", "class", "alias", "constant"])):
        case "prompt":
            return f'@prompt\ndef {name}(item: str) -> str:\n    """Say {text}."""'
        case "prompt()":
            head = f"@prompt(temperature={draw(st.floats(0, 1))!r})\ndef {name}(item: str, *, n: int = 1) -> int:"
            return f'{head}\n    """{text}.\n\n    More.\n    """'
        case "tool":
            return f'@tool\ndef {name}(item: str) -> str:\n    """{text}."""\n    return item  # {text}'
        case "function":
            return f"def {name}(item, scale=1.0):\n    # {text}\n    return {draw(_expression(names))}\n    # after"
        case "loop":
            loop = f"for item in range(3):\n        total += {draw(_expression(names))}"
            return f"def {name}(item):\n    total = 0\n    {loop}\n    return [total for total in [item]]"
        case "class":
            return (
                f'class {name}:\n    """{text}."""\n\n    size: int = 1\n\n    def area(self):\n        return {draw(_expression(names))}'
            )
        case "alias":
            return f"{name} = Literal[{text!r}, 'b']"
        case _:
            return f"{name} = {draw(_NUMBERS)!r}"


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Source of a program of up to eight components in any layout."""
    names = tuple(draw(st.permutations(_NAMES))[: draw(st.integers(0, len(_NAMES)))])
    parts = ['"""What it is for."""'] if draw(st.booleans()) else []
    parts += ["from __future__ import annotations"] if draw(st.booleans()) else []
    parts += ["from graftwork.programs import prompt, tool", *draw(st.lists(st.sampled_from(_IMPORTS), unique=True))]
    for name in names:
        parts.append(draw(_COMMENTS) + draw(_component(name, names)))
    if draw(st.booleans()):
        parts.append('if __name__ == "__main__":\n    print(math.pi)')
    text = "".join(part + "\n" * draw(st.integers(1, 4)) + draw(_COMMENTS) * (index > 0) for index, part in enumerate(parts))
    if draw(st.booleans()):
        text = text.rstrip("\n")
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"])))


@st.composite
def relaid(draw: st.DrawFn, program: Program) -> str:
    """Source of the same program with other quotes, blank lines, comments, import statements and order."""

    def laid(component: Component) -> str:
        return f"# {component.name}\n" * draw(st.booleans()) + ast.unparse(ast.parse(component.source))

    statements = sorted(item.statement for item in program.imports if item.module != "__future__")
    future = [item.statement for item in program.imports if item.module == "__future__"]
    blocks = [laid(component) for component in draw(st.permutations(program.components))]
    return ("\n" * draw(st.integers(1, 3))).join([*future, *draw(st.permutations(statements)), *blocks]) + "\n"
