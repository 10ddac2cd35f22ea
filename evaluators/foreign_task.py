"""A folder in the OpenEvolve layout (`initial_program.py`, `evaluator.py`) as a task, without a change to it.

The evaluator runs in the sandbox, together with the program that it imports, so its scores are forgeable. There are no examples: val,
confirm and test stand for one evaluation each, with random seeds of their own.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from graftwork.programs.blocks import marked_lines, outside
from graftwork.programs.check import FORBIDDEN_MODULES, check
from graftwork.programs.errors import ProgramError, TaskError
from graftwork.programs.layout import read
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

from .foreign_config import ForeignConfig, read_config
from .foreign_metrics import combined_score, numbers
from .occasions import occasions
from .task import MOST_METRIC_CHARS, MOST_METRICS, Example, Foreign, Limits, Score, Task

__all__ = ["UNIT", "WORST", "is_foreign", "load_foreign"]

UNIT: Final = "forgeable score"
WORST: Final = -1e12
"""What a failure counts. Nobody says what range a foreign evaluator's scores have; one beyond ±1e12 is invalid."""

_PROGRAM: Final = "initial_program.py"
_EVALUATOR: Final = "evaluator.py"
_STAND_IN: Final = "openevolve"
_STAGES: Final = 3
_MEMORY_MB: Final = 2048  # of address space, of which numpy and scipy map half a gigabyte
_FEEDBACK_CHARACTERS: Final = 6_000


def is_foreign(folder: Path) -> bool:
    """Whether a folder is laid out so, at least in part, and has no task of ours."""
    return not (folder / "task.py").exists() and any((folder / name).exists() for name in (_PROGRAM, _EVALUATOR))


def load_foreign(folder: Path) -> Task:
    """The task that a folder is. Nothing in it is run here.

    Raises:
        TaskError: Whatever is wrong with it, in one line.
    """
    folder = folder.resolve()
    texts = {name: _text(folder, name) for name in (_PROGRAM, _EVALUATOR)}
    evaluator = _statements(folder / _EVALUATOR, texts[_EVALUATOR])
    config = read_config(folder / "config.yaml")
    seed, frozen = _seed(folder / _PROGRAM, texts[_PROGRAM])
    packages = _packages(folder, texts[_PROGRAM], texts[_EVALUATOR])
    stages = _defined(evaluator)
    thresholds = config.evaluator.cascade_thresholds if config.evaluator.cascade_evaluation and "evaluate_stage1" in stages else None
    if thresholds is None and "evaluate" not in stages:
        raise TaskError(f"{folder / _EVALUATOR} must define `evaluate(program_path)`, and defines {', '.join(sorted(stages)) or 'nothing'}")
    task = Task(
        name=folder.name,
        seed=seed,
        splits=occasions(),
        scorer=_score,
        score_range=(WORST, -WORST),
        unit=UNIT,
        entry="",
        frozen=frozen,
        packages=packages,
        limits=_limits(config, staged=thresholds is not None),
        description=config.prompt.system_message or seed.doc,
        fixed=outside(seed.source) if marked_lines(seed.source) else (),
        foreign=Foreign(folder=str(folder), thresholds=thresholds),
    )
    _check(task, folder / _PROGRAM)
    return task


def _text(folder: Path, name: str) -> str:
    file = folder / name
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        other = _EVALUATOR if name == _PROGRAM else _PROGRAM
        raise TaskError(f"{folder} has {other} but no {name}: a folder of this layout needs both; or write a task.py") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{file} must be readable UTF-8 text: {error}") from None


def _statements(file: Path, text: str) -> list[ast.stmt]:
    try:
        return read(text)
    except ProgramError as error:
        raise TaskError(f"{file}: {error}") from None


def _seed(file: Path, text: str) -> tuple[Program, frozenset[str]]:
    """The seed, and the components that stand outside its blocks."""
    try:
        blocks = marked_lines(text)
        seed = parse(text, statements=True)
    except ProgramError as error:
        raise TaskError(f"{file}: {error}") from None
    if not blocks:
        return seed, frozenset()
    # A component that a block touches may change; what of it is outside the block is held by its text.
    inside = {item.name for item in seed.components if any(item.first_line < end and start < item.last_line for start, end in blocks)}
    if not inside:
        raise TaskError(f"{file}: no function, class or constant stands in an EVOLVE block, so nothing can change: move the marks")
    return seed, frozenset(seed.names) - inside


