"""Load: from a task file, or from a program, examples and a score, to a task that is checked before anything is paid for."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

from graftwork.programs.errors import TaskError, UserError

from .blame import blaming
from .foreign_task import is_foreign, load_foreign
from .make_task import TASK_FOLDER, make_task
from .task import Task

__all__ = ["load_task", "make_task"]


def load_task(path: str | Path) -> Task:
    """The task that a file defines as `task = gw.task(...)`.

    The file is its author's own code and runs in this process. It may import the modules beside it; those are forgotten
    afterwards, so that the next task finds its own under the same names: import them at the top, not inside functions.

    Args:
        path: A task file, or a folder with a `task.py`; or one in the OpenEvolve layout, none of whose code runs in this process.

    Raises:
        TaskError: Whatever is wrong with the file, in one line.
    """
    if is_foreign(Path(path)):
        return load_foreign(Path(path))
    file = _task_file(Path(path)).resolve()
    name = f"graftwork_task_{blake2b(str(file).encode(), digest_size=8).hexdigest()}"
    module = ModuleType(name)
    module.__file__ = str(file)
    # Registered while it runs and afterwards, for dataclasses and type hints look their module up.
    sys.modules[name] = module
    token = TASK_FOLDER.set(file.parent)
    try:
        with _neighbours_importable(file.parent):
            _execute(file, module)
        return _task_of(module, file)
    except UserError:
        del sys.modules[name]
        raise
    finally:
        TASK_FOLDER.reset(token)


def _task_file(path: Path) -> Path:
    file = path / "task.py" if path.is_dir() else path
    if file.is_file():
        return file
    if path.is_dir():
        raise TaskError(f"a task's folder must hold a task.py, and {path} has none: `graftwork init` writes one")
    raise TaskError(f"there is no task file {path}: give a folder with a task.py, or a Python file")


def _execute(file: Path, module: ModuleType) -> None:
    try:
        with blaming(f"{file} raised"):
            exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)  # noqa: S102 - its author's own code, as with any import
    except UserError as error:
        if isinstance(error.__cause__, Exception | SystemExit):
            raise
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        raise TaskError(f"{file}, line {lines[-1]}: {error}" if lines else f"{file}: {error}") from error


def _task_of(module: ModuleType, file: Path) -> Task:
    task = getattr(module, "task", None)
    if task is None:
        raise TaskError(f"{file} must define `task`, and does not: end it with `task = gw.task(program, examples, score)`")
    if not isinstance(task, Task):
        raise TaskError(f"`task` in {file} must come from `gw.task(program, examples, score)`, not be a {type(task).__name__}")
    return task


@contextmanager
def _neighbours_importable(folder: Path) -> Iterator[None]:
    """Let code import the modules of a folder by their bare names, and leave none of those names behind."""
    own = {entry.stem for entry in folder.iterdir() if entry.suffix == ".py" or entry.is_dir()} - {*sys.stdlib_module_names, "graftwork"}
    before = set(sys.modules)
    # A module of the same name from elsewhere would be taken for the neighbour; it comes back afterwards.
    hidden = {name: sys.modules.pop(name) for name in before if _root(name) in own and not _lies_in(sys.modules[name], folder)}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - (before - set(hidden)):
            if _root(name) in own:
                del sys.modules[name]
        sys.modules.update(hidden)


def _root(name: str) -> str:
    return name.partition(".")[0]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(folder)
