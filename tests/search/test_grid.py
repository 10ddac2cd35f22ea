"""Tests of the grid and of the dimensions that divide it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from graftwork.evaluators.evaluation import Unkept
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.search.archive import AddStatus, Archive
from graftwork.search.candidate import Member
from graftwork.search.dimensions import DIMENSIONS, cell_of
from graftwork.search.grid import Grid
from tests.programs.structures import CHAIN
from tests.search.archives import ArchiveConformance
from tests.search.factory import failed, member

PLAIN = "def solve(x: int) -> int:\n    return x + {}\n{}"


class TestGrid(ArchiveConformance):
    bound = 3

    def made(self) -> Archive:
        return Grid(3, ("size", "failures"), entry="solve")


def of_size(number: int, values: Sequence[float], n_chars: int) -> Member:
    text = PLAIN.format(number, "#")
    return member(number, values, source=text + "x" * (n_chars - len(text)))


def test_a_cell_keeps_its_best_and_others_keep_theirs() -> None:
    grid = Grid(9, ("size",), entry="solve")
    assert grid.add(of_size(1, [0.5, 0.5], 100)) is AddStatus.BEST
    assert grid.add(of_size(2, [0.2, 0.2], 2_000)) is AddStatus.KEPT
    assert grid.add(of_size(3, [0.4, 0.4], 100)) is AddStatus.REFUSED
    assert grid.add(of_size(4, [0.9, 0.9], 100)) is AddStatus.BEST
    assert [one.candidate.number for one in grid] == [4, 2]


def test_beyond_its_size_the_worst_elite_gives_up_its_cell() -> None:
    grid = Grid(2, ("size",), entry="solve")
    for number, (value, n_chars) in enumerate(((0.1, 100), (0.5, 1_000), (0.3, 4_000)), 1):
        grid.add(of_size(number, [value, value], n_chars))
    assert [one.candidate.number for one in grid] == [2, 3]
    assert grid.add(of_size(4, [0.05, 0.05], 100)) is AddStatus.REFUSED


def test_parents_are_drawn_evenly_among_cells() -> None:
    grid = Grid(9, ("size",), entry="solve")
    grid.add(of_size(1, [0.9, 0.9], 100))
    grid.add(of_size(2, [0.1, 0.1], 2_000))
    rng = random.Random(0)
    share = sum(grid.draw(rng).candidate.number == 1 for _ in range(1_000)) / 1_000
    assert share == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("name", "number"), [("prompts", 2), ("tools", 1), ("components", 4), ("depth", 2), ("calls", 14), ("size", 514), ("failures", 0)]
)
def test_structure_is_counted_from_the_entry(name: str, number: float) -> None:
    one = member(1, [0.5], source=CHAIN + "\n\ndef unused(x: int) -> int:\n    return x\n")
    assert DIMENSIONS[name].measure(one, "solve") == number


def test_what_a_program_did_places_it_too() -> None:
    one = member(1, [0.5, 0.5, 0.5])
    first, second, _ = one.val.judgements
    dear = replace(first, outcome=replace(first.outcome, output="abc", usage=Usage(usd=0.03, calls=1)))
    fails = failed(Failure(kind="crash", message="no"))
    one = replace(one, val=replace(one.val, judgements=(dear, second, fails)))
    assert DIMENSIONS["failures"].measure(one, "") == pytest.approx(1 / 3)
    assert DIMENSIONS["usd"].measure(one, "") == pytest.approx(0.01)
    assert DIMENSIONS["output"].measure(one, "") == 4  # '"abc"' and '0.5'
    long = replace(second, outcome=replace(second.outcome, output=Unkept(digest="0" * 32)))
    one = replace(one, val=replace(one.val, judgements=(dear, long)))
    assert cell_of(one, ("output",), "") == (len(DIMENSIONS["output"].edges),)


def test_a_program_without_a_bound_of_calls_has_a_bin_of_its_own() -> None:
    endless = CHAIN.replace("def solve(", "def solve_once(") + "\n\ndef solve(q: str) -> str:\n    while True:\n        solve_once(q)\n"
    cells = [cell_of(member(1, [0.5], source=source), ("calls",), "solve") for source in (PLAIN.format(1, ""), CHAIN, endless)]
    assert cells == [(0,), (5,), (len(DIMENSIONS["calls"].edges),)]
