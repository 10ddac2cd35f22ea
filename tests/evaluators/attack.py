"""An attack: the body of a hostile program, and how it must end."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CALL", "ENOSYS", "EPERM", "PRELUDE", "Attack"]

EPERM, ENOSYS = [-1, 1], [-1, 38]
CALL = '{"kind":"call","id":1,"body":{"messages":[]},"component":"c","path":"%s","span":"0","occurrence":%s}'
PRELUDE = f"""
import ctypes, functools, json, os, stat, struct
libc = ctypes.CDLL(None, use_errno=True)
CALL = {CALL!r}

def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return [result, ctypes.get_errno()]

@functools.cache
def wire():
    return next(fd for fd in range(3, 4096) if is_socket(fd))

def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False

def send(text):
    data = memoryview(struct.pack(">I", len(text)) + text.encode())
    while data:
        data = data[os.write(wire(), data):]

def answer():
    return json.loads(os.read(wire(), 4096)[4:])

def solve(there):
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A program's body, and how it ends.

    Attributes:
        body: Statements of `solve(there)`; `there` holds the paths, ports and processes to attack.
        stopped_by: The layer that stops it.
        kind: Of the failure, or `success`.
        message: Part of the failure's message.
        output: Of a success.
        timeout_s: What it may take.
        hidden: Whether what it attacks is not even there where the template lives in namespaces.
        scorer_says: Part of what a scorer of numbers says of the output; empty where that is not asked.
    """

    body: str
    stopped_by: str
    kind: str = "forbidden"
    message: str = ""
    output: object = None
    timeout_s: float = 3.0
    hidden: bool = False
    scorer_says: str = ""
