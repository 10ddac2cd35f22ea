"""JSON equality: a scorer that compares values, or texts read as JSON, and names the first place where they differ."""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from graftwork.programs.errors import TaskError
from graftwork.programs.wire import to_json

from .task import Example, Score, Scorer
from .tolerance import Tolerance
from .wording import as_number, shown

__all__ = ["json_equality"]

_NOTHING: Final = object()


def json_equality(*, ignore: Collection[str] = (), tolerance: float = 0.0, relative: float = 0.0, ordered: bool = True) -> Scorer:
    """A scorer that gives 1 where output and target are the same JSON, else 0 with the first place where they differ, such as `$.a[2]`.

    The order of keys never counts; 2 and 2.0 are one number, true is none. Text is read as JSON on both sides, where it can be; text that
    cannot equals only itself, and is invalid where the target is something else than text.

    Args:
        ignore: Keys that do not count, in every object.
        tolerance: How far a number may be off, at least 0.
        relative: The same as a share of the expected number, from 0 to below 1.
        ordered: Whether the order of lists counts; else each expected entry needs one of its own.

    Raises:
        TaskError: If a tolerance is none, or `ignore` is a lone text.
    """
    if isinstance(ignore, str) or not all(isinstance(key, str) for key in ignore):
        raise TaskError(f"ignore must be a list of keys, not {ignore!r}")
    rules = _Rules(ignore=frozenset(ignore), tolerance=Tolerance(absolute=tolerance, relative=relative), ordered=ordered)

    def score(output: object, example: Example, /) -> Score:
        target = to_json(example.target)
        expected, _ = _read(target)
        given, trouble = _read(output)
        if trouble and not isinstance(expected, str):
            return Score(value=None, invalid=f"expected JSON, got {shown(output)}: {trouble}")
        try:
            difference = rules.difference(given, expected, "$")
        except RecursionError:
            difference = "it is nested too deeply to be compared"
        return Score(value=0.0, feedback=difference) if difference else Score(value=1.0, feedback="right")

    return score


def _read(value: object) -> tuple[object, str]:
    """The value that a text is as JSON, or the text as it is and why it is none; any other value as it is."""
    if not isinstance(value, str):
        return value, ""
    try:
        return json.loads(value, parse_float=_finite, parse_constant=_finite), ""
    except (ValueError, RecursionError) as error:
        return value, f"{error}"[:120]


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What counts as equal."""

    ignore: frozenset[str]
    tolerance: Tolerance
    ordered: bool

    def difference(self, given: object, expected: object, path: str) -> str:
        """The first difference in words, with its path; empty where there is none."""
        if isinstance(given, dict) and isinstance(expected, dict):
            return next(self._between_objects(given, expected, path), "")
        if isinstance(given, list) and isinstance(expected, list):
            differences = self._in_order(given, expected, path) if self.ordered else self._in_any_order(given, expected, path)
            return next(differences, "")
        return "" if self._same(given, expected) else f"at {path}: expected {_told(expected)}, got {_told(given)}"

    def _between_objects(self, given: Mapping[str, object], expected: Mapping[str, object], path: str) -> Iterator[str]:
        keys = [*expected, *(key for key in given if key not in expected)]
        for key in keys:
            if key not in self.ignore:
                there = f"{path}.{key}" if key.isidentifier() and len(key) <= 80 else f"{path}[{shown(key)}]"
                if difference := self.difference(given.get(key, _NOTHING), expected.get(key, _NOTHING), there):
                    yield difference

    def _in_order(self, given: Sequence[object], expected: Sequence[object], path: str) -> Iterator[str]:
        for place, (one, other) in enumerate(zip(given, expected, strict=False)):
            if difference := self.difference(one, other, f"{path}[{place}]"):
                yield difference
        if len(given) != len(expected):
            yield f"at {path}: expected {len(expected)} entries, got {len(given)}"

    def _in_any_order(self, given: Sequence[object], expected: Sequence[object], path: str) -> Iterator[str]:
        if len(given) != len(expected):
            yield f"at {path}: expected {len(expected)} entries, got {len(given)}"
        elif (lonely := self._unpaired(given, expected)) is not None:
            yield f"at {path}: no entry for the expected {shown(expected[lonely])}"

    def _unpaired(self, given: Sequence[object], expected: Sequence[object]) -> int | None:
        """The place of an expected entry that is left where each takes one of the given; None where all find one."""
        if self.tolerance.is_none:
            left = Counter(map(self._text, given))
            for place, entry in enumerate(expected):
                text = self._text(entry)
                if not left[text]:
                    return place
                left[text] -= 1
            return None
        # Sorted, an entry mostly stands where its partner does, so that few pairs are compared.
        places = sorted(range(len(expected)), key=lambda place: self._order(expected[place]))
        others = sorted(given, key=self._order)
        lonely = _first_unpaired(len(others), lambda one, other: not self.difference(others[other], expected[places[one]], ""))
        return None if lonely is None else places[lonely]

    def _same(self, given: object, expected: object) -> bool:
        if isinstance(given, bool) or isinstance(expected, bool):
            return given is expected
        if given == expected:
            return True
        number, other = as_number(given), as_number(expected)
        return math.isfinite(number) and math.isfinite(other) and self.tolerance.holds(number, other)

    def _text(self, value: object) -> str:
        """One text for all values that are equal by these rules, but for the tolerance; lists in any order."""
        if isinstance(value, dict):
            return f"{{{','.join(sorted(f'{json.dumps(key)}:{self._text(value[key])}' for key in value if key not in self.ignore))}}}"
        if isinstance(value, list):
            return f"[{','.join(sorted(map(self._text, value)))}]"
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        # Hexadecimal, for Python writes no decimal integer of more than 4,300 digits.
        return f"{value:x}" if type(value) is int else json.dumps(value)

    def _order(self, value: object) -> tuple[float, str]:
        number = as_number(value)
        return (math.inf, self._text(value)) if math.isnan(number) else (number, "")


def _first_unpaired(n: int, fits: Callable[[int, int], bool]) -> int | None:
    """The first of n entries that finds no partner among n others, when those before it have one each; None where all find one.

    Augmenting paths, breadth first (Kuhn 1955): an entry takes a partner from another if that one finds a new one.
    """
    partner: dict[int, int] = {}
    taken_by: dict[int, int] = {}
    for start in range(n):
        reached: dict[int, int] = {}
        queue, free = deque([start]), None
        while queue and free is None:
            entry = queue.popleft()
            for other in (*range(entry, n), *range(entry)):
                if other not in reached and fits(entry, other):
                    reached[other] = entry
                    if other not in taken_by:
                        free = other
                        break
                    queue.append(taken_by[other])
        if free is None:
            return start
        while free is not None:
            entry = reached[free]
            before = partner.get(entry)
            partner[entry], taken_by[free] = free, entry
            free = before
    return None


def _told(value: object) -> str:
    return "nothing" if value is _NOTHING else shown(value)
