"""A small task with two prompts, and a scripted model that gets better when the instruction asks for it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from graftwork.evaluators.load import make_task
from graftwork.evaluators.task import Example, Limits, Score, Task
from graftwork.flows.prepare import prepare
from graftwork.flows.run import Run
from graftwork.flows.settings import RunSettings
from graftwork.programs.model import Model, Role
from graftwork.programs.scripted import ScriptedModel

__all__ = ["PROGRAM", "made_run", "made_task", "proposer", "scripted_models", "task_model"]

PROGRAM = '''"""Double a number that is written in words."""
from graftwork.programs import prompt


@prompt(max_tokens=8)
def read(words: str) -> int:
    """Give the number."""


@prompt(max_tokens=8)
def double(number: int) -> int:
    """Give twice the number."""


def solve(words: str) -> int:
    return double(read(words))
'''
_KINDS = ("apples", "pears", "plums", "figs", "nuts")
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def score(output: object, example: Example, /) -> Score:
    """1 for the right number, else 0."""
    right = output == example.target
    return Score(value=float(right), feedback="right" if right else f"expected {example.target}, got {output}")


def made_task(*, n_words: int = len(_WORDS), n_kinds: int = 2) -> Task:
    """Some examples for each word, 24 of them unless told otherwise, so that every split has some."""
    words, kinds = _WORDS[:n_words], _KINDS[:n_kinds]
    examples = [({"words": f"{word} {kind}"}, 2 * number) for number, word in enumerate(words, 1) for kind in kinds]
    return make_task(PROGRAM, examples, score, name="doubling", limits=Limits(timeout_s=20, calls=6, max_tokens=16))


def task_model(body: Mapping[str, object], draw: str) -> str:
    """Reads and doubles, and errs where the instruction does not say `carefully`, depending on the request and the draw."""
    text = str(body["messages"])
    rng = random.Random(f"{text}/{draw}")
    if "Give the number" in text or "words:" in text:
        found = re.findall(r"words: (\w+)", text)
        number = _WORDS.index(found[-1]) + 1 if found and found[-1] in _WORDS else 0
    else:
        number = 2 * int((re.findall(r"number: (-?\d+)", text) or ["0"])[-1])
    errs = rng.random() < (0.1 if "carefully" in text else 0.4)
    return "I cannot tell" if errs and rng.random() < 0.3 else str(number + errs)


def proposer(body: Mapping[str, object], draw: str) -> str:
    """Rewrites one prompt: often well, sometimes as text that is no program."""
    rng = random.Random(f"{body['messages']}/{draw}")
    name, parameter = rng.choice((("read", "words: str"), ("double", "number: int")))
    hint = rng.choice(("carefully", "quickly", "as a machine would", "step by step"))
    if rng.random() < 0.2:
        return "I would suggest to think harder."
    what = "Give the number" if name == "read" else "Give twice the number"
    definition = f'@prompt(max_tokens=8)\ndef {name}({parameter}) -> int:\n    """{what} {hint} ({rng.randrange(5)})."""\n'
    return f"Here it is:\n```python\n{definition}```\n"


def scripted_models(latency_seed: int | None = None) -> dict[Role, Model]:
    """The models of `made_run`; with a latency seed, replies take up to 20 ms each, in another order for each such seed."""
    rng = random.Random(latency_seed)

    def latency(body: Mapping[str, object], draw: str) -> float:
        del body, draw
        return rng.random() / 50 if latency_seed is not None else 0.0

    return {
        "proposer": ScriptedModel(alias="scripted-proposer", script=proposer, latency_s=latency),
        "task": ScriptedModel(alias="scripted-task", script=task_model, latency_s=latency),
    }


def made_run(
    run_dir: Path,
    *,
    task: Task | None = None,
    seed: int = 1,
    latency_seed: int | None = None,
    repeats: Mapping[str, int] | None = None,
    **settings: object,
) -> Run:
    """A prepared run with scripted models, of `made_task()` and with a small control unless told otherwise."""
    chosen = RunSettings.model_validate({"seed": seed, "strategy": "model", "candidates": 24, "window": 4, "best_of": 4, **settings})
    return prepare(replace(task or made_task(), repeats=repeats or {}), chosen, run_dir=run_dir, models=scripted_models(latency_seed))
