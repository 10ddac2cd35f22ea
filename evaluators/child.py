"""The child: a fork of the template that locks itself down, runs one program on one case, and sends one result.

First one byte: `CONFINED`, or `UNCONFINED` and why, after which nothing is run. Then frames of `programs/wire.py`:
a case in, calls and steps out and their answers in, spans and at last a result out. Standard library only.
"""

from __future__ import annotations

import io
import linecache
import os
import random
import signal
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from graftwork.programs.errors import WireError
from graftwork.programs.recording import FRAME
from graftwork.programs.runtime import PromptFailed, trace_functions, using_session
from graftwork.programs.wire import encode_frame, to_json

from .bounded_text import BoundedText
from .channel import Channel
from .door import use_door
from .draws import tell_draws
from .lockdown import (
    FILES_OF_DRIVERS,
    OPEN_FILES,
    Rule,
    address_space_mb,
    close_others,
    die_with_parent,
    prefer_for_oom,
    restrict_files,
    restrict_system_calls,
    set_limits,
    use_memory_reserve,
)
from .seccomp import Profile

__all__ = ["CONFINED", "MAX_ACTION_BYTES", "UNCONFINED", "Confinement", "serve"]

CONFINED: Final = b"\x01"
UNCONFINED: Final = b"\x00"
MAX_ACTION_BYTES: Final = 64 * 1024
_NAME_BYTES: Final = 16
_MODULE: Final = "program"
_FILE: Final = "program.py"
_FRAMES_SHOWN: Final = 12
_DETAIL_CHARACTERS: Final = 4_000
_MESSAGE_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What every child of a template is confined to.

    Attributes:
        locked: Whether Landlock and seccomp are used; without them only limits hold.
        readable: What may be read.
        processes: Processes and threads that the user had before; None sets no limit on them.
        bare: Whether it runs a file that needs nothing of ours, without a session.
        asking: Whether that file asks models, at a door.
        devices: Whether GPUs can be used; then nothing bounds memory.
        imports: What imports packages behind the walls, where the template did not.
        imports_mb: Address space that they take, in MiB; 0 where the template did.
        imports_cpu_s: CPU seconds that they take.
    """

    locked: bool
    readable: tuple[Rule, ...]
    processes: int | None
    bare: bool = False
    asking: bool = False
    devices: bool = False
    imports: Callable[[], None] | None = None
    imports_mb: int = 0
    imports_cpu_s: int = 0

    @property
    def profile(self) -> Profile:
        """Of seccomp."""
        if self.devices:
            return "driver"
        return "client" if self.asking else "program"


def serve(socket: int, *doors: int, confinement: Confinement, scratch: str, limits: Mapping[str, int], template: int) -> NoReturn:
    """Be the child: lock down, run one case, and end the process.

    Args:
        socket: Descriptor of the stream socket to the worker.
        doors: None, or the descriptor of one, where a file asks for connections.
        confinement: What to lock down to.
        scratch: Where its directory is made, the only one that can be written; it becomes the current one and HOME.
        limits: `memory_mb`, above what the template has, and `cpu_s`.
        template: The parent's process id.
    """
    try:
        # Whoever knows where a link is can read it, Landlock or not: so no other child may know this name, not even from the template's
        # memory, which it inherits.
        scratch = f"{scratch}/{os.urandom(_NAME_BYTES).hex()}"
        _settle(scratch, template)
        _lock_in(confinement, {0, 1, 2, socket, *doors}, scratch, limits)
        if confinement.imports is not None:
            confinement.imports()
    except Exception as error:
        os.write(socket, UNCONFINED + str(error).encode(errors="replace"))
        os._exit(1)
    os.write(socket, CONFINED)
    channel = Channel(socket)
    case = channel.receive()
    for door in doors:
        use_door(door)
    if confinement.bare:
        channel.send(_result(case, lambda: _run_alone(case)))
    else:
        channel.send(_result(case, lambda: _run(case, channel)))
    os._exit(0)


def _lock_in(confinement: Confinement, kept: set[int], scratch: str, limits: Mapping[str, int]) -> None:
    base_mb = confinement.imports_mb or address_space_mb()
    if confinement.locked:
        restrict_files(readable=confinement.readable, writable=scratch, devices=_gpus() if confinement.devices else ())
    close_others(kept)
    set_limits(
        memory_mb=None if confinement.devices else base_mb + limits["memory_mb"],
        cpu_s=limits["cpu_s"] + confinement.imports_cpu_s,
        processes=confinement.processes,
        open_files=FILES_OF_DRIVERS if confinement.devices else OPEN_FILES,
    )
    if confinement.locked:
        restrict_system_calls(confinement.profile)


def _gpus() -> list[str]:
    """GPUs, and where their driver names its threads."""
    return ["/proc/self/task", *(f"/dev/{name}" for name in os.listdir("/dev") if name.startswith("nvidia"))]  # noqa: PTH208 - no path objects in the child


def _settle(scratch: str, template: int) -> None:
    """Leave the template behind: its session, signals and streams."""
    os.setsid()
    die_with_parent(template)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    prefer_for_oom()
    os.mkdir(scratch)  # noqa: PTH102 (no path objects: it runs for every case)
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch)


def _result(case: Mapping[str, Any], run: Callable[[], object]) -> bytes:
    """What a run of the program on the case gives, encoded."""
    printed = BoundedText(case["limits"]["stdout_bytes"])
    sys.stdout = sys.stderr = io.TextIOWrapper(io.BufferedWriter(printed), encoding="utf-8", errors="backslashreplace")
    try:
        outcome = _encodable(run(), case["limits"]["output_bytes"])
    except MemoryError as error:
        # No detail: a traceback holds the program's frames, and these hold the memory.
        outcome = {"failure": _failure("memory", "it asked for more memory than it may have", component=_component(error))}
    except BaseException as error:
        outcome = {"failure": _failure_of(error)}
    use_memory_reserve()
    sys.stdout.flush()
    return encode_frame({"kind": "result", "id": 0, "stdout": printed.text, **outcome})


def _run(case: Mapping[str, Any], channel: Channel) -> object:
    with using_session(channel):
        module = _load(case)
        trace_functions(module.__dict__)
        if "episode" in case:
            _play(module, case, channel)
            return None
        return getattr(module, case["entry"])(**case["inputs"])


def _play(module: types.ModuleType, case: Mapping[str, Any], channel: Channel) -> None:
    """Call the entry once for each observation until the episode is over; whoever takes the actions knows what came of it."""
    observation, ended, entry = case["episode"]["observation"], False, case["entry"]
    while not ended:
        # Looked up each time: a function that is called often gets its own code back in the place of the traced one.
        action = _encodable(getattr(module, entry)(**case["inputs"], observation=observation), MAX_ACTION_BYTES, what="action")
        if "output" not in action:
            raise PromptFailed("invalid", str(action["failure"]["message"]), component=entry)
        frame = FRAME.get()
        assert frame is not None  # noqa: S101 (a session is in use)
        observation, ended = channel.step(action["output"], span=frame.next_path())


def _run_alone(case: Mapping[str, Any]) -> object:
    """Run a file that asks models by itself, with each request telling its draw; without a session, as nothing of ours is there."""
    module, hook = _load(case), case["hook"]
    if hook["complete"]:
        tell_draws(module.__dict__, hook, prefix=f"{case['purpose']}/{case['repeat']}/", example_id=case["example_id"])
    return getattr(module, case["entry"])(**case["inputs"])


def _load(case: Mapping[str, Any]) -> types.ModuleType:
    """The program's text as a module, executed with all random numbers seeded."""
    random.seed(case["seed"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(case["seed"] % 2**32)
    source = case["source"]
    module = types.ModuleType(_MODULE)
    module.__file__ = _FILE
    sys.modules[_MODULE] = module
    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    exec(compile(source, _FILE, "exec", dont_inherit=True), module.__dict__)
    return module


def _encodable(output: object, max_bytes: int, *, what: str = "output") -> dict[str, Any]:
    try:
        value = to_json(output)
        encode_frame({"output": value}, max_bytes=max_bytes)
    except WireError as error:
        return {"failure": _failure("invalid", f"its {what} cannot be used: {error}")}
    except (MemoryError, PermissionError):
        raise
    except Exception as error:
        return {"failure": _failure("invalid", f"its {what} cannot be encoded: {_headline(error)}")}
    return {"output": value}


def _failure_of(error: BaseException) -> dict[str, object]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _FILE]
    lines = traceback.format_list(frames[:2] + frames[2:][-_FRAMES_SHOWN:])
    detail = "".join([*lines, *traceback.format_exception_only(error)])[-_DETAIL_CHARACTERS:]
    component = _component(error)
    if isinstance(error, PromptFailed):
        return _failure(error.kind, str(error), component=error.component or component, detail=detail)
    if isinstance(error, PermissionError):
        return _failure("forbidden", f"the sandbox does not allow it: {_headline(error)}", component=component, detail=detail)
    if isinstance(error, SystemExit):
        return _failure("crash", f"it exited with {error.code!r} instead of returning", component=component, detail=detail)
    return _failure("crash", _headline(error), component=component, detail=detail)


def _failure(kind: str, message: str, *, component: str | None = None, detail: str = "") -> dict[str, object]:
    return {"kind": kind, "message": message[:_MESSAGE_CHARACTERS], "component": component, "detail": detail}


def _headline(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def _component(error: BaseException) -> str | None:
    """The component whose code was running: the innermost frame that is the program's."""
    name, place = None, error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        if code.co_filename == _FILE:
            name = code.co_qualname.partition(".")[0]
        place = place.tb_next
    return None if name == "<module>" else name
