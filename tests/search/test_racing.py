"""Tests of racing."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.errors import ConfigError, TaskError
from graftwork.search.racing import Race, Standing, shares

DIFFERENCES = st.lists(st.one_of(st.none(), st.floats(-1, 1)), max_size=40)


def run(race: Race, differences: list[float]) -> Standing:
    """The race to its end."""
    standing = Standing()
    while n := race.next_batch(standing):
        standing = race.extend(standing, differences[standing.n : standing.n + n])
    return standing


@pytest.mark.parametrize(
    "law", [{1.0: 0.5, -1.0: 0.5}, {1.0: 0.1, 0.0: 0.8, -1.0: 0.1}, {0.1: 0.9, -0.9: 0.1}, {1.0: 0.1, -0.5: 0.2, 0.0: 0.7}]
)
@pytest.mark.parametrize("race", [Race(), Race(smallest_gain=0.5), Race(smallest_gain=0.01)])
def test_the_capital_staked_on_a_child_that_is_no_better_never_grows_on_average(law: dict[float, float], race: Race) -> None:
    for n in (1, 4, 7):
        expected = 0.0
        for draws in itertools.product(law, repeat=n):
            standing = race.extend(Standing(), draws)
            expected += math.prod(law[draw] for draw in draws) * standing.capital
        assert expected == pytest.approx(1)


@pytest.mark.parametrize("gain", [0.05, 0.1, 0.3])
def test_the_mirrored_capital_never_grows_on_average_for_a_child_with_the_gain_of_interest(gain: float) -> None:
    law = {1.0: (0.4 + gain) / 2, -1.0: (0.4 - gain) / 2, 0.0: 0.6}
    race = Race(smallest_gain=gain)
    expected = sum(
        math.prod(law[draw] for draw in draws) * race.extend(Standing(), draws).against for draws in itertools.product(law, repeat=6)
    )
    assert expected == pytest.approx(1)


@given(DIFFERENCES, st.integers(0, 40))
def test_a_race_stands_where_its_differences_put_it_in_however_many_batches_they_came(differences: list[float | None], cut: int) -> None:
    race = Race()
    assert race.extend(race.extend(Standing(), differences[:cut]), differences[cut:]) == race.extend(Standing(), differences)


@given(DIFFERENCES)
def test_what_could_not_be_judged_is_counted_and_moves_nothing(differences: list[float | None]) -> None:
    race = Race()
    judged = race.extend(Standing(), [one for one in differences if one is not None])
    standing = race.extend(Standing(), differences)
    assert (standing.n, standing.n_judged) == (len(differences), judged.n)
    assert (standing.capital, standing.against, standing.squares) == (judged.capital, judged.against, judged.squares)


def test_the_capital_has_to_be_there_at_the_end_of_a_batch() -> None:
    race = Race()
    won = race.extend(Standing(), [1.0] * 20)
    assert race.verdict(won) == "promoted"
    assert race.next_batch(won) == 0
    assert race.verdict(race.extend(won, [-1.0] * 30)) != "promoted"


def test_a_child_that_never_differs_is_dropped() -> None:
    standing = run(Race(), [0.0] * 300)
    assert Race().verdict(standing) == "dropped"
    assert standing.n < 60


def test_a_child_that_is_always_worse_is_dropped_after_the_first_batch() -> None:
    race = Race()
    standing = run(race, [-1.0] * 300)
    assert (race.verdict(standing), standing.n) == ("dropped", race.first)


def test_a_race_without_examples_left_is_undecided_and_over() -> None:
    race = Race(first=2).within(2)
    standing = race.extend(Standing(), [0.1, 0.1])
    assert race.verdict(standing) == "undecided"
    assert race.next_batch(standing) == 0


def test_a_race_that_cannot_be_won_any_more_is_dropped_before_the_examples_run_out() -> None:
    level = [1.0, -1.0] * 3
    assert Race().verdict(Race().extend(Standing(), level)) == "undecided"
    assert Race().within(8).verdict(Race().within(8).extend(Standing(), level)) == "dropped"


@pytest.mark.parametrize("n", [1, 5, 20, 300])
def test_a_race_over_few_examples_begins_all_the_same(n: int) -> None:
    assert Race().within(n).next_batch(Standing()) == min(n, Race().first)


def test_a_large_gain_is_found_on_few_examples() -> None:
    race = Race().within(20)
    assert race.verdict(Race().within(20).extend(Standing(), [1.0] * 9)) == "promoted"
    assert Race().verdict(Race().extend(Standing(), [1.0] * 7)) == "undecided"


def test_batches_grow_with_the_race_and_never_pass_its_end() -> None:
    race = Race(first=4, growth=0.5, at_most=30)
    sizes = [race.next_batch(Standing(n=n, unjudged=n)) for n in (0, 4, 8, 12, 18, 27, 30)]
    assert sizes == [4, 4, 4, 6, 9, 3, 0]


def test_of_children_no_better_few_are_promoted_and_of_much_better_ones_most() -> None:
    rng, race = random.Random(3), Race()

    def promoted(gain: float) -> float:
        weights = (0.1 + gain / 2, 0.1 - gain / 2, 0.8)
        races = (run(race, rng.choices((1.0, -1.0, 0.0), weights, k=300)) for _ in range(400))
        return sum(race.verdict(standing) == "promoted" for standing in races) / 400

    assert promoted(0.0) <= 0.05
    assert promoted(0.1) >= 0.78


@pytest.mark.parametrize("difference", [1.2, -1.01, math.nan, math.inf])
def test_differences_beyond_the_range_are_refused(difference: float) -> None:
    with pytest.raises(ValueError, match=r"in \[-1, 1\]"):
        Race().extend(Standing(), [difference])


def test_shares_are_of_the_width_of_the_range_and_none_where_a_side_was_not_judged() -> None:
    assert shares([10.0, None, 30.0, 50.0], [20.0, 20.0, None, 10.0], (10.0, 50.0)) == (-0.25, None, None, 1.0)


@pytest.mark.parametrize("score_range", [(0.0, math.inf), (-math.inf, 1.0), (-1e308, 1e308), (1.0, 1.0), (2.0, 1.0)])
def test_a_range_without_a_finite_width_cannot_be_raced_in(score_range: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="finite width"):
        shares([1.0], [1.0], score_range)


def test_a_score_outside_the_range_is_the_tasks_fault() -> None:
    with pytest.raises(TaskError, match=r"1\.5 times the width"):
        shares([1.5], [0.0], (0.0, 1.0))


@pytest.mark.parametrize(
    "wrong", [{"level": 0.0}, {"smallest_gain": 1.0}, {"missed": 1.5}, {"first": 0}, {"growth": -0.1}, {"growth": math.nan}]
)
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Race(**wrong)  # type: ignore[arg-type]  # floats stand for every setting here
