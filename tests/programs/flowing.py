"""Programs that run, for laws about what runs do: prompts, tools and functions tied together in any way."""

from __future__ import annotations

import random
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from hypothesis import strategies as st

from .sessions import Asked

__all__ = ["Answers", "flowing"]

_HEAD = '''from functools import partial
from graftwork.programs import parallel, prompt, retry, tool, vote

TWO = 2
HINTS = ["a short hint", "another hint"]
KEPT = []

@tool
def look(key: str) -> str:
    """Look it up."""
    return f"found {key} in the book"

@prompt
def ask(text: str, more: str = "") -> str:
    """Answer."""

@prompt(tools=[look])
def search(text: str) -> str:
    """Answer with the tool."""

@prompt
def grade(text: str) -> int:
    """Grade it."""

def tag(text, mark="!"):
    return f"<{mark}{text}{mark}>"

def put(box, item):
    box.append(item)

def apply(function, item):
    return function(item)

def twice(text):
    first = ask(text)
    return ask(first, more=tag(first))

STATE = ""

def keep(text):
    global STATE
    STATE = text

def kept_too(function):
    def wrapped(text):
        return function(text) + STATE
    return wrapped

@kept_too
def low(text):
    return text.lower()

def number(text):
    ask(text)
    return float(text)

class Holder:
    def __init__(self, text):
        self.text = text

    def keep(self):
        KEPT.append(self.text)
        return ""

    def again(self, more):
        self.text = self.text + more
        return self.text

class Child(Holder):
    size = 1

class Memory:
    def __init__(self):
        self.items = []

    def remember(self, item):
        self.items.append(item)

    def last(self):
        return self.items[-1] if self.items else ""

'''
_VARIABLES = ("a", "b", "c")


def _value(rng: random.Random, depth: int = 2) -> str:
    """An expression that is a string."""
    if depth == 0:
        return rng.choice([*_VARIABLES, "question", "HINTS[0]"])
    x, y = _value(rng, depth - 1), _value(rng, depth - 1)
    times = rng.choice(["1", "2", "TWO", "min(len(a), 2)"])
    forms = [
        x,
        f"ask({x})",
        f"ask({x}, more={y})",
        f"ask(**{{'text': {x}, 'more': {y}}})",
        f"ask(*[{x}, {y}])",
        f"search({x})",
        f"tag({x})",
        f"tag({x}, {y})",
        f"twice({x})",
        f"({x} if len({y}) % 2 else {y})",
        f"(ask({x}) and {y})",
        "f'{a} and {c!r}'",
        f"'%s and %s' % ({x}, {y})",
        f"vote({times}, ask, {x}, {y})",
        f"vote({times}, lambda: tag(ask({x})))",
        f"retry({times}, search, {x}, accept=lambda found: len(ask(found)) > 3)",
        f"parallel(lambda: ask({x}), lambda: tag({y}))[0]",
        "' '.join(parallel(*[partial(ask, hint) for hint in HINTS]))",
        f"' '.join([ask(item) for item in [{x}, {y}]])",
        f"' '.join(map(ask, [{x}, {y}][:TWO]))",
        f"{{'k': {x}, 'm': ask({y})}}['m']",
        f"apply(ask, {x})",
        f"(lambda z: ask(z))({x})",
        f"Holder({x}).again({y})",
        f"str(grade({x}))",
        f"Child({x}).keep()",
        f"low({x})",
        "STATE",
        "memory.last()",
        "table['k'][0]",
        f"KEPT[-1] if KEPT else {x}",
    ]
    return rng.choice(forms)


def _block(rng: random.Random, depth: int, indent: str, *, in_loop: bool = False) -> str:
    return "\n".join(_statement(rng, depth, indent, in_loop=in_loop) for _ in range(rng.randint(1, 3)))


def _statement(rng: random.Random, depth: int, indent: str, *, in_loop: bool) -> str:
    target, value = rng.choice(_VARIABLES), _value(rng, rng.randint(0, 2))
    simple = [
        f"{target} = {value}",
        f"{target} += {value}",
        f"{target}, other = {value}, {_value(rng, 1)}",
        f"{target} = (found := {value}) + found",
        f"put(box, {value})",
        f"box.append({value})",
        f"KEPT.append({value})",
        f"keep({value})",
        f"memory.remember({value})",
        f"table.setdefault('k', []).insert(0, {value})",
        f"while not ({target} := {value}):\n{indent}    raise ValueError({target})",
        f"try:\n{indent}    number({value})\n{indent}except ValueError as error:\n{indent}    {target} = str(error)",
        f"box = [*box, {value}]",
        f"{target} = box[-1] if box else {value}",
    ]
    if in_loop:
        simple += [f"if len({value}) % 3 == 0:\n{indent}    break", f"if len({target}) % 3 == 1:\n{indent}    continue"]
    if depth == 0 or rng.random() < 0.5:
        return indent + rng.choice(simple)
    inner = indent + "    "

    def body(*, loop: bool = in_loop) -> str:
        return _block(rng, depth - 1, inner, in_loop=loop)

    match rng.choice(["if", "range", "for", "try", "def", "while"]):
        case "if":
            return f"{indent}if len({value}) % 2:\n{body()}\n{indent}else:\n{body()}"
        case "range":
            return f"{indent}for turn in range({rng.choice(['2', 'TWO', '1, 3', 'len(HINTS)'])}):\n{body(loop=True)}"
        case "for":
            return f"{indent}for {target} in ({value}, {_value(rng, 1)}):\n{body(loop=True)}"
        case "try":
            return f"{indent}try:\n{body()}\n{indent}except ValueError:\n{body()}\n{indent}finally:\n{inner}b = {_value(rng, 1)}"
        case "def":
            return f"{indent}def inner(z):\n{inner}box.append(ask(z))\n{inner}return tag(z)\n{indent}{target} = inner({value})"
        case _:
            turns = f"turns{depth}"  # its own in each nested loop, or none would end
            return f"{indent}{turns} = 0\n{indent}while {turns} < 2:\n{inner}{turns} += 1\n{body(loop=True)}"


def flowing() -> st.SearchStrategy[str]:
    """Sources of programs with the entry `solve(question)`; each is drawn by a seed, since drawing piece by piece takes seconds."""
    return st.integers(0, 10**9).map(lambda seed: _program(random.Random(seed)))


def _program(rng: random.Random) -> str:
    body, result = _block(rng, 2, "    "), _value(rng, 1)
    start = "    a = b = c = question\n    box, memory, table = [], Memory(), {'k': ['']}\n"
    return f"{_HEAD}def solve(question):\n{start}{body}\n    return {result}\n"


class Answers:
    """A script for a session: unlike texts, tool calls, and now and then a reply that cannot be read.

    Args:
        seed: Other seeds answer otherwise.
    """

    def __init__(self, seed: int) -> None:
        self.seed, self.n = seed, 0

    def __call__(self, asked: Asked) -> str | Mapping[str, Any]:
        """The next answer."""
        self.n += 1
        text = blake2b(f"{self.seed} {self.n}".encode(), digest_size=8).hexdigest()
        chance = int(text[:2], 16)
        if asked.body.get("tools") and chance % 3 and asked.body.get("tool_choice") != "none":
            call = {"id": text, "name": "look", "arguments": f'{{"key": "{text}"}}'}
            return {"text": "", "tool_calls": [call], "finish_reason": "tool_calls"}
        if chance % 8 == 0:
            return ""
        return str(chance) if asked.component == "grade" and chance % 4 else f"reply {text}"
