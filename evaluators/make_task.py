"""Make a task from a program, examples and a score, every mistake found before anything is paid for."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final, TypedDict, Unpack

from graftwork.programs.check import check
from graftwork.programs.errors import ProgramError, TaskError
from graftwork.programs.export import strip_export
from graftwork.programs.parse import parse
from graftwork.programs.parsing import module_of
from graftwork.programs.program import Program

from .environment import OBSERVATION, EnvironmentFactory
from .examples import ExampleRow, make_examples, split_examples
from .free import told_score
from .occasions import occasions
from .task import SMOKE, SPLITS, Audit, Example, FreeEvaluator, Limits, Look, Resources, Scorer, Task
from .total_reward import total_reward

__all__ = ["TASK_FOLDER", "TaskOptions", "make_task", "with_seed"]

TASK_FOLDER: Final = ContextVar[Path | None]("graftwork_task_folder", default=None)
"""The folder that paths in a task are relative to: the task file's while it is loaded; else, as None, the working directory."""


class TaskOptions(TypedDict, total=False):
    """What may be said of a task beside its program, examples and score; see `Task` for what each means.

    `confirm_share` is `split_examples`' own; `name` is the program file's unless given, `description` the program's docstring.
    """

    name: str
    score_range: tuple[float, float]
    unit: str
    entry: str
    frozen: Collection[str]
    packages: Collection[str]
    limits: Limits
    resources: Resources
    cascade: Sequence[Look]
    audits: Sequence[Audit]
    transfer: Mapping[str, Iterable[ExampleRow]]
    description: str
    confirm_share: float
    environment: EnvironmentFactory
    evaluate: FreeEvaluator
    repeats: int | Mapping[str, int]


