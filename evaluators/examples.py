"""Examples: from a person's rows to examples with ids, and from examples to splits that share none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeAlias, cast

from graftwork.programs.errors import TaskError
from graftwork.programs.wire import to_json

from .canonical import canonical_json
from .task import SPLITS, Example, Split

__all__ = ["MIN_VAL_FOR_CONFIRM", "ExampleRow", "PlacedRow", "RowPlace", "make_examples", "split_examples"]


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row stands, for messages.

    Attributes:
        source: What it stands in: a file, or the name of a list.
        number: Which it is: from 1 in a file, from 0 in a list.
        unit: What is counted in a file: `line` or `row`; empty for a list.
    """

    source: str
    number: int
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.source}, {self.unit} {self.number}" if self.unit else f"{self.source}[{self.number}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRow:
    """A row of a dataset that knows where it stands.

    Attributes:
        inputs: By parameter name.
        target: What the scorer compares with.
        place: Where it was read.
    """

    inputs: Mapping[str, object]
    target: object
    place: RowPlace


ExampleRow: TypeAlias = Mapping[str, object] | Sequence[object] | Example | PlacedRow
"""`(inputs, target)` or `{"inputs": …, "target": …}`; inputs by parameter name, or a bare value for the only parameter.

What `read_examples` gives is a row, too.
"""

_Placed: TypeAlias = dict[str, tuple[Example, RowPlace]]
"""Examples by id, in order, and where each stands."""

MIN_VAL_FOR_CONFIRM: Final = 9
"""With fewer validation examples none is set aside for confirmation: a third of them would be too few to tell finalists apart."""


def make_examples(rows: Iterable[ExampleRow], *, parameters: Sequence[str] = (), name: str = "examples") -> tuple[Example, ...]:
    """The examples of some rows, in their order.

    Args:
        rows: A person's rows. A mapping of inputs is always by parameter name, so a bare value is never a mapping.
        parameters: The entry's parameters; with exactly one, inputs may be a bare value.
        name: What messages call the rows.

    Raises:
        TaskError: If a row has another shape, is not JSON with finite numbers, or stands there twice.
    """
    return _examples(_placed(rows, parameters, name))


def split_examples(
    rows: Iterable[ExampleRow] | Mapping[str, Iterable[ExampleRow]], *, parameters: Sequence[str] = (), confirm_share: float = 1 / 3
) -> Mapping[Split, tuple[Example, ...]]:
    """Examples by split, every split there, in the order given; ids are disjoint.

    One list is cut in the order of a digest of each id, so that the cut follows from the content alone: a quarter is train, a
    quarter test, the rest val. Of splits given by name train and test may be left out and are empty then; a val left out is cut
    from train, half of it. Without a confirm split, `confirm_share` of val is cut off in the same manner, if val has at least
    `MIN_VAL_FOR_CONFIRM` examples; else confirm is empty and finalists are compared on val.

    Args:
        rows: All rows, or rows by split.
        parameters: The entry's parameters, as for `make_examples`.
        confirm_share: From 0 (no confirm split) to below 1.

    Raises:
        TaskError: If a split is unknown, val is empty, an example is in two splits, or a row is wrong.
    """
    if not 0 <= confirm_share < 1:
        raise TaskError(f"confirm_share must be at least 0 and below 1, not {confirm_share!r}")
    splits: dict[Split, tuple[Example, ...]]
    if isinstance(rows, Mapping):
        splits = _by_name(cast("Mapping[str, Iterable[ExampleRow]]", rows), parameters)  # a row that is a mapping is no iterable of rows
    else:
        train, rest = _cut(examples := make_examples(rows, parameters=parameters), len(examples) // 4)
        test, val = _cut(rest, len(examples) // 4)
        splits = {"train": train, "val": val, "test": test}
    if not splits["val"]:
        raise TaskError("a task needs at least one validation example, and val is empty: give examples, or a longer list")
    if "confirm" not in splits:
        n_confirm = round(len(splits["val"]) * confirm_share) if len(splits["val"]) >= MIN_VAL_FOR_CONFIRM else 0
        splits["confirm"], splits["val"] = _cut(splits["val"], n_confirm)
    return {split: splits[split] for split in SPLITS}


def _by_name(rows: Mapping[str, Iterable[ExampleRow]], parameters: Sequence[str]) -> dict[Split, tuple[Example, ...]]:
    unknown = [name for name in rows if name not in SPLITS]
    if unknown:
        raise TaskError(f"examples are one list, or lists by split ({', '.join(SPLITS)}); {unknown[0]!r} is no split")
    placed: dict[Split, _Placed] = {split: _placed(rows[split], parameters, split) for split in SPLITS if split in rows}
    _refuse_shared(placed)
    splits: dict[Split, tuple[Example, ...]] = {split: _examples(of_split) for split, of_split in placed.items()}
    if "val" not in splits:
        train = splits.get("train", ())
        splits["train"], splits["val"] = _cut(train, len(train) // 2)
    splits.setdefault("train", ())
    splits.setdefault("test", ())
    return splits


def _cut(examples: tuple[Example, ...], n: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """`n` examples, chosen by a digest of their ids, and the others; both in the order given."""
    # Digested once more, so that whoever sorts or buckets by id meets no pattern of ours.
    chosen = {example.id for example in sorted(examples, key=lambda item: blake2b(item.id.encode()).digest())[:n]}
    return tuple(e for e in examples if e.id in chosen), tuple(e for e in examples if e.id not in chosen)


def _placed(rows: Iterable[ExampleRow], parameters: Sequence[str], name: str) -> _Placed:
    placed: _Placed = {}
    for number, row in enumerate(_iterated(rows, name)):
        place = row.place if isinstance(row, PlacedRow) else RowPlace(name, number)
        example = row if isinstance(row, Example) else _make_example(row, parameters, place)
        if example.id in placed:
            raise TaskError(f"{place} is the same as {placed[example.id][1]} ({_shown(example)}): remove one of them")
        placed[example.id] = example, place
    return placed


def _examples(placed: _Placed) -> tuple[Example, ...]:
    return tuple(example for example, _ in placed.values())


def _refuse_shared(splits: Mapping[Split, _Placed]) -> None:
    home: dict[str, Split] = {}
    for split, placed in splits.items():
        for example, place in placed.values():
            if (other := home.setdefault(example.id, split)) != split:
                places = f"{splits[other][example.id][1]} and {place}"
                raise TaskError(f"an example is in both {other} and {split} ({_shown(example)}), at {places}: keep it in one of them")


def _make_example(row: object, parameters: Sequence[str], where: RowPlace) -> Example:
    inputs, target = (row.inputs, row.target) if isinstance(row, PlacedRow) else _parts(row, where)
    named = _named(inputs, parameters, where)
    try:
        content = canonical_json([to_json(named), to_json(target)])
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskError(f"{where} must be JSON values with finite numbers, numpy arrays or dataclasses: {error}") from None
    # Inputs are read back: what a program sees is then our own copy, and plain JSON whatever the row was made of.
    return Example(id=blake2b(content, digest_size=8).hexdigest(), inputs=json.loads(content)[0], target=target)


def _parts(row: object, where: RowPlace) -> tuple[object, object]:
    if isinstance(row, Mapping):
        strange = sorted(set(row) - {"inputs", "target"}, key=str)
        if "inputs" not in row or strange:
            came = f"the keys {', '.join(map(str, row))}" if row else "an empty mapping"
            raise TaskError(f'{where} must be (inputs, target) or {{"inputs": …, "target": …}}, not a mapping with {came}')
        return row["inputs"], row.get("target")
    if isinstance(row, tuple | list) and len(row) == 2:
        return row[0], row[1]
    length = f" of length {len(row)}" if isinstance(row, tuple | list) else ""
    raise TaskError(f'{where} must be (inputs, target) or {{"inputs": …, "target": …}}, not a {type(row).__name__}{length}')


def _named(inputs: object, parameters: Sequence[str], where: RowPlace) -> Mapping[str, object]:
    if isinstance(inputs, Mapping):
        return inputs
    if len(parameters) == 1:
        return {parameters[0]: inputs}
    names = f"its parameters are {', '.join(parameters)}" if parameters else "such as {'question': …}"
    raise TaskError(f"{where}: inputs must be a mapping by the entry's parameter names ({names}), not a {type(inputs).__name__}")


def _iterated(rows: Iterable[ExampleRow], name: str) -> Iterable[ExampleRow]:
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise TaskError(f"{name} must be a list of examples, not a {type(rows).__name__}")
    return rows


def _shown(example: Example) -> str:
    return f"id {example.id}, inputs {json.dumps(example.inputs, ensure_ascii=False):.80}"
