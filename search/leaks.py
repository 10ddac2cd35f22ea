"""Leaks: whether a program holds examples that it was never shown.

Three ways to hold one are looked for: a passage of its text (word n-grams, as contamination of training data is looked for: Brown et al.,
arXiv 2005.14165, appendix C), its input or target as a whole list or table, and a table of short inputs with the right answers.

What the seed or a train example holds is no leak, nor what stands in two held-out examples: that is the task's own wording. Examples made
from one template share most of their words, so a passage counts as held only where at least a third of what is its own is there.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from graftwork.evaluators.task import Example, Split, Task
from graftwork.programs.program import Program

from .literals import Literals, leaves, literals_of

__all__ = ["GRAM_WORDS", "Leak", "LeakIndex"]

GRAM_WORDS: Final = 6
"""Words of an n-gram. Of those from 5 to 13 it accuses least and finds most: see `benchmarks/leaks.py` and `docs/leaks.md`."""

_PASSAGE_WORDS: Final = 40  # a text is looked at in passages of so many, so that a copied paragraph of a long one is found
_MOST_WORDS: Final = 1_000_000  # of all examples together, so that memory is bounded; of longer ones the beginnings
_FEWEST_WORDS: Final = 5  # of a text that is looked for as a whole
_SHARE: Final = 1 / 3  # of a passage's own n-grams
_FEWEST_GRAMS: Final = 3  # of its own; a longer passage with fewer is the task's wording
_FEWEST_LEAVES: Final = 16  # of a list or table that is looked for as a whole
_FEWEST_PAIRS: Final = 5  # of short inputs with their answers
_WEAK_DIGITS: Final = 3  # a number with fewer says nothing of where it is from
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\d+(?:\.\d+)?|[^\W\d_]+")
_GUARDED: Final[tuple[Split, ...]] = ("val", "confirm", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """An example that a program holds.

    Attributes:
        example_id: Which.
        split: Its split or transfer set.
        text: What the program holds of it, in words, up to 80 characters.
    """

    example_id: str
    split: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passage:
    """A piece of an example's text.

    Attributes:
        owner: Id and split of the example.
        text: Its words.
        needed: How many n-grams that only it has a program must have to hold it.
    """

    owner: tuple[str, str]
    text: str
    needed: int


@dataclass(slots=True, kw_only=True)
class LeakIndex:
    """What the held-out examples of a task hold that nobody was shown. Made once; a look-up costs what the program's text costs.

    Attributes:
        passages: Pieces of texts.
        places: Number of the passage that alone has an n-gram, by the n-gram's hash.
        lengths: Numbers of words that n-grams have: `GRAM_WORDS`, and those of shorter texts.
        wholes: Owner of a long list or table, by its canonical form.
        answers: Owner and target of a short input, by its canonical form.
        shown: Canonical short inputs of train with their targets.
    """

    passages: tuple[_Passage, ...] = ()
    places: Mapping[int, int] = field(default_factory=dict)
    lengths: frozenset[int] = frozenset()
    wholes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    answers: Mapping[str, tuple[tuple[str, str], str]] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, *, n: int = GRAM_WORDS) -> LeakIndex:
        """The index of a task's val, confirm, test and transfer examples.

        Args:
            task: The task; one without examples gives an index that finds nothing.
            n: Words of an n-gram.
        """
        if not task.has_examples:
            return cls()
        sets = [*((name, task.splits.get(name, ())) for name in _GUARDED), *task.transfer.items()]
        held = [((example.id, name), example) for name, group in sets for example in group]
        train, seed = task.splits.get("train", ()), literals_of(task.seed.source)
        known = [*seed.texts, task.description, *(text for example in train for text in _texts(example))]
        passages, places, lengths = _passages(held, known, n=n, most=max(n, _MOST_WORDS // max(1, len(held))))
        known_values = {_canonical(value) for value in (*seed.values, *(v for example in train for v in _values(example)))}
        wholes = _only_once((_canonical(value), owner) for owner, example in held for value in _values(example) if _is_long(value))
        answers = {key: (owner, answer) for owner, example in held for key, answer in _answers(example)}
        in_seed = {_canonical(key) for key, _ in seed.pairs}
        return cls(
            passages=passages,
            places=places,
            lengths=lengths,
            wholes={text: owner for text, owner in wholes.items() if text not in known_values},
            answers={key: pair for key, pair in answers.items() if key not in in_seed},
            shown={key: answer for example in train for key, answer in _answers(example) if key not in in_seed},
        )

    def leaks(self, program: Program) -> tuple[Leak, ...]:
        """The held-out examples that a program holds, each once, in the order of their ids."""
        literals = literals_of(program.source)
        found: dict[str, Leak] = {}
        for leak in (*self._copied(literals), *self._listed(literals), *self._tabled(literals)):
            found.setdefault(leak.example_id, leak)
        return tuple(found[example_id] for example_id in sorted(found))

    def _copied(self, literals: Literals) -> Iterator[Leak]:
        """Passages of which the program's strings hold at least a third."""
        grams = {gram for text in literals.texts for length in self.lengths for gram in _grams(_words(text), length)}
        counts = Counter(self.places[gram] for gram in grams if gram in self.places)
        for place, count in sorted(counts.items()):
            passage = self.passages[place]
            if count >= passage.needed:
                yield _leak(passage.owner, passage.text)

    def _listed(self, literals: Literals) -> Iterator[Leak]:
        """Inputs and targets that stand in the program whole."""
        for value in literals.values:
            if _is_long(value) and (text := _canonical(value)) in self.wholes:
                yield _leak(self.wholes[text], text)

    def _tabled(self, literals: Literals) -> Iterator[Leak]:
        """Short inputs with their targets, where the program holds several, and of train at most half as large a share.

        Who knows the answers to what was shown as well as to what was not may have a rule, such as the words for numbers.
        """
        pairs = {_canonical(key): _canonical(value) for key, value in literals.pairs}
        hits = [(self.answers[key][0], f"{key}: {value}") for key, value in pairs.items() if self.answers.get(key, ("", ""))[1] == value]
        n_shown = sum(pairs.get(key) == answer for key, answer in self.shown.items())
        if len(hits) >= _FEWEST_PAIRS and len(hits) * max(1, len(self.shown)) > 2 * n_shown * len(self.answers):
            yield from (_leak(owner, text) for owner, text in hits)


