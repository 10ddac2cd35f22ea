"""Blame: what a task author's own code raises becomes one clear line that names the file and the line."""

from __future__ import annotations

import sysconfig
import traceback
from types import TracebackType

from graftwork.programs.errors import GraftworkError, TaskError

__all__ = ["blaming"]


class blaming:  # noqa: N801 - used as a word: `with blaming("the scorer raised"):`
    """A context in which the task author's code runs: whatever it raises leaves as a `TaskError` with its cause.

    Our own exceptions pass as they are, and so do the interpreter's demands to stop, except an exit that the code asks for.

    Args:
        what: How the message begins, such as `the scorer raised`.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Turn what was raised into a `TaskError`."""
        if not isinstance(error, Exception | SystemExit) or isinstance(error, GraftworkError):
            return
        # The line to mend is the innermost one that is not a library's.
        libraries = tuple(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
        frames = [frame for frame in traceback.extract_tb(trace)[1:] if not frame.filename.startswith((*libraries, "<"))]
        where = f" (line {frames[-1].lineno} of {frames[-1].filename})" if frames else ""
        message = " ".join(str(error).split())
        raise TaskError(f"{self._what} {type(error).__name__}: {message:.300}{where}") from error
