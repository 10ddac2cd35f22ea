"""Tests of islands: who reaches which, and when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import pytest

from graftwork.programs.errors import ConfigError
from graftwork.search.archive import AddStatus
from graftwork.search.archives import ARCHIVES, with_archive
from graftwork.search.candidate import Member
from graftwork.search.islands import Islands, Moves
from graftwork.search.snapshot import Snapshot
from graftwork.search.state import State, ask, tell
from graftwork.search.strategy import Strategy
from tests.search.factory import evaluation, member, result

STILL = Strategy(name="test", operators={"perturb": 1.0}, islands=3, archive_size=4, migrate_every=0, selection="estimate")


def settled(strategy: Strategy) -> Islands:
    islands = Islands(strategy)
    islands.settle(member(0, [0.1, 0.1]))
    return islands


def numbers(islands: Islands) -> list[list[int]]:
    return [[one.candidate.number for one in archive] for archive in islands]


def turns(islands: Islands, until: int) -> dict[int, Moves]:
    """What was done between islands after each of so many told results, where anything was."""
    moves = {told: islands.turn(told=told, seed=0) for told in range(1, until + 1)}
    return {told: made for told, made in moves.items() if made != Moves()}


def test_a_member_reaches_no_other_island_by_itself() -> None:
    islands = settled(STILL)
    for number in range(1, 200):
        islands.add(member(number, [number / 200, 0.5]), number % 3, told=number)
    assert turns(islands, 1_000) == {}
    assert all(one % 3 == home for home, standing in enumerate(numbers(islands)) for one in standing if one)


def test_the_best_migrate_along_the_ring_on_schedule() -> None:
    islands = settled(replace(STILL, migrate_every=5))
    for number in range(1, 4):
        islands.add(member(number, [number / 4, number / 4]), number - 1, told=number)
    assert turns(islands, 9) == {5: Moves(migrated={0: 3, 1: 1, 2: 2})}
    assert numbers(islands) == [[3, 1, 0], [2, 1, 0], [3, 2, 0]]


def test_the_worse_half_begins_again_with_the_best_of_one_that_stays() -> None:
    islands = settled(replace(STILL, islands=5, reset_every=10))
    for number in range(1, 6):
        islands.add(member(number, [number / 8, number / 8]), number - 1, told=number)
    moves = turns(islands, 19)
    assert list(moves) == [10]
    assert moves[10].reset.keys() == {0, 1}
    assert set(moves[10].reset.values()) <= {3, 4, 5}
    assert numbers(islands) == [[moves[10].reset[0]], [moves[10].reset[1]], [3, 0], [4, 0], [5, 0]]


def test_one_island_is_never_reset() -> None:
    islands = settled(replace(STILL, islands=1, reset_every=1))
    assert turns(islands, 5) == {}


def test_a_new_island_has_until_the_second_reset_to_catch_up() -> None:
    islands = settled(replace(STILL, islands=2, reset_every=10, spawn_after=8, max_islands=3))
    islands.add(member(1, [0.5, 0.5]), 0, told=0)
    islands.add(member(2, [0.4, 0.4]), 1, told=0)
    moves = turns(islands, 20)
    assert list(moves) == [8, 20]
    assert moves[8].founded == {2: 0}
    assert moves[20].reset[2] in (1, 2)


def test_an_island_is_opened_by_the_seed_where_nothing_got_better_for_long_up_to_a_bound() -> None:
    islands = settled(replace(STILL, spawn_after=10, max_islands=5))
    islands.add(member(1, [0.9, 0.9]), 0, told=4)
    islands.add(member(2, [0.8, 0.8]), 1, told=9)  # leads its own island only
    assert turns(islands, 100) == {14: Moves(founded={3: 0}), 24: Moves(founded={4: 0})}
    assert numbers(islands)[3:] == [[0], [0]]
    assert islands.improved == 24


def test_what_is_told_of_a_member_on_further_examples_moves_it_wherever_it_stands() -> None:
    islands = settled(replace(STILL, migrate_every=2))
    islands.add(member(1, [0.9, 0.9]), 0, told=1)
    islands.add(member(2, [0.6, 0.6]), 0, told=1)
    turns(islands, 2)
    further = replace(evaluation([0.0] * 4), judgements=evaluation([0.0] * 4).judgements[2:])
    islands.renew(1, further, 5)
    assert numbers(islands) == [[2, 1, 0], [1, 0], [0]]
    assert [one.val.values for archive in islands for one in archive if one.candidate.number == 1] == [(0.9, 0.9, 0.0, 0.0)] * 2
    before = [list(archive) for archive in islands]
    islands.renew(1, further, 6)  # all of that is known
    islands.renew(7, further, 6)  # nobody has that one
    assert [list(archive) for archive in islands] == before


def test_what_the_islands_did_is_told_to_be_recorded_and_nothing_is_where_nothing_changed() -> None:
    state = State.start(replace(STILL, reset_every=4, spawn_after=3, migrate_every=5), 0)
    details = [tell(state, result(number, values, island=1)).detail for number, values in enumerate([[0.5, 0.5]] + [[0.1, 0.1]] * 5)]
    assert details[0] == {"added": "best", "migrated": {}}
    assert details[1] == {"added": "kept", "migrated": {}}
    assert details[2] == {"added": "refused", "migrated": {}, "founded": {"3": 0}}
    assert details[3] == {"added": "refused", "migrated": {}, "reset": {"2": 0}}


def strategies() -> Sequence[Strategy]:
    busy = replace(STILL, migrate_every=7, reset_every=25, spawn_after=12, max_islands=6)
    return [replace(with_archive(busy, name), archive_size=5) for name in sorted(ARCHIVES)]


@pytest.mark.parametrize("strategy", strategies(), ids=lambda strategy: strategy.archive)
def test_a_state_is_restored_from_its_snapshot_exactly_and_goes_on_alike(strategy: Strategy) -> None:
    rng = random.Random(5)
    offers = [result(n, [rng.choice((0.0, 0.5, 1.0)) for _ in range(4)], island=rng.randrange(6)) for n in range(160)]
    state = State.start(strategy, 3, entry="solve")
    members: dict[int, Member] = {}
    for one in offers[:100]:
        tell(state, one)
        members |= {held.candidate.number: held for archive in state.islands for held in archive}
    assert len(state.islands) > 3
    briefs = tuple(ask(state, number, operators={"perturb": (1.0, 2)}) for number in (100, 101))
    snapshot = Snapshot.of(state, briefs)
    assert snapshot.numbers <= members.keys()
    begun = State.start(strategy, 3, entry="solve")
    restored, asked = snapshot.restored(begun, lambda number, _: members[number], seen=deepcopy(state.seen))
    assert restored == state
    assert asked == briefs
    for one in offers[100:]:
        assert tell(restored, one) == tell(state, one)
    assert restored == state
    assert ask(restored, 160, operators={"perturb": (1.0, 1)}) == ask(state, 160, operators={"perturb": (1.0, 1)})


def test_an_archive_of_no_known_name_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="no archive 'heap'; there are examples, grid, objectives, signatures, top-k"):
        with_archive(STILL, "heap")
    assert with_archive(STILL, "top-k") is STILL
    assert with_archive(STILL, "grid").archive_size == ARCHIVES["grid"].size


def test_an_older_strategy_without_these_words_is_what_it_was() -> None:
    islands = settled(Strategy(name="old", operators={}))
    assert islands.add(member(1, [0.0, 1.0]), 0, told=1) is AddStatus.BEST
    assert islands.turn(told=1_000_001, seed=0) == Moves()
    assert islands[0].draw(random.Random(0)).candidate.number in (0, 1)