_MOST_REPEATS: Final = 1_000
_OPTIONS: Final = tuple(TaskOptions.__annotations__)
_OF_EXAMPLES: Final = ("audits", "transfer", "confirm_share", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameters:
    """What the entry can be called with.

    Attributes:
        names: Parameters that take a keyword, in order.
        required: Those without a default.
        any_name: Whether it takes further keywords.
    """

    names: tuple[str, ...]
    required: frozenset[str]
    any_name: bool

    def without(self, name: str) -> _Parameters:
        """Those that are left when one is given otherwise."""
        return replace(self, names=tuple(each for each in self.names if each != name), required=self.required - {name})


def make_task(
    program: str | Path,
    examples: Iterable[ExampleRow] | Mapping[str, Iterable[ExampleRow]] = (),
    score: Scorer | None = None,
    **options: Unpack[TaskOptions],
) -> Task:
    """A task, checked.

    Args:
        program: The seed: a file, relative to the task file or the working directory, or a program's text.
        examples: One list of rows, or rows by split; see `split_examples`.
        score: From output and example to a score; a plain function. With an environment it may be left out: the total reward then.
            With `evaluate`, which sees to both, there are neither examples nor score.
        options: See `TaskOptions`.

    Raises:
        TaskError: The first mistake, in one line: what was expected, what came, what to do.
    """
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise TaskError(f"a task has no option {unknown[0]!r}; it has {', '.join(_OPTIONS)}")
    seed, stem = _read_seed(program)
    if (evaluator := options.get("evaluate")) is not None:
        return _freely_evaluated(seed, stem, _checked_evaluator(evaluator, examples, score, options), options)
    entry, environment = options.get("entry", "solve"), options.get("environment")
    score_range = _score_range(options.get("score_range", (0.0, 1.0)))
    scorer = total_reward(*score_range) if environment is not None and score is None else _checked_scorer(score)
    parameters = _given_parameters(seed, entry, environment)
    splits = split_examples(examples, parameters=parameters.names, confirm_share=options.get("confirm_share", 1 / 3))
    transfer = {name: make_examples(rows, parameters=parameters.names, name=name) for name, rows in options.get("transfer", {}).items()}
    for name in transfer:
        if name in (*SPLITS, "search", "audit", "parent") or not name.isidentifier():
            raise TaskError(f"a transfer set needs a name of its own, made of letters, digits and underscores; {name!r} is not one")
    for name, group in (*splits.items(), *transfer.items()):
        _check_fit(group, parameters, entry=entry, split=name)
    task = Task(
        name=_name(options.get("name", stem)),
        seed=seed,
        splits=splits,
        scorer=scorer,
        score_range=score_range,
        unit=options.get("unit", "score"),
        entry=entry,
        frozen=_names(options.get("frozen", ()), "frozen"),
        packages=_packages(options.get("packages", ())),
        limits=_limits(options.get("limits", Limits())),
        resources=_resources(options.get("resources", Resources())),
        cascade=_cascade(options.get("cascade", SMOKE)),
        audits=tuple(options.get("audits", ())),
        transfer=transfer,
        description=options.get("description", seed.doc),
        environment=environment,
        repeats=_repeats(options.get("repeats", 1), (*SPLITS, *transfer)),
    )
    _check_seed(task)
    return task


def _freely_evaluated(seed: Program, stem: str, evaluator: FreeEvaluator, options: TaskOptions) -> Task:
    """The task of a free evaluator, checked."""
    task = Task(
        name=_name(options.get("name", stem)),
        seed=seed,
        splits=occasions(),
        scorer=told_score,
        score_range=_score_range(options.get("score_range", (0.0, 1.0))),
        unit=options.get("unit", "score"),
        entry=options.get("entry", "solve"),
        frozen=_names(options.get("frozen", ()), "frozen"),
        packages=_packages(options.get("packages", ())),
        limits=_limits(options.get("limits", Limits())),
        description=options.get("description", seed.doc),
        repeats=_repeats(options.get("repeats", 1), SPLITS),
        evaluator=evaluator,
    )
    _parameters(seed, task.entry)
    _check_seed(task)
    return task


def _checked_evaluator(evaluator: FreeEvaluator, examples: object, score: object, options: TaskOptions) -> FreeEvaluator:
    strange = [name for name in _OF_EXAMPLES if name in options]
    if examples != () or score is not None or strange:
        came = strange[0] if strange else "a score" if score is not None else "examples"
        raise TaskError(f"a task with `evaluate` has no examples, as its function sees to everything: leave out {came}")
    if not _is_plain(evaluator):
        raise TaskError(f"evaluate must be a plain function of a program that can be called, not a {type(evaluator).__name__}")
    try:
        inspect.signature(evaluator).bind(None)
    except ValueError:
        return evaluator  # a built-in that tells no signature
    except TypeError as error:
        raise TaskError(f"evaluate must take one argument, the program: {error}") from None
    return evaluator


def _is_plain(given: object) -> bool:
    if not callable(given):
        return False
    return not any(is_none(given) for is_none in (inspect.isclass, inspect.iscoroutinefunction))


def with_seed(task: Task, program: str | Path) -> Task:
    """The task with another program as its seed: a file, relative to the working directory, which may be an export.

    Raises:
        TaskError: If it cannot be read, does not fit the task's examples, changes a frozen component or does not pass its check.
    """
    seed, stem = _read_seed(program)
    parameters = _given_parameters(seed, task.entry, task.environment)
    for name, group in (*task.splits.items(), *task.transfer.items()) if task.has_examples else ():
        _check_fit(group, parameters, entry=task.entry, split=name)
    changed = sorted(name for name in task.frozen if name in seed and seed[name].digest != task.seed[name].digest)
    if changed:
        raise TaskError(f"the task freezes {changed[0]!r}, and {stem} has another: import a program that leaves it as it is")
    task = replace(task, seed=seed)
    _check_seed(task)
    return task


def _read_seed(program: object) -> tuple[Program, str]:
    """The seed, and a name for it; of an exported file the program in it."""
    source, stem = _read(program)
    try:
        return parse(strip_export(source)), stem
    except ProgramError as error:
        raise TaskError(f"the program {stem!r} cannot be read: {error}") from None


def _read(program: object) -> tuple[str, str]:
    """A program's text, and a name for it."""
    if isinstance(program, str) and "\n" in program:
        return program, "task"
    if not isinstance(program, str | Path):
        raise TaskError(f"a task's program must be a path or a program's text, not a {type(program).__name__}")
    folder = TASK_FOLDER.get() or Path.cwd()
    file = folder / program
    try:
        return file.read_text(encoding="utf-8"), file.stem
    except FileNotFoundError:
        raise TaskError(f"there is no program file {file}: give its path relative to {folder}, or the program's text") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"the program file {file} must be readable UTF-8 text: {error}") from None


