"""Recorded: what a run holds of one candidate on val, so that its file can be run again: inputs, outputs, failures, replies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graftwork.evaluators.environment import OBSERVATION
from graftwork.evaluators.replay_endpoint import Replayed
from graftwork.evaluators.stage import first_observation
from graftwork.evaluators.task import Limits, Task
from graftwork.programs.errors import RunError
from graftwork.programs.wire import to_json
from graftwork.search.record import Record

__all__ = ["RecordedCase", "recorded_cases", "recorded_inputs", "replayed", "shortest_inputs", "write_inputs"]

_FILE: Final = "inputs.jsonl"
_MOST: Final = 32
# What gives the same again when it is run again. Time, memory and caps are the machine's and the run's.
_LASTING: Final = frozenset(("invalid", "crash", "forbidden"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCase:
    """What a program did on one val example.

    Attributes:
        example_id: The example's id.
        inputs: What it was given.
        output: JSON text of what it gave; None where it failed, gave None, or its text is long.
        output_digest: Of a long text, else None.
        failure: Kind and message of the failure, or None.
    """

    example_id: str
    inputs: Mapping[str, object]
    output: str | None
    output_digest: str | None
    failure: tuple[str, str] | None


def write_inputs(directory: Path, task: Task) -> None:
    """Keep the inputs of val beside a run, one JSON object a line; no targets."""
    lines = (json.dumps({"id": example.id, "inputs": to_json(example.inputs)}) + "\n" for example in task.splits["val"])
    (directory / _FILE).write_text("".join(lines), encoding="utf-8")


def recorded_inputs(record: Record) -> Mapping[str, Mapping[str, object]]:
    """What val gave the programs of a run, by example id.

    Raises:
        RunError: If the run keeps none, or they cannot be read.
    """
    file = record.path / _FILE
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise RunError(f"{file.parent} keeps no {_FILE}, without which nothing can be run again: it is an older run") from None
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {file}: {error}") from None
    return {row["id"]: row["inputs"] for row in rows}


def recorded_cases(record: Record, number: int) -> tuple[tuple[RecordedCase, ...], int]:
    """What can be run again of a candidate, those with few calls and short inputs first, at most 32; and how many val examples it has.

    Left out are failures that do not last: timeouts, memory, the run's caps, the endpoint's trouble, and outputs that the scorer refused,
    which are not kept.

    Raises:
        RunError: If the run is damaged, or keeps no inputs.
    """
    inputs = recorded_inputs(record)
    rows = {row["example_id"]: row for row in record.case_rows(number, "val") if row["repeat"] == 0}
    lasting = [row for row in rows.values() if row["example_id"] in inputs and _lasts(row)]
    lasting.sort(key=lambda row: (row["calls"], len(json.dumps(inputs[row["example_id"]])), row["example_id"]))
    return tuple(_case(row, inputs[row["example_id"]]) for row in lasting[:_MOST]), len(rows)


def replayed(record: Record) -> Replayed:
    """The run's recorded calls, as its task model answered them.

    Raises:
        RunError: If the run is damaged.
    """
    config = record.config
    calls = record.lasting_calls("task")
    settings = config["settings"]
    named = (settings[role]["model"] for role in ("task_model", "proposer") if role in settings)
    return Replayed(
        find=lambda key, draw: calls.get((key, draw)),
        alias=config.get("models", {}).get("task", ""),
        max_tokens=Limits(**config["task"]["limits"]).max_tokens,
        models=frozenset(named),
    )


def shortest_inputs(task: Task) -> Mapping[str, object] | None:
    """Inputs of the shortest train example, to show how the program is called; with an environment, what it shows at first too.

    None where a free evaluator alone knows how.

    Raises:
        TaskError: If the environment is at fault.
    """
    if task.evaluator is not None:
        return None
    example = min(task.splits.get("train") or task.splits["val"], key=lambda each: len(json.dumps(each.inputs)))
    if task.environment is None:
        return example.inputs
    return {**example.inputs, OBSERVATION: first_observation(task.environment, example)}


def _lasts(row: Mapping[str, Any]) -> bool:
    kind = row["failure_kind"]
    # A failure that the scorer made of an output names no component.
    return kind is None or (kind in _LASTING and (kind != "invalid" or row["failure_component"] is not None))


def _case(row: Mapping[str, Any], inputs: Mapping[str, object]) -> RecordedCase:
    failure = None if row["failure_kind"] is None else (row["failure_kind"], row["failure_message"])
    return RecordedCase(
        example_id=row["example_id"], inputs=inputs, output=row["output"], output_digest=row["output_digest"], failure=failure
    )
