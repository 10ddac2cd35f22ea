"""The `config.yaml` beside a foreign program: what of it is honoured. The rest speaks of models and populations that are not ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graftwork.programs.errors import TaskError

__all__ = ["ForeignConfig", "read_config"]

_MAX_BYTES: Final = 1024 * 1024


class _Evaluator(BaseModel):
    model_config = ConfigDict(extra="ignore")

    timeout: float = Field(default=300.0, gt=0, lt=math.inf)
    cascade_evaluation: bool = True
    cascade_thresholds: tuple[float, ...] = (0.5, 0.75, 0.9)


class _Prompt(BaseModel):
    model_config = ConfigDict(extra="ignore")

    system_message: str = ""


class ForeignConfig(BaseModel):
    """What is honoured; defaults are those of the format.

    Attributes:
        evaluator: Seconds of one evaluation, whether stages are used, and what they must reach.
        prompt: What the program is for, in words.
    """

    model_config = ConfigDict(extra="ignore")

    evaluator: _Evaluator = _Evaluator()
    prompt: _Prompt = _Prompt()


def read_config(file: Path) -> ForeignConfig:
    """The configuration in a file; the defaults where there is none.

    Raises:
        TaskError: If it is no YAML, or a value that is honoured is of another type, in one line.
    """
    if not file.is_file():
        return ForeignConfig()
    try:
        found: Any = yaml.safe_load(file.read_bytes()[:_MAX_BYTES])
    except (yaml.YAMLError, OSError, RecursionError, ValueError) as error:
        raise TaskError(f"{file} must be readable YAML: {' '.join(str(error).split()):.200}") from None
    if not isinstance(found, Mapping):
        raise TaskError(f"{file} must hold a mapping of settings, not a {type(found).__name__}: mend or remove it")
    # A section that is named and left empty is null.
    given = {name: section for name, section in found.items() if section is not None}
    try:
        return ForeignConfig.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise TaskError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r:.80}") from None
