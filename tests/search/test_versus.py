"""Two candidates are compared on the examples that both have."""

from __future__ import annotations

from graftwork.search.versus import Flip, versus


def test_wins_losses_and_ties_are_the_seconds_and_only_pairs_that_count_are_in() -> None:
    a = {"e0": 0.0, "e1": 1.0, "e2": 0.5, "e3": None, "e4": 1.0, "only a": 1.0}
    b = {"e0": 1.0, "e1": 0.25, "e2": 0.5, "e3": 1.0, "e4": None, "only b": 0.0}
    found = versus(a, b, seed=0)
    assert (found.wins, found.losses, found.ties, found.dropped) == (1, 1, 1, 2)
    assert (found.a, found.b) == (0.5, (1.0 + 0.25 + 0.5) / 3)
    assert found.difference is not None
    assert (found.difference.mean, found.difference.n) == ((1.0 - 0.75) / 3, 3)


def test_examples_that_differ_most_stand_first() -> None:
    found = versus({"x": 0.0, "y": 0.0, "z": 0.0, "same": 0.5}, {"x": 0.5, "y": -1.0, "z": 0.5, "same": 0.5}, seed=0)
    assert found.flips == (Flip(example_id="y", a=0.0, b=-1.0), Flip(example_id="x", a=0.0, b=0.5), Flip(example_id="z", a=0.0, b=0.5))


def test_where_nothing_counts_for_both_nothing_is_claimed() -> None:
    found = versus({"x": None}, {"x": 1.0}, seed=0)
    assert (found.a, found.b, found.difference, found.dropped) == (None, None, None, 1)
