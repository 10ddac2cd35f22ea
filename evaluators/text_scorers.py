"""Scorers of text: a pattern that must be found, and the tokens that it shares with reference answers."""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any, Final

from graftwork.programs.errors import TaskError

from .task import Example, Score, Scorer
from .wording import shown

__all__ = ["MATCH_S", "MOST_CHARS", "regex", "token_f1"]

MATCH_S: Final = 1.0
"""Seconds of processor time that the search for a pattern may take in one text."""
MOST_CHARS: Final = 200_000
"""Length of the text; on a longer one the search may take memory by the gigabyte."""

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_MOST_WORDS: Final = 12


def regex(pattern: str | None = None) -> Scorer:
    r"""A scorer that gives 1 where the pattern is found in the output's text, 0 elsewhere.

    A program can write text on which the search for a careless pattern, such as `(\w+\s?)*$`, does not end. So it is done by the package
    `regex`, which knows a timeout and lets other threads go on; text that takes longer than a second, or has more than 200,000 characters,
    is invalid.

    Args:
        pattern: In the syntax of `re`, found anywhere in the text: `\A` and `\Z` hold it to the whole, `(?i)` leaves case aside. None takes
            each example's target as its pattern.

    Raises:
        TaskError: If it is no pattern.
    """
    fixed = None if pattern is None else _compiled(pattern)

    def score(output: object, example: Example, /) -> Score:
        wanted = fixed or _compiled(example.target)
        if not isinstance(output, str):
            return Score(value=None, invalid=f"expected text, got {shown(output)}")
        if len(output) > MOST_CHARS:
            return Score(value=None, invalid=f"expected text of at most {MOST_CHARS} characters, got {len(output)}")
        try:
            found = wanted.search(output, timeout=MATCH_S, concurrent=True)
        except TimeoutError:
            return Score(value=None, invalid=f"no pattern is searched for longer than {MATCH_S:g} s in one text, got {shown(output)}")
        if found is not None:
            return Score(value=1.0, feedback="right")
        return Score(value=0.0, feedback=f"expected text that matches {shown(wanted.pattern)}, got {shown(output)}")

    return score


def token_f1(output: object, example: Example, /) -> Score:
    """How well the tokens of the output and of the target agree: the F1 of SQuAD, from 0 to 1.

    Tokens are words without case, punctuation and the articles a, an, the; their order does not count. F1 is the harmonic mean of the
    shares that the common tokens have of both; of several references the best counts. Where the reference is no answer, which is empty
    text, only no answer is right. As in `evaluate-v2.0.py` of SQuAD (Rajpurkar et al., arXiv 1606.05250 and 1806.03822).

    The target is one reference text, or a list of them.
    """
    references = [example.target] if isinstance(example.target, str) else example.target
    if not isinstance(references, list | tuple) or not references or not all(isinstance(text, str) for text in references):
        raise ValueError(f"the target of token_f1 must be text or a list of texts, not {example.target!r}")
    if not isinstance(output, str):
        return Score(value=None, invalid=f"expected text, got {shown(output)}")
    given = Counter(_tokens(output))
    # References of articles and punctuation alone count only where there are no others.
    counted = [tokens for text in references if (tokens := Counter(_tokens(text)))] or [Counter()]
    value, best = max(((_f1(given, tokens), tokens) for tokens in counted), key=lambda pair: pair[0])
    if value == 1.0:
        return Score(value=1.0, feedback="right")
    return Score(value=value, feedback=f"F1 {value:.2f}: {_differing(given, best)}; expected {shown(example.target)}, got {shown(output)}")


def _compiled(pattern: object) -> Any:
    import regex as engine  # here, for it takes longer to import than all scorers

    if not isinstance(pattern, str):
        raise TaskError(f"a pattern must be text, not {pattern!r}")
    try:
        return engine.compile(pattern)
    except engine.error as error:
        raise TaskError(f"{pattern!r} is no pattern: {error}") from None


def _tokens(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _f1(given: Counter[str], expected: Counter[str]) -> float:
    n_given, n_expected = given.total(), expected.total()
    if not n_given or not n_expected:
        return float(n_given == n_expected)
    return 2 * (given & expected).total() / (n_given + n_expected)


def _differing(given: Counter[str], expected: Counter[str]) -> str:
    sides = (("lacks", expected - given), ("should not have", given - expected))
    return ", ".join(f"it {what} {_words(tokens)}" for what, tokens in sides if tokens) or "nothing"


def _words(tokens: Counter[str]) -> str:
    named = " ".join(map(shown, sorted(tokens)[:_MOST_WORDS]))
    return f"{named} and {len(tokens) - _MOST_WORDS} more" if len(tokens) > _MOST_WORDS else named
