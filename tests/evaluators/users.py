"""As whom hostile programs are run: the same tests in a process that has become somebody else first."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["BECOMING", "WITHOUT_LANDLOCK", "run_tests_as", "why_nobody_becomes"]

_ROOT: Final = Path(__file__).resolve().parents[2]
# What Docker's default profile refuses to whom has no capabilities: unshare, setns, mount, and clone with a new namespace.
_CONTAINER: Final = """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
ALLOW, REFUSE, ABSENT = 0x7FFF0000, 0x00050001, 0x00050026
program = [(0x20, 0, 0, 0)]
for number, verdict in ((272, REFUSE), (308, REFUSE), (165, REFUSE), (435, ABSENT)):
    program += [(0x15, 0, 1, number), (0x06, 0, 0, verdict)]
program += [(0x15, 0, 3, 56), (0x20, 0, 0, 16), (0x45, 0, 1, 0x7E020080), (0x06, 0, 0, REFUSE), (0x06, 0, 0, ALLOW)]
code = b"".join(struct.pack("=HBBI", *one) for one in program)
held = ctypes.create_string_buffer(code, len(code))
header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
for capability in range(64):
    libc.prctl(24, ctypes.c_ulong(capability), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
assert libc.syscall(126, struct.pack("=Ii", 0x20080522, 0), bytes(24)) == 0
assert libc.prctl(38, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) == 0
assert libc.prctl(22, ctypes.c_ulong(2), ctypes.c_void_p(ctypes.addressof(header))) == 0
"""

WITHOUT_LANDLOCK: Final = _CONTAINER.replace("(435, ABSENT)", "(435, ABSENT), (444, ABSENT)")
"""What a process does to be in a container whose runtime refuses Landlock, too."""
_NOBODY: Final = 65534
BECOMING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "an ordinary user": f"""
import os
os.setgroups([])
os.setresgid({_NOBODY}, {_NOBODY}, {_NOBODY})
os.setresuid({_NOBODY}, {_NOBODY}, {_NOBODY})
""",
        "whoever is in a container without capabilities and namespaces": _CONTAINER,
    }
)
"""By name, what a process does to become that user; whoever runs the tests, root or not, is one more."""
_TESTS: Final = """
import sys
import pytest
sys.exit(pytest.main(["-v", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


def why_nobody_becomes(name: str) -> str:
    """Why this process cannot become that user; empty if it can."""
    if BECOMING[name] is not _CONTAINER and os.geteuid() != 0:
        return "only root becomes another user"
    return "" if _interpreter(name) else "that user can run no Python of this version with pytest"


def run_tests_as(name: str, arguments: Sequence[str], *, home: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user.

    Args:
        name: Of `BECOMING`.
        arguments: Of pytest.
        home: HOME, which that user need not be able to write.
    """
    return _run(name, _interpreter(name), [_TESTS, *arguments], home=home)


@functools.cache
def _interpreter(name: str) -> str:
    """The first Python that the user can run: ours may lie in somebody's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(python).exists() and _run(name, python, ["import pytest, graftwork"], home=Path("/")).returncode == 0:
            return python
    return ""


def _run(name: str, python: str, arguments: Sequence[str], *, home: Path) -> subprocess.CompletedProcess[str]:
    code, *others = arguments
    # Becoming comes after the imports that need our own rights, and before the exec, from which on nothing is ours.
    becoming = f"{BECOMING[name]}\nimport os, sys\nos.execv(sys.argv[1], sys.argv[1:])"
    path = os.pathsep.join([str(_ROOT), *(entry for entry in sys.path if entry.endswith("-packages"))])
    return subprocess.run(
        [sys.executable, "-c", becoming, python, "-c", code, *others],
        cwd=_ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
