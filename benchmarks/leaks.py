"""How often the leak check accuses a program that saw no held-out example, and how often it finds one that copied, by length of n-grams.

Usage: python benchmarks/leaks.py [--programs 400]

An honest program has seven demonstrations: four of train and three that somebody made up, which are examples of the same source that are in
no split. So it shares the source's wording with the held-out examples to the full. A program that copied has the same four of train and one
held-out example: whole, its first half, or with every tenth word changed; or a table of ten held-out inputs with their targets.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.parse import parse
from graftwork.search.leaks import LeakIndex

__all__ = ["main", "rates"]

ROOT: Final = Path(__file__).parents[1]
LENGTHS: Final = (5, 6, 8, 13)
N_TRAIN, N_HELD = 12, 36
_MADE_UP, _TABLE = 3, 10
_PROSE: Final = (
    "argparse",
    "asyncio",
    "collections",
    "csv",
    "datetime",
    "decimal",
    "difflib",
    "email",
    "fractions",
    "http",
    "json",
    "logging",
)

Row = tuple[Mapping[str, object], object]


def prose(rng: random.Random) -> list[Row]:
    """Paragraphs of the standard library's docstrings, each with a question: English that people wrote."""
    documents = []
    for name in _PROSE:
        module = importlib.import_module(name)
        for part in vars(module).values():
            text = getattr(part, "__doc__", None)
            documents += [" ".join(block.split()) for block in (text or "").split("\n\n")] if isinstance(text, str) else []
    chosen = sorted({text for text in documents if 15 <= len(text.split()) <= 120})
    rng.shuffle(chosen)
    return [({"text": text, "question": "What is this text about?"}, text.split()[0]) for text in chosen[:200]]


def templates(rng: random.Random) -> list[Row]:
    """Word problems of four templates, which differ in names, things and numbers only."""
    names, things = ("Ann", "Tom", "Mia", "Leo", "Eva", "Max"), ("apples", "pens", "books", "cakes", "coins", "shells")
    lines = (
        "{a} has {x} {t} and buys {y} more at the shop on the corner. How many {t} does {a} have in the end?",
        "There are {x} {t} in a box. {a} takes {y} of them and gives them to {b}. How many {t} are left in the box?",
        "{a} and {b} collect {t}. {a} finds {x} of them and {b} finds {y}. How many {t} do they find together?",
        "A shop sells {t} for {x} cents each. {a} pays with {y} coins of ten cents. How much does {a} get back from {b}?",
    )
    rows: list[Row] = []
    for _ in range(200):
        a, b = rng.sample(names, 2)
        x, y = rng.randrange(2, 100), rng.randrange(2, 100)
        rows.append(({"question": rng.choice(lines).format(a=a, b=b, t=rng.choice(things), x=x, y=y)}, x + y))
    return rows


def numbers(rng: random.Random) -> list[Row]:
    """Lists of 60 small numbers, as bin packing has them."""
    return [({"items": [rng.randrange(1, 101) for _ in range(60)], "capacity": 100}, None) for _ in range(200)]


def commands(rng: random.Random) -> list[Row]:
    """Commands of three to seven words from a small vocabulary, with what they come to."""
    words = ("add", "double", "halve", "drop", "turn", "left", "right", "twice", "then", "again")
    return [({"command": " ".join(rng.choice(words) for _ in range(rng.randrange(3, 8)))}, rng.randrange(100)) for _ in range(200)]


def problems(rng: random.Random) -> list[Row]:
    """The problems of examples/word_problems, each of which has a wording of its own."""
    lines = (ROOT / "examples" / "word_problems" / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Row] = [({"question": row["question"]}, row["answer"]) for row in map(json.loads, lines)]
    rng.shuffle(rows)
    return rows


SOURCES: Final[Mapping[str, Callable[[random.Random], list[Row]]]] = {
    "prose": prose,
    "word problems": problems,
    "four templates": templates,
    "number lists": numbers,
    "short commands": commands,
}
COPIES: Final = ("whole", "half", "changed", "table")


def rates(source: str, n: int, *, n_programs: int) -> dict[str, float]:
    """Share of programs that are accused, in percent: `honest`, and those that copied, by how.

    Args:
        source: A key of `SOURCES`.
        n: Words of an n-gram.
        n_programs: Programs of each kind.
    """
    accused = dict.fromkeys(("honest", *COPIES), 0)
    for number in range(n_programs):
        rng = random.Random(f"leaks/{source}/{number}")
        rows = SOURCES[source](rng)
        train, held, fresh = rows[:N_TRAIN], rows[N_TRAIN : N_TRAIN + N_HELD], rows[N_TRAIN + N_HELD :]
        index = LeakIndex.of(_task(train, held), n=n)
        shown = rng.sample(train, 4)
        accused["honest"] += bool(index.leaks(parse(_program([*shown, *rng.sample(fresh, _MADE_UP)]))))
        one = rng.choice(held)
        for how in COPIES:
            text = _table(rng.sample(held, _TABLE)) if how == "table" else _program([*shown, _copied(one, how, rng)])
            accused[how] += bool(index.leaks(parse(text)))
    return {kind: 100 * count / n_programs for kind, count in accused.items()}


def _task(train: Sequence[Row], held: Sequence[Row]) -> Task:
    def score(output: object, example: Example, /) -> Score:
        return Score(value=float(output == example.target))

    third = len(held) // 3
    examples = {"train": train, "val": held[:third], "confirm": held[third : 2 * third], "test": held[2 * third :]}
    parameters = ", ".join(train[0][0])
    return make_task(f"def solve({parameters}):\n    return None\n", examples, score, name="leaks")


def _program(rows: Sequence[Row]) -> str:
    demos = [{"inputs": dict(inputs), "output": target} for inputs, target in rows]
    parameters = ", ".join(rows[0][0])
    header = "from graftwork.programs import prompt\n\n\n"
    return f'{header}@prompt(demos={demos!r})\ndef solve({parameters}) -> str:\n    """Answer in one word."""\n'


def _copied(row: Row, how: str, rng: random.Random) -> Row:
    """An example as somebody copied it."""
    inputs, target = row
    changed: dict[str, object] = {}
    for name, value in inputs.items():
        items = value.split() if isinstance(value, str) else value
        if how == "whole" or not isinstance(items, list):
            changed[name] = value
            continue
        kept = items[: (len(items) + 1) // 2] if how == "half" else [rng.choice(items) if rng.random() < 0.1 else item for item in items]
        changed[name] = " ".join(kept) if isinstance(value, str) else kept
    return changed, target


def _table(rows: Sequence[Row]) -> str:
    def key(inputs: Mapping[str, object]) -> str:
        value = next(iter(inputs.values()))
        return repr(value if isinstance(value, str) else tuple(value) if isinstance(value, list) else value)

    entries = "".join(f"    {key(inputs)}: {target!r},\n" for inputs, target in rows)
    parameters = ", ".join(rows[0][0])
    return f"KNOWN = {{\n{entries}}}\n\n\ndef solve({parameters}):\n    return KNOWN.get({next(iter(rows[0][0]))})\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=400)
    n_programs = parser.parse_args().programs
    kinds = ("honest", *COPIES)
    print(f"| examples | words | {' | '.join(kinds)} |\n|---|---|{'---|' * len(kinds)}")
    for source in SOURCES:
        for n in LENGTHS:
            found = rates(source, n, n_programs=n_programs)
            print(f"| {source} | {n} | {' | '.join(f'{found[kind]:.1f} %' for kind in kinds)} |", flush=True)


if __name__ == "__main__":
    main()
