"""Running: a program's text on one case, in the process that calls it, and what is said of it. Standard library only."""

from __future__ import annotations

import linecache
import random
import sys
import traceback
import types
from collections.abc import Mapping
from typing import Any, Final

from graftwork.programs.errors import WireError
from graftwork.programs.recording import FRAME
from graftwork.programs.runtime import PromptFailed, trace_functions, using_session
from graftwork.programs.wire import encode_frame, to_json

from .channel import Channel
from .draws import tell_draws

__all__ = ["FILE", "MAX_ACTION_BYTES", "MODULE", "encodable", "failure_of", "load", "run_alone", "run_in_session"]

MAX_ACTION_BYTES: Final = 64 * 1024
MODULE: Final = "program"
FILE: Final = "program.py"
"""Where tracebacks say that a program's code is."""
_FRAMES_SHOWN: Final = 12
_DETAIL_CHARACTERS: Final = 4_000
_MESSAGE_CHARACTERS: Final = 500


def run_in_session(case: Mapping[str, Any], channel: Channel) -> object:
    """Run a program in a session: what its entry gives; None for an episode, of which whoever takes the actions knows."""
    with using_session(channel):
        module = load(case)
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
        action = encodable(getattr(module, entry)(**case["inputs"], observation=observation), MAX_ACTION_BYTES, what="action")
        if "output" not in action:
            raise PromptFailed("invalid", str(action["failure"]["message"]), component=entry)
        frame = FRAME.get()
        assert frame is not None  # noqa: S101 (a session is in use)
        observation, ended = channel.step(action["output"], span=frame.next_path())


def run_alone(case: Mapping[str, Any]) -> object:
    """Run a file that asks models by itself, with each request telling its draw; without a session, as nothing of ours is there."""
    module, hook = load(case), case["hook"]
    if hook["complete"]:
        tell_draws(module.__dict__, hook, prefix=f"{case['purpose']}/{case['repeat']}/", example_id=case["example_id"])
    return getattr(module, case["entry"])(**case["inputs"])


def load(case: Mapping[str, Any]) -> types.ModuleType:
    """The program's text as a module, executed with all random numbers seeded."""
    random.seed(case["seed"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(case["seed"] % 2**32)
    source = case["source"]
    module = types.ModuleType(MODULE)
    module.__file__ = FILE
    sys.modules[MODULE] = module
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    exec(compile(source, FILE, "exec", dont_inherit=True), module.__dict__)
    return module


def encodable(output: object, max_bytes: int, *, what: str = "output") -> dict[str, Any]:
    """What a result says of an output: the `output` in JSON, or the `failure` that it cannot be sent."""
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


def failure_of(error: BaseException) -> dict[str, object]:
    """What a result says of what a program raised."""
    if isinstance(error, MemoryError):  # no detail: a traceback holds the program's frames, and these hold the memory
        return _failure("memory", "it asked for more memory than it may have", component=_component(error))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
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
        if code.co_filename == FILE:
            name = code.co_qualname.partition(".")[0]
        place = place.tb_next
    return None if name == "<module>" else name
