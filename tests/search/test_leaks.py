"""Tests of the leak check: who copied is found, by which example; who only shares the task's wording is not."""

from __future__ import annotations

import pytest

from graftwork.evaluators.make_task import make_task
from graftwork.evaluators.task import Example, Task
from graftwork.programs.parse import parse
from graftwork.search.leaks import LeakIndex

STORY = (
    "Riverside Academy is holding graduation in their sports arena this year, which has space for 3600 people and needs 650 seats.",
    "A cake has sixty portions; Charlotte eats four of them a day while Elijah eats twice as much until nothing at all remains.",
    "When the water is cold John swims a kilometre in eighteen minutes, and when it is warm he needs somewhat longer than that.",
    "Ava went to the patisserie and bought six dozen danishes, ten dozen macarons and three dozen small cheesecakes for a party.",
)


def score(output: object, example: Example, /) -> float:
    """1 for the target."""
    return float(output == example.target)


def task_of(rows: dict[str, list[tuple[object, object]]], *, seed: str = "def solve(x):\n    return None\n") -> Task:
    """A task with these splits."""
    examples = {split: [({"x": value}, target) for value, target in group] for split, group in rows.items()}
    return make_task(seed, examples, score, name="test")


def held(rows: dict[str, list[tuple[object, object]]], source: str, *, seed: str = "def solve(x):\n    return None\n") -> list[str]:
    """Split and text of what a program holds of a task."""
    return [f"{leak.split}: {leak.text}" for leak in LeakIndex.of(task_of(rows, seed=seed)).leaks(parse(source))]


STORIES: dict[str, list[tuple[object, object]]] = {
    "train": [(STORY[0], 1)],
    "val": [(STORY[1], 2)],
    "confirm": [(STORY[2], 3)],
    "test": [(STORY[3], 4)],
}


@pytest.mark.parametrize(("place", "split"), [(1, "val"), (2, "confirm"), (3, "test")])
def test_an_instruction_a_demonstration_and_a_constant_that_hold_an_input_are_found(place: int, split: str) -> None:
    text = STORY[place]
    instruction = f'from graftwork.programs import prompt\n\n\n@prompt\ndef solve(x: str) -> int:\n    """Answer. {text}"""\n'
    demo = f"from graftwork.programs import prompt\n\n\n@prompt(demos=[{{'inputs': {{'x': {text!r}}}, 'output': 7}}])\n"
    demo += 'def solve(x: str) -> int:\n    """Answer."""\n'
    constant = f"KNOWN = {{{text.upper()!r}: 2}}\n\n\ndef solve(x):\n    return KNOWN.get(x)\n"
    for source in (instruction, demo, constant):
        assert [said.split(":")[0] for said in held(STORIES, source)] == [split]


def test_half_of_an_input_is_found_and_a_few_words_of_it_are_not() -> None:
    words = STORY[3].split()
    half, few = (f"HINT = {' '.join(words[:n])!r}\n\n\ndef solve(x):\n    return HINT\n" for n in (len(words) * 2 // 3, 8))
    assert held(STORIES, half)
    assert held(STORIES, few) == []


def test_what_train_or_the_seed_holds_is_no_leak() -> None:
    seed = f"HINT = {STORY[1]!r}\n\n\ndef solve(x):\n    return HINT\n"
    shown = f"HINT = {STORY[0]!r}\n\n\ndef solve(x):\n    return HINT\n"
    assert held(STORIES, shown) == []
    assert held(STORIES, seed, seed=seed) == []
    assert held(STORIES, seed)


def test_wording_that_two_examples_share_is_no_leak() -> None:
    rows: dict[str, list[tuple[object, object]]] = {
        "train": [("x", 1)],
        "val": [(f"{STORY[1]} Who wins?", 2), (f"{STORY[1]} Who loses?", 3)],
        "test": [("y", 4)],
    }
    assert held(rows, f"HINT = {STORY[1]!r}\n\n\ndef solve(x):\n    return HINT\n") == []


def test_short_targets_and_numbers_are_no_leak() -> None:
    rows: dict[str, list[tuple[object, object]]] = {
        "train": [(1, "no")],
        "val": [(n, "yes") for n in range(2, 9)],
        "test": [(n, "no") for n in range(9, 15)],
    }
    source = 'SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 10]\n\n\ndef solve(x):\n    return "yes" if x in SIZES else "no"\n'
    assert held(rows, source) == []


SQUARES: dict[str, list[tuple[object, object]]] = {
    "train": [(n, n * n) for n in range(10)],
    "val": [(n, n * n) for n in range(10, 20)],
    "test": [(n, n * n) for n in range(20, 30)],
}


def test_a_table_of_answers_to_what_was_not_shown_is_found_in_each_form() -> None:
    numbers = range(22, 28)
    table = f"KNOWN = { ({n: n * n for n in numbers})!r}\n\n\ndef solve(x):\n    return KNOWN.get(x)\n"
    rows = f"KNOWN = {[(n, n * n) for n in numbers]!r}\n\n\ndef solve(x):\n    return dict(KNOWN).get(x)\n"
    branches = "def solve(x):\n" + "".join(f"    if x == {n}:\n        return {n * n}\n" for n in numbers) + "    return None\n"
    cases = "def solve(x):\n    match x:\n" + "".join(f"        case {n}:\n            return {n * n}\n" for n in numbers)
    demos = [{"inputs": {"x": n}, "output": n * n} for n in numbers]
    shown = f'from graftwork.programs import prompt\n\n\n@prompt(demos={demos!r})\ndef solve(x: int) -> int:\n    """Square."""\n'
    for source in (table, rows, branches, cases, shown):
        found = held(SQUARES, source)
        assert len(found) == len(numbers), source
        assert found[0].startswith("test: ")


def test_a_table_that_knows_what_was_shown_as_well_is_a_rule_and_wrong_answers_are_none() -> None:
    rule = f"KNOWN = { ({n: n * n for n in range(30)})!r}\n\n\ndef solve(x):\n    return KNOWN.get(x)\n"
    wrong = f"KNOWN = { ({n: n + 1 for n in range(20, 30)})!r}\n\n\ndef solve(x):\n    return KNOWN.get(x)\n"
    assert held(SQUARES, rule) == []
    assert held(SQUARES, wrong) == []


def test_a_long_list_that_is_an_input_is_found_whole() -> None:
    lists: dict[str, list[tuple[object, object]]] = {
        "train": [([5, 3] * 10, None)],
        "val": [([n % 7 for n in range(20)], None)],
        "test": [([n % 5 for n in range(20)], None)],
    }
    source = f"KNOWN = {[n % 5 for n in range(20)]!r}\n\n\ndef solve(x):\n    return x == KNOWN\n"
    assert [said.split(":")[0] for said in held(lists, source)] == ["test"]
    assert held(lists, source.replace("4]", "3]")) == []
