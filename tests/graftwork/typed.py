"""A command as a person types it, in this process: one of its own would spend a second on imports each time."""

from __future__ import annotations

import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from graftwork.cli import main

__all__ = ["typed"]


def typed(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What a command printed, and its exit code."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.chdir(cwd)
        patched.setattr("sys.argv", ["graftwork", *words])
        for name, value in {"HOME": str(cwd), "TERM": "dumb", "COLUMNS": "80"}.items():
            patched.setenv(name, value)
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return subprocess.CompletedProcess(["graftwork", *words], code, out.getvalue(), err.getvalue())