def _checked_scorer(score: Scorer | None) -> Scorer:
    if score is None:
        raise TaskError("a task needs a score: a function from output and example to a number, higher is better")
    _check_scorer(score)
    return score


def _check_scorer(score: object) -> None:
    if not callable(score) or inspect.isclass(score):
        raise TaskError(f"a task's score must be a function of (output, example), not a {type(score).__name__}")
    if inspect.iscoroutinefunction(score):
        raise TaskError("a task's score must be a plain function, not an async one")
    try:
        inspect.signature(score).bind(None, None)
    except ValueError:
        return  # a built-in that tells no signature
    except TypeError as error:
        raise TaskError(f"a task's score must take (output, example): {error}") from None


def _parameters(seed: Program, entry: str) -> _Parameters:
    if entry not in seed:
        raise TaskError(f"the program must define the entry {entry!r}, and has {', '.join(seed.names) or 'nothing'}: give entry=")
    node = module_of(seed[entry].source).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise TaskError(f"the entry {entry!r} must be a function, not a {seed[entry].kind}: give entry=")
    arguments = node.args
    positional = [argument.arg for argument in arguments.args]
    by_keyword = [argument.arg for argument in arguments.kwonlyargs]
    with_default = set(positional[len(positional) - len(arguments.defaults) :] if arguments.defaults else ())
    with_default |= {name for name, value in zip(by_keyword, arguments.kw_defaults, strict=True) if value is not None}
    names = (*positional, *by_keyword)
    return _Parameters(names=names, required=frozenset(names) - with_default, any_name=arguments.kwarg is not None)


def _given_parameters(seed: Program, entry: str, environment: object) -> _Parameters:
    """The parameters that examples give: with an environment all but the observation.

    Raises:
        TaskError: If the entry takes no observation, or the environment is none.
    """
    parameters = _parameters(seed, entry)
    if environment is None:
        return parameters
    if not callable(environment):
        raise TaskError(f"environment must be a function from an example to an environment, not a {type(environment).__name__}")
    if OBSERVATION not in parameters.names and not parameters.any_name:
        takes = ", ".join(parameters.names) or "nothing"
        raise TaskError(f"with an environment the entry must take {OBSERVATION!r}, and {entry}({takes}) does not: add the parameter")
    return parameters.without(OBSERVATION)


def _check_fit(examples: Sequence[Example], parameters: _Parameters, *, entry: str, split: str) -> None:
    for number, example in enumerate(examples):
        missing = sorted(parameters.required - example.inputs.keys())
        strange = [] if parameters.any_name else sorted(example.inputs.keys() - set(parameters.names))
        if missing or strange:
            what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(strange)}"
            takes = ", ".join(parameters.names) or "nothing"
            raise TaskError(f"inputs must fit the entry {entry}({takes}): example {number} of {split} {what}")