def _packages(folder: Path, program: str, evaluator: str) -> tuple[str, ...]:
    """What programs may import beyond the standard library: what the folder imports and has.

    Modules that are forbidden elsewhere are allowed where the seed uses them: the tree that it runs in is locked in as a whole.
    """
    own = {entry.stem for entry in folder.iterdir() if entry.suffix == ".py" or entry.is_dir()}
    for name, text in ((_PROGRAM, program), (_EVALUATOR, evaluator)):
        for module in sorted(_imported(read(text), everywhere=False) - own - sys.stdlib_module_names - {_STAND_IN}):
            if importlib.util.find_spec(module) is None:
                raise TaskError(f"{folder / name} imports {module!r}, which is not installed here: pip install it, and run again")
    used = _imported(read(program), everywhere=True) - (sys.stdlib_module_names - FORBIDDEN_MODULES)
    installed = {module for module in _imported(read(evaluator), everywhere=True) if _is_installed(module)}
    return tuple(sorted((used | installed) - {"graftwork"}))


def _is_installed(module: str) -> bool:
    return module not in sys.stdlib_module_names and module != _STAND_IN and importlib.util.find_spec(module) is not None


def _imported(statements: list[ast.stmt], *, everywhere: bool) -> set[str]:
    """Top-level packages that code imports: anywhere, or whenever it is loaded."""
    found = set()
    for node in (inner for statement in statements for inner in (ast.walk(statement) if everywhere else (statement,))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _defined(statements: list[ast.stmt]) -> set[str]:
    """Names of the evaluator's functions, those that it imports included."""
    defined = {node.name for node in statements if isinstance(node, ast.FunctionDef)}
    return defined | {alias.asname or alias.name for node in statements if isinstance(node, ast.ImportFrom) for alias in node.names}


def _limits(config: ForeignConfig, *, staged: bool) -> Limits:
    """The timeout counts for each stage there, for all together here."""
    return Limits(timeout_s=config.evaluator.timeout * (_STAGES if staged else 1), memory_mb=_MEMORY_MB, calls=0)


def _check(task: Task, file: Path) -> None:
    frozen = {name: task.seed[name].digest for name in task.frozen}
    defects = check(task.seed, entry="", parameters=(), frozen=frozen, packages=task.packages, fixed=task.fixed)
    errors = [defect for defect in defects if defect.severity == "error"]
    if errors:
        raise TaskError(f"{file} cannot be evolved, line {errors[0].line}: {errors[0].message}")
    if not set(task.seed.names) - task.frozen:
        raise TaskError(f"{file} defines no function, class or constant, so nothing can change: put its code into functions")


def _score(output: object, example: Example, /) -> Score:
    """What the evaluator said, as one number; the rest as feedback. The output is checked by whoever decoded it."""
    del example
    metrics, artifacts = _part(output, "metrics"), _part(output, "artifacts")
    value = combined_score(metrics)
    told = "\n".join([", ".join(f"{name} {_shown(item)}" for name, item in metrics.items()), *_lines(artifacts)])
    told = told[:_FEEDBACK_CHARACTERS]
    if value is None or not abs(value) <= -WORST:
        return Score(value=None, feedback=told, invalid=f"a score must be finite and within ±{-WORST:g}, not {value!r}")
    named = {name: number for name, number in numbers(metrics).items() if 0 < len(name) <= MOST_METRIC_CHARS}
    return Score(value=value, feedback=told, metrics=dict(islice(named.items(), MOST_METRICS)))


def _part(output: object, name: str) -> dict[str, object]:
    part = output.get(name) if isinstance(output, dict) else None
    return part if isinstance(part, dict) else {}


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _lines(artifacts: dict[str, object]) -> Iterator[str]:
    return (f"{name}: {text}" for name, text in artifacts.items())
