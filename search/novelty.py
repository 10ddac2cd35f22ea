"""Novelty: whether a program is a known one in other words, is near one, or answers like one that it is near.

Nearness is the Jaccard similarity of two sets of shingles (three tokens in a row of the normal form), estimated from sketches: MinHash
(Broder, 1997) of 128 values, of each of which 8 bits are kept (Li and König, arXiv 0910.3349). Sketches are compared one by one with those
of the last 8,192 candidates, which takes a fixed time and misses none. Locality-sensitive hashing would not: its buckets are short where
near neighbours are rare, and in a population that descends from one seed everybody is near.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from graftwork.evaluators.evaluation import Evaluation
from graftwork.programs.normal import normal
from graftwork.programs.program import Program

from .candidate import Traits
from .digest_index import DigestIndex
from .rows import output_columns

__all__ = ["KEPT", "SKETCH_BYTES", "WINDOW", "Near", "Novelty", "answers_of", "traits_of"]

SKETCH_BYTES: Final = 128
WINDOW: Final = 8_192
"""Candidates that a program is compared with: the last ones. Each takes 152 bytes."""
_LAG: Final = 1_024  # the longest window of work in flight: what is known as of then is still there
KEPT: Final = WINDOW + _LAG
"""Candidates of which sketches and answers are kept."""
_SHINGLE: Final = 3
_BY_CHANCE: Final = 1 / 256  # how often the 8 bits of two different values agree
_DRAWS: Final = random.Random("sketch")
_FACTORS: Final = np.array([_DRAWS.getrandbits(64) | 1 for _ in range(SKETCH_BYTES)], dtype=np.uint64)
_TERMS: Final = np.array([_DRAWS.getrandbits(64) for _ in range(SKETCH_BYTES)], dtype=np.uint64)
_TELLING_CHARS: Final = 200
"""Length from which answers are alike for a reason: short ones, such as labels and numbers, are alike by chance, and an improvement of one
answer in ten would go unseen."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The nearest known candidate.

    Attributes:
        number: Which.
        similarity: Estimated share of shingles that both have, of those that either has; standard error at most 0.05.
    """

    number: int
    similarity: float


def traits_of(program: Program, *, entry: str) -> Traits:
    """The traits of a program.

    Args:
        program: The program.
        entry: The function that is called; empty where there is none.
    """
    form = normal(program, entry=entry)
    hashes = np.array(sorted({zlib.crc32(shingle) for shingle in _shingles(form.tokens)}), dtype=np.uint64)
    mixed = (hashes[:, None] * _FACTORS + _TERMS) >> np.uint64(32)  # Dietzfelbinger, 1996: nearly universal for 32-bit keys
    return Traits(normal=form.digest, sketch=mixed.min(axis=0).astype(np.uint8).tobytes().hex())


def answers_of(evaluation: Evaluation, n_examples: int) -> str | None:
    """A digest of the outputs on the first examples, as JSON; None where they tell too little: failures, or answers that are short."""
    ids = list(dict.fromkeys(judgement.outcome.example_id for judgement in evaluation.judgements))[:n_examples]
    probe = [judgement.outcome for judgement in evaluation.judgements if judgement.outcome.example_id in set(ids)]
    if any(outcome.failure is not None for outcome in probe):
        return None
    kept = [output_columns(outcome.output) for outcome in probe]
    length = sum(len(str(value)) if name == "output" else _TELLING_CHARS for columns in kept for name, value in columns.items())
    if length < _TELLING_CHARS:
        return None
    said = [[outcome.example_id, outcome.repeat, dict(columns)] for outcome, columns in zip(probe, kept, strict=True)]
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).hexdigest()


def _shingles(tokens: tuple[str, ...]) -> Iterator[bytes]:
    """Tokens three in a row; a text counts as its words."""
    words = [word for token in tokens for word in (token.split() or [""])]
    for place in range(max(1, len(words) - _SHINGLE + 1)):
        yield "\n".join(words[place : place + _SHINGLE]).encode("utf-8", "surrogatepass")


class Novelty:
    """What is known of the told candidates. A value: equal to another that learned the same in the same order.

    Normal forms are known for good; nearness and answers of the last `WINDOW` candidates. Everything is asked as of a number of told
    results, so that work in flight sees what it would have seen however long it takes.

    Args:
        forms: The normal forms that are known from the start, with the first candidate that has each.
    """

    def __init__(self, forms: DigestIndex | None = None) -> None:
        self._forms = DigestIndex() if forms is None else forms
        self._numbers = np.full(KEPT, -1, dtype=np.int64)
        self._sketches: Bytes = np.zeros((KEPT, SKETCH_BYTES), dtype=np.uint8)
        self._answers: Bytes = np.zeros((KEPT, 16), dtype=np.uint8)

    def learn(self, number: int, traits: Traits, *, answers: str | None = None, ran: bool = True) -> None:
        """Learn a told candidate, each once and in the order of telling.

        Args:
            number: The candidate's number: how many results had been told before it.
            traits: Of its program.
            answers: From `answers_of`; None where they tell too little.
            ran: Whether it was evaluated: only then is being near it of interest.
        """
        self._forms.add(traits.normal, number)
        if ran:
            slot = number % len(self._numbers)
            self._numbers[slot] = number
            self._sketches[slot] = _bytes(traits.sketch)
            self._answers[slot] = _bytes(answers or "00" * 16)

    def renamed(self, traits: Traits, *, as_of: int) -> int | None:
        """The first candidate of the same normal form among the first `as_of` results; None where there is none."""
        number = self._forms.get(traits.normal)
        return number if number is not None and number < as_of else None

    def nearest(self, traits: Traits, *, as_of: int) -> Near | None:
        """The nearest of the last candidates among the first `as_of` results, of equals the latest; None where there are none."""
        numbers, similarities = self._compared(traits, self._counting(as_of))
        if not len(numbers):
            return None
        most = similarities.max()
        return Near(number=int(numbers[similarities == most].max()), similarity=float(most))

    def answered_alike(self, traits: Traits, answers: str | None, *, near: float, as_of: int) -> int | None:
        """The first of the last candidates that is at least so near and gave the same answers; None where there is none.

        Args:
            traits: Of the program.
            answers: Its own, from `answers_of`.
            near: The least similarity.
            as_of: Told results that count.
        """
        if answers is None:
            return None
        numbers, similarities = self._compared(traits, self._counting(as_of) & (self._answers == _bytes(answers)).all(axis=1))
        alike = numbers[similarities >= near]
        return int(alike.min()) if len(alike) else None

    def _counting(self, as_of: int) -> npt.NDArray[np.bool_]:
        """Whether each of the candidates that are kept is among the last of the first `as_of` results."""
        return (self._numbers >= max(0, as_of - WINDOW)) & (self._numbers < as_of)

    def _compared(self, traits: Traits, which: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Some of the candidates that are kept: (n,) numbers, and (n,) similarities to a program."""
        agreeing = (self._sketches[which] == _bytes(traits.sketch)).mean(axis=1)
        similarities = np.clip((agreeing - _BY_CHANCE) / (1 - _BY_CHANCE), 0.0, 1.0)
        return self._numbers[which], similarities

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Novelty) and self._forms == other._forms and self._arrays == other._arrays

    @property
    def _arrays(self) -> tuple[bytes, bytes, bytes]:
        return self._numbers.tobytes(), self._sketches.tobytes(), self._answers.tobytes()

    __hash__ = None  # type: ignore[assignment]  # a mutable container, like a list


def _bytes(text: str) -> Bytes:
    return np.frombuffer(bytes.fromhex(text), dtype=np.uint8)
