"""Whole valid programs for the laws: every generated text passes check with the inputs `question` and `number`."""

from __future__ import annotations

import io
import tokenize
from typing import Final

from hypothesis import strategies as st

__all__ = ["PARAMETERS", "commented", "programs"]

PARAMETERS: Final = ("question", "number")
_IMPORTS: Final = ("import math", "from math import exp, sqrt", "import json as js", "from collections import Counter", "import re, string")
_STEMS: Final = ("alpha", "beta", "größe", "δ", "plan", "work", "check", "rate")
_WORDS: Final = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\\\"'{}", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=16,
)
_RETURNS: Final = ("str", "int", "float", "bool", "list[str]", "dict[str, float]", 'Literal["yes", "no"]', "str | None")


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Source of a program: a graph of up to nine components below `solve`, with combinators, in an odd layout."""
    names = [f"{stem}_{place}" for place, stem in enumerate(draw(st.lists(st.sampled_from(_STEMS), max_size=8)))]
    kinds = {
        name: draw(st.sampled_from(["prompt", "prompt", "tool", "function", "function", "type", "alias", "constant"])) for name in names
    }
    head = [f'"""{draw(_WORDS)}."""'] if draw(st.booleans()) else []
    head += ["from __future__ import annotations"] if draw(st.booleans()) else []
    head += [
        "from dataclasses import dataclass, field",
        "from typing import Literal",
        "from graftwork.programs import parallel, prompt, retry, tool, vote",
    ]
    head += draw(st.lists(st.sampled_from(_IMPORTS), unique=True))
    parts = [draw(_component(name, kinds[name], {other: kinds[other] for other in names[:place]})) for place, name in enumerate(names)]
    parts.append(draw(_function("solve", kinds, parameters="question, number")))
    parts = [(f"# {draw(_WORDS)}\n" if draw(st.booleans()) else "") + part for part in parts]
    parts += ['if __name__ == "__main__":\n    print(solve("?", 1))'] if draw(st.booleans()) else []
    text = "".join(part + "\n" * draw(st.integers(1, 4)) for part in (*head, *parts))
    return text.rstrip("\n") if draw(st.booleans()) else text


@st.composite
def commented(draw: st.DrawFn, source: str) -> str:
    """The same program with comments at the ends of statements, and blank lines between them."""
    lines = source.split("\n")
    ends = {token.end[0] for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.NEWLINE}
    for number in sorted(ends, reverse=True):
        if "#" not in lines[number - 1] and draw(st.booleans()):
            lines[number - 1] += f"  # {draw(_WORDS)}" + "\n" * draw(st.integers(0, 2))
    return "\n".join(lines)


@st.composite
def _component(draw: st.DrawFn, name: str, kind: str, known: dict[str, str]) -> str:
    match kind:
        case "prompt":
            return draw(_prompt(name, known))
        case "tool":
            doc = f'    """{draw(_WORDS)}."""\n'
            return f"@tool\ndef {name}(a: int, b: float = 0.5) -> float:\n{doc}    return {draw(_number(known))} + b"
        case "type":
            size = draw(st.integers(0, 9))
            return f"@dataclass\nclass {name}:\n    x: int = {size}\n\n    seen: list[str] = field(default_factory=list)"
        case "alias":
            return f'{name} = Literal["a", {draw(_WORDS)!r}]'
        case "constant":
            return f"{name} = {draw(st.one_of(st.integers(-99, 99), _WORDS, st.floats(0, 1)))!r}"
        case _:
            return draw(_function(name, known, parameters="a, b=1"))


@st.composite
def _prompt(draw: st.DrawFn, name: str, known: dict[str, str]) -> str:
    """A prompt with any of its options, in the signature that all calls here fit."""
    tools = [other for other, kind in known.items() if kind == "tool"]
    types = [other for other, kind in known.items() if kind in {"type", "alias"}]
    options = {
        "temperature": f"{draw(st.integers(0, 20)) / 10}",
        "max_tokens": f"{draw(st.integers(1, 900))}",
        "top_p": "0.5",
        "model": draw(st.sampled_from(['"task"', '"small"'])),
        "tools": f"[{', '.join(draw(st.lists(st.sampled_from(tools), unique=True)))}]" if tools else "[]",
        "demos": f'[{{"inputs": {{"a": {draw(_WORDS)!r}}}, "output": "x"}}]',
    }
    chosen = draw(st.lists(st.sampled_from(sorted(options)), unique=True))
    call = f"({', '.join(f'{option}={options[option]}' for option in chosen)})" if chosen else draw(st.sampled_from(["", "()"]))
    more = draw(st.sampled_from(["", " Use {a}.", "\n\n    And take care.\n    "]))
    returns = draw(st.sampled_from([*_RETURNS, *types]))
    return f'@prompt{call}\ndef {name}(a, b=1) -> {returns}:\n    """{draw(_WORDS)}.{more}"""'


@st.composite
def _function(draw: st.DrawFn, name: str, known: dict[str, str], *, parameters: str) -> str:
    """A function of some statements that reads both of its parameters."""
    first, second = (item.partition("=")[0] for item in parameters.split(", "))
    lines = [f"total = [{first}, {second}]"]
    for _ in range(draw(st.integers(0, 4))):
        value = draw(st.one_of(_number(known), _call(known, first)) if known else _number(known))
        shape = draw(st.sampled_from(["plain", "for", "while", "if", "try", "list", "dict", "with"]))
        lines += {
            "plain": [f"total.append({value})"],
            "for": ["for item in range(3):", f"    total.append(({value}, item))", "    if item > 1:", "        continue"],
            "while": ["while len(total) < 4:", f"    total += [{value}]"],
            "if": [f"if {value}:", "    total.clear()", "else:", "    total.reverse()"],
            "try": ["try:", f"    total.append({value})", "except (ValueError, KeyError) as error:", "    total.append(str(error))"],
            "list": [f"total += [{value} for item in total if item]"],
            "dict": [f"total.append({{key: {value} for key, item in enumerate(total)}})"],
            "with": [f"found = (lambda item: {value})(1)", 'total.append(f"{found!r:>4}")'],
        }[shape]
        if draw(st.booleans()):
            lines.append(f"# {draw(_WORDS)}")
    return "\n".join([f"def {name}({parameters}):", *(f"    {line}" for line in lines), "    return total"])


@st.composite
def _number(draw: st.DrawFn, known: dict[str, str]) -> str:
    constants = [name for name, kind in known.items() if kind == "constant"]
    leaf = st.one_of(st.integers(-99, 99).map(repr), st.floats(0, 9).map(repr), st.sampled_from(["len('ü')", *constants]))
    pairs = st.tuples(leaf, st.sampled_from("+-*/%"), leaf).map(" ".join)
    return f"({draw(st.one_of(leaf, pairs))})"


@st.composite
def _call(draw: st.DrawFn, known: dict[str, str], argument: str) -> str:
    """A use of a component: a call, alone or in a combinator, or the name of what cannot be called so."""
    name = draw(st.sampled_from(sorted(known)))
    if known[name] in {"constant", "alias"}:
        return name
    if known[name] == "type":
        return f"{name}().x"
    forms = ["{0}({1})", "{0}({1}, 2)", "vote(3, {0}, {1})", "retry(2, {0}, {1})", "parallel(lambda: {0}({1}), lambda: {0}({1}, 3))"]
    return draw(st.sampled_from(forms)).format(name, argument)