def _leak(owner: tuple[str, str], text: str) -> Leak:
    return Leak(example_id=owner[0], split=owner[1], text=text if len(text) <= 80 else f"{text[:79]}…")


def _passages(
    held: Sequence[tuple[tuple[str, str], Example]], known: Iterable[str], *, n: int, most: int
) -> tuple[tuple[_Passage, ...], dict[int, int], frozenset[int]]:
    """The passages of some examples, the place of each n-gram that is one's own, and the lengths of n-grams."""
    owners: list[tuple[str, str]] = []
    pieces: list[list[str]] = []
    for owner, example in held:
        for text in _texts(example):
            words = _words(text)[:most]
            cut = [words[start : start + _PASSAGE_WORDS + n - 1] for start in range(0, max(1, len(words) - n + 1), _PASSAGE_WORDS)]
            pieces += [piece for piece in cut if len(piece) >= _FEWEST_WORDS]
            owners += [owner for piece in cut if len(piece) >= _FEWEST_WORDS]
    grams = [frozenset(_grams(piece, min(n, len(piece)))) for piece in pieces]
    lengths = frozenset(min(n, len(piece)) for piece in pieces)
    shown = {gram for text in known for length in lengths for gram in _grams(_words(text), length)}
    holders: dict[int, set[str]] = {}
    for (example_id, _), of_piece in zip(owners, grams, strict=True):
        for gram in of_piece - shown:
            holders.setdefault(gram, set()).add(example_id)
    passages: list[_Passage] = []
    places: dict[int, int] = {}
    for owner, piece, of_piece in zip(owners, pieces, grams, strict=True):
        own = [gram for gram in of_piece if len(holders.get(gram, ())) == 1]
        if len(own) >= min(_FEWEST_GRAMS, max(1, len(piece) - n + 1)):
            places.update((gram, len(passages)) for gram in own)
            needed = min(len(own), math.ceil(_SHARE * len(of_piece)))
            passages.append(_Passage(owner=owner, text=" ".join(piece), needed=needed))
    return tuple(passages), places, lengths


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _grams(words: Sequence[str], length: int) -> Iterator[int]:
    """Hashes of the runs of so many words that say where they are from: not of short numbers or one word over and over."""
    weak = [word[0].isdigit() and len(word) < _WEAK_DIGITS for word in words]
    for start in range(len(words) - length + 1):
        run = words[start : start + length]
        if 2 * sum(weak[start : start + length]) <= length and 2 * len(set(run)) > length:
            yield hash(tuple(run))


def _texts(example: Example) -> Iterator[str]:
    """The text of each input and of the target."""
    for value in _values(example):
        yield " ".join(str(leaf) for leaf in leaves(value))


def _values(example: Example) -> tuple[object, ...]:
    return (*example.inputs.values(), example.target)


def _answers(example: Example) -> Iterator[tuple[str, str]]:
    """The canonical forms under which a table may hold an example's inputs, with its target's."""
    if example.target is not None:
        values = list(example.inputs.values())
        for key in (values[0], dict(example.inputs)) if len(values) == 1 else (dict(example.inputs), values):
            yield _canonical(key), _canonical(example.target)


def _canonical(value: object) -> str:
    """One text for values that mean the same: case and spaces, kinds of sequences and numbers, and the order of keys do not count."""
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{_canonical(key)}:{_canonical(item)}" for key, item in value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return " ".join(str(value).casefold().split())
    return f"{value:g}" if abs(value) < 1e6 else repr(value)


def _is_long(value: object) -> bool:
    return isinstance(value, list | tuple | Mapping) and sum(1 for _ in leaves(value)) >= _FEWEST_LEAVES


def _only_once(pairs: Iterable[tuple[str, tuple[str, str]]]) -> dict[str, tuple[str, str]]:
    """The owners of what has one owner only."""
    owners: dict[str, set[tuple[str, str]]] = {}
    for text, owner in pairs:
        owners.setdefault(text, set()).add(owner)
    return {text: next(iter(of_text)) for text, of_text in owners.items() if len(of_text) == 1}
