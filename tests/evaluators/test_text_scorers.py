"""Patterns and tokens: what counts, what is said, and that no text holds the search for a pattern up."""

from __future__ import annotations

import threading
import time
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.task import Example, Score, Scorer
from graftwork.evaluators.text_scorers import MATCH_S, MOST_CHARS, regex, token_f1
from graftwork.programs.errors import TaskError

WORDS: Final = st.lists(st.sampled_from(["cat", "dog", "The", "a", "house,", "Red", "red", "x-ray", "...", "ünïted"]), max_size=8)
TEXTS: Final = WORDS.map(" ".join)


def _score(scorer: Scorer, output: object, target: object = None) -> Score:
    score = scorer(output, Example(id="0" * 16, inputs={}, target=target))
    assert isinstance(score, Score)
    return score


@pytest.mark.parametrize(
    ("pattern", "target", "output", "value"),
    [
        (r"\bParis\b", None, "It is Paris.", 1.0),
        (r"\bParis\b", None, "Parisian", 0.0),
        (r"(?i)\Aparis\Z", None, "PARIS", 1.0),
        (r"\Aparis\Z", None, "paris\n", 0.0),
        (None, r"\d{3}-\d{4}", "call 555-1234", 1.0),
        (None, r"\d{3}-\d{4}", "call 5551234", 0.0),
    ],
)
def test_a_pattern_is_found_anywhere_unless_it_is_anchored(pattern: str | None, target: object, output: str, value: float) -> None:
    assert _score(regex(pattern), output, target).value == value


def test_what_does_not_match_hears_the_pattern() -> None:
    assert _score(regex(r"\d+"), "none").feedback == r'expected text that matches "\\d+", got "none"'
    assert "expected text, got 5" in _score(regex(r"\d+"), 5).invalid


@pytest.mark.parametrize("pattern", [r"(a|a)*$", r"(\w+\s?)*$", r"(x+x+)+y"])
def test_text_on_which_a_pattern_takes_for_ever_is_invalid_and_holds_nobody_up(pattern: str) -> None:
    text = {"(": "a" * 50 + "!", "w": "word " * 5000 + "!", "x": "x" * 5000}["w" if "w" in pattern else "x" if "x" in pattern else "("]
    ticks, done = 0, threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    clock = threading.Thread(target=tick)
    clock.start()
    began = time.process_time()
    score = _score(regex(pattern), text)
    used = time.process_time() - began
    done.set()
    clock.join()
    assert "no pattern is searched for longer than 1 s" in score.invalid
    assert used < 2 * MATCH_S
    assert ticks > 20


def test_a_pattern_is_not_searched_for_in_text_without_end() -> None:
    assert _score(regex("x"), "a" * (MOST_CHARS - 1) + "x").value == 1.0
    assert _score(regex("x"), "a" * MOST_CHARS + "x").invalid == "expected text of at most 200000 characters, got 200001"


@pytest.mark.parametrize("given_pattern", ["(", "[a", "*"])
def test_a_pattern_that_is_none_is_the_task_authors_mistake(given_pattern: str) -> None:
    with pytest.raises(TaskError, match="is no pattern"):
        regex(given_pattern)
    with pytest.raises(TaskError, match="is no pattern"):
        _score(regex(), "text", given_pattern)
    with pytest.raises(TaskError, match="a pattern must be text, not 5"):
        _score(regex(), "text", 5)


@pytest.mark.parametrize(
    ("output", "target", "value"),
    [
        ("The Eiffel Tower!", "eiffel tower", 1.0),
        ("Paris, France", "Paris", 2 / 3),
        ("Paris", ["Lyon", "Paris"], 1.0),
        ("", "", 1.0),
        ("the", "", 1.0),
        ("Paris", "", 0.0),
        ("", "Paris", 0.0),
        ("Paris", ["", "Paris"], 1.0),
        ("", ["", "Paris"], 0.0),
        ("cat cat", "cat", 2 / 3),
    ],
)
def test_f1_is_that_of_squad(output: str, target: object, value: float) -> None:
    assert _score(token_f1, output, target).value == pytest.approx(value)


def test_f1_says_which_tokens_differ() -> None:
    feedback = _score(token_f1, "big red dog", "the red cat").feedback
    assert feedback == 'F1 0.40: it lacks "cat", it should not have "big" "dog"; expected "the red cat", got "big red dog"'
    assert " and 88 more" in _score(token_f1, " ".join(f"w{n}" for n in range(100)), "w").feedback


@given(one=TEXTS, other=TEXTS)
def test_f1_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    value = _score(token_f1, one, other).value
    assert value is not None
    assert 0.0 <= value <= 1.0
    assert value == _score(token_f1, other, one).value


@given(words=WORDS, other=TEXTS, rng=st.randoms(use_true_random=False))
def test_neither_case_nor_punctuation_nor_articles_nor_order_change_f1(words: list[str], other: str, rng: object) -> None:
    changed = [f"{word.upper()}!" for word in words] + ["an", "The"]
    rng.shuffle(changed)  # type: ignore[attr-defined]  # hypothesis gives no type to its randoms
    assert _score(token_f1, "  ".join(changed), other).value == _score(token_f1, " ".join(words), other).value


@given(output=TEXTS, references=st.lists(TEXTS.filter(lambda text: "cat" in text), min_size=1, max_size=4))
def test_the_best_of_several_references_counts(output: str, references: list[str]) -> None:
    values = [_score(token_f1, output, text).value for text in references]
    assert _score(token_f1, output, references).value == max(value for value in values if value is not None)


@pytest.mark.parametrize("target", [None, 5, [], [5]])
def test_a_target_without_text_is_the_task_authors_mistake(target: object) -> None:
    with pytest.raises(ValueError, match="the target of token_f1 must be text or a list of texts"):
        _score(token_f1, "text", target)


def test_output_that_is_no_text_is_invalid() -> None:
    for output in (None, 5, True, ["Paris"]):
        assert _score(token_f1, output, "Paris").invalid.startswith("expected text, got ")