def _check_seed(task: Task) -> None:
    strange = sorted(task.frozen - set(task.seed.names))
    if strange:
        raise TaskError(f"frozen must name components of the program ({', '.join(task.seed.names)}), not {strange[0]!r}")
    frozen = {name: task.seed[name].digest for name in task.frozen}
    defects = check(task.seed, entry=task.entry, parameters=task.parameters, frozen=frozen, packages=task.packages)
    errors = [defect for defect in defects if defect.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        where = f"line {errors[0].line}" + (f", {errors[0].component}" if errors[0].component else "")
        raise TaskError(f"the program of task {task.name!r} must pass its check, {where}: {errors[0].message}{more}")


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip() or "/" in name or name.startswith("."):
        raise TaskError(f"a task's name must be usable as a file's, not {name!r}")
    return name


def _score_range(given: object) -> tuple[float, float]:
    pair = given if isinstance(given, tuple | list) and len(given) == 2 else ()
    if not pair or not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in pair):
        raise TaskError(f"score_range must be two finite numbers (lowest, highest), not {given!r}")
    lo, hi = pair
    if not lo < hi:
        raise TaskError(f"score_range must be (lowest, highest), and {lo:g} is not below {hi:g}: swap or mend them")
    return float(lo), float(hi)


def _names(given: object, option: str) -> frozenset[str]:
    # A lone string is a collection of letters: the commonest slip.
    if not isinstance(given, Collection) or isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise TaskError(f"{option} must be a list of names, not {given!r}")
    return frozenset(given)


def _packages(given: object) -> tuple[str, ...]:
    packages = tuple(sorted(_names(given, "packages")))
    for package in packages:
        if not package.isidentifier() or importlib.util.find_spec(package) is None:
            raise TaskError(f"packages must be importable top-level names, and {package!r} is not: install it, or leave it out")
    return packages


def _repeats(given: object, names: Sequence[str]) -> Mapping[str, int]:
    repeats = dict.fromkeys(names, 1)
    for name, n in (given if isinstance(given, Mapping) else dict.fromkeys(names, given)).items():
        if name not in names:
            raise TaskError(f"repeats must be a number, or numbers by split ({', '.join(names)}); {name!r} is no split")
        if type(n) is not int or not 1 <= n <= _MOST_REPEATS:
            raise TaskError(f"repeats must be whole numbers from 1 to {_MOST_REPEATS}, not {n!r}")
        repeats[name] = n
    return repeats


def _limits(limits: object) -> Limits:
    if not isinstance(limits, Limits):
        raise TaskError(f"limits must be gw.Limits(timeout_s=…, …), not a {type(limits).__name__}")
    for field in fields(limits):
        value = getattr(limits, field.name)
        least = 0 if field.name in ("calls", "stdout_bytes") else 1e-3
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least or not math.isfinite(value):
            raise TaskError(f"limits.{field.name} must be a number above 0, not {value!r}")
    return limits


def _resources(resources: object) -> Resources:
    if not isinstance(resources, Resources):
        raise TaskError(f"resources must be gw.Resources(cpus=…, …), not a {type(resources).__name__}")
    amounts: dict[str, object] = {"cpus": resources.cpus, "gpus": resources.gpus, **resources.custom}
    if resources.memory_mb is not None:
        amounts["memory_mb"] = resources.memory_mb
    for name, amount in amounts.items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < math.inf:
            raise TaskError(f"resources.{name} must be a number of at least 0, not {amount!r}")
    if resources.gpus > 1 and resources.gpus != int(resources.gpus):
        raise TaskError(f"resources.gpus must be a fraction below 1 or a whole number, not {resources.gpus!r}")
    return resources


def _cascade(looks: object) -> tuple[Look, ...]:
    if not isinstance(looks, Sequence) or not all(isinstance(look, Look) for look in looks):
        raise TaskError(f"cascade must be a list of gw.Look(examples=…), not {looks!r:.80}")
    sizes = [look.examples for look in looks]
    if not all(isinstance(size, int) and size > 0 for size in sizes) or sorted(set(sizes)) != sizes:
        raise TaskError(f"the looks of a cascade must have 1 example or more, each more than the one before, not {sizes}")
    for look in looks:
        if look.timeout_s is not None and not 0 < look.timeout_s < math.inf:
            raise TaskError(f"a look's timeout_s must be a number above 0, not {look.timeout_s!r}")
    return tuple(looks)
