"""The foreign child: a process that locks its tree in, runs somebody else's evaluator on one program, and replies with what it returned.

The reply is one JSON object on a pipe: `metrics` and `artifacts`, or `failure`. Whoever runs here can write any reply; that is why these
scores are called forgeable. Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, NoReturn

from .foreign_metrics import combined_score, numbers
from .lockdown import (
    ABI_OF_SCOPES,
    SystemCalls,
    address_space_mb,
    die_with_parent,
    file_ruleset,
    landlock_abi,
    open_readable,
    prefer_for_oom,
    prepare_rules,
    restrict_files,
    set_limits,
)
from .namespaces import SHARED_MEMORY

__all__ = ["LOCKED_IN", "NOT_LOCKED_IN", "Order", "Pipes", "be_child"]

LOCKED_IN: Final = b"\x01"
NOT_LOCKED_IN: Final = b"\x00"
_MODULE: Final = "evaluator"
_STAGES: Final = ("evaluate_stage1", "evaluate_stage2", "evaluate_stage3")
_TEXT_CHARACTERS: Final = 4_000
_DETAIL_CHARACTERS: Final = 4_000
_MESSAGE_CHARACTERS: Final = 500
_FILE_MB: Final = 64
_OPEN_FILES: Final = 256
_EXECUTABLE: Final = ("/usr", "/bin", "/lib", "/lib64")
_READABLE: Final = ("/dev/zero", "/dev/urandom", "/dev/random", "/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo")

Order = Mapping[str, Any]
"""What is asked for: `folder`, `source`, `seed`, `thresholds` (null: no stages), `locked`, `memory_mb`, `cpu_s`, `timeout_s`, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipes:
    """Descriptors that the child writes to.

    Attributes:
        said: What the evaluator prints.
        reply: The reply.
        report: One byte, whether the tree is locked in; closed before foreign code runs.
    """

    said: int
    reply: int
    report: int


def be_child(order: Order, pipes: Pipes, *, scratch: str, library: str, isolated: bool, processes: int | None) -> NoReturn:
    """Be the child: lock in, evaluate, reply, end.

    Args:
        order: What is asked for.
        pipes: Where to write.
        scratch: The directory that can be written; it becomes the current one and HOME.
        library: Holds the module that stands in for OpenEvolve's.
        isolated: Whether this process lives in namespaces of its own.
        processes: Processes that count against the limit of them already; None sets no limit.
    """
    try:
        _settle(pipes, scratch, library)
        memory_mb = address_space_mb() + order["memory_mb"]
        if order["locked"]:
            _lock_in(order["folder"], scratch=scratch, library=library, isolated=isolated)
        set_limits(memory_mb=memory_mb, cpu_s=order["cpu_s"], processes=processes, file_mb=_FILE_MB, open_files=_OPEN_FILES)
        if order["locked"]:
            SystemCalls("tree").restrict()
    except OSError as error:
        os.write(pipes.report, NOT_LOCKED_IN + str(error).encode())
        os._exit(1)
    os.write(pipes.report, LOCKED_IN)
    os.close(pipes.report)
    own = os.getpid()
    reply = _reply(order, scratch)
    if os.getpid() != own:
        os._exit(0)  # a fork of the evaluator that came back here: the reply is not for it to give
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    with os.fdopen(pipes.reply, "wb") as stream:
        stream.write(json.dumps(reply).encode())
    os._exit(0)


def _settle(pipes: Pipes, scratch: str, library: str) -> None:
    """Leave our own world behind: session, signals, streams, descriptors, paths and modules."""
    os.setsid()
    die_with_parent(os.getppid())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(pipes.said, 1)
    os.dup2(pipes.said, 2)
    kept = {0, 1, 2, pipes.reply, pipes.report}
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - kept:  # noqa: PTH208 - plain names
        with suppress(OSError):  # the one that listed them is closed already
            os.close(descriptor)
    prefer_for_oom()
    os.chdir(scratch)
    os.environ.update(HOME=scratch, TMPDIR=scratch, PYTHONPATH=library)
    sys.path.append(library)
    for name in [name for name in sys.modules if name.partition(".")[0] == "graftwork"]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")


def _lock_in(folder: str, *, scratch: str, library: str, isolated: bool) -> None:
    if not isolated and landlock_abi() < ABI_OF_SCOPES:
        raise OSError("a tree of processes needs user namespaces or Landlock ABI 6 (Linux 6.12), or it could signal others")
    also = ["/dev/null", *([SHARED_MEMORY] if isolated else [])]
    executable = open_readable({*_EXECUTABLE, sys.prefix, sys.base_prefix})
    readable = open_readable((*_READABLE, folder, library))
    restrict_files(file_ruleset(readable=prepare_rules(readable), writable=scratch, executable=executable, also_writable=also))
    for descriptor in (*executable, *readable):
        os.close(descriptor)


def _reply(order: Order, scratch: str) -> dict[str, object]:
    """Run the evaluator on the program; what it returned as plain values."""
    path = f"{scratch}/program.py"
    try:
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - no path objects in the child
            file.write(order["source"])
        return _evaluated(_load(order["folder"], seed=order["seed"]), path, order["thresholds"])
    except MemoryError:
        return {"failure": _failure("memory", "it asked for more memory than it may have")}
    except BaseException as error:
        return {"failure": _failure_of(error)}


def _load(folder: str, *, seed: int) -> types.ModuleType:
    """The folder's evaluator, imported under a name that processes started by it can import it by, too."""
    file = f"{folder}/evaluator.py"
    sys.path.insert(0, folder)
    sys.argv = [file]
    sys.dont_write_bytecode = True
    random.seed(seed)
    spec = importlib.util.spec_from_file_location(_MODULE, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    return module


def _evaluated(module: types.ModuleType, path: str, thresholds: list[float] | None) -> dict[str, object]:
    """Metrics and artifacts by `evaluate`, or by the stages where the evaluator has some and they are asked for.

    A stage is reached when the metrics so far pass the threshold before it. One that raises leaves those before it as they are,
    with `stage<n>_passed` 0; the first raises.
    """
    if thresholds is None or not hasattr(module, _STAGES[0]):
        return _plain(*_parts(module.evaluate(path)))
    metrics, artifacts = _parts(module.evaluate_stage1(path))
    for number, (stage, threshold) in enumerate(zip(_STAGES[1:], thresholds, strict=False), 2):
        score = combined_score(_plain_metrics(metrics))
        if score is None or not score >= threshold or not hasattr(module, stage):
            break
        try:
            new, more = _parts(getattr(module, stage)(path))
        except Exception as error:
            metrics = {**metrics, f"stage{number}_passed": 0.0}
            artifacts = {**artifacts, f"stage{number}_traceback": "".join(traceback.format_exception(error))[-_DETAIL_CHARACTERS:]}
            break
        metrics = {**numbers(_plain_metrics(metrics)), **numbers(_plain_metrics(new)), **_texts(metrics), **_texts(new)}
        artifacts = {**artifacts, **more}
    return _plain(metrics, artifacts)


def _parts(result: object) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Metrics and artifacts of what an evaluator returned."""
    if isinstance(result, Mapping):
        return result, {}
    metrics, artifacts = getattr(result, "metrics", None), getattr(result, "artifacts", None)
    if not isinstance(metrics, Mapping):
        raise TypeError(f"an evaluator returns a dict of metrics, or an object with metrics and artifacts, not a {type(result).__name__}")
    return metrics, artifacts if isinstance(artifacts, Mapping) else {}


def _plain(metrics: Mapping[str, object], artifacts: Mapping[str, object]) -> dict[str, object]:
    return {"metrics": _plain_metrics(metrics), "artifacts": {str(name): _text(value) for name, value in artifacts.items()}}


def _plain_metrics(metrics: Mapping[str, object]) -> dict[str, object]:
    """Numbers as floats, bools as they are, everything else as text."""
    return {str(name): _plain_metric(value) for name, value in metrics.items()}


def _plain_metric(value: object) -> object:
    if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:
        return bool(value)
    convert: Callable[[], object] | None = getattr(value, "item", None)
    if convert is not None and not isinstance(value, Real):
        with suppress(TypeError, ValueError):  # an array of more than one number
            value = convert()
    return float(value) if isinstance(value, Real) else _text(value)


def _texts(metrics: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in metrics.items() if isinstance(value, str)}


def _text(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[: _TEXT_CHARACTERS // 2]}…{text[-_TEXT_CHARACTERS // 2 :]}"


def _failure_of(error: BaseException) -> dict[str, object]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    detail = "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)])[-_DETAIL_CHARACTERS:]
    headline = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SystemExit):
        return _failure("crash", f"it exited with {error.code!r} instead of returning", detail=detail)
    if isinstance(error, PermissionError):
        return _failure("forbidden", f"the sandbox does not allow it: {headline}", detail=detail)
    return _failure("crash", headline, detail=detail)


def _failure(kind: str, message: str, *, detail: str = "") -> dict[str, object]:
    return {"kind": kind, "message": message[:_MESSAGE_CHARACTERS], "component": None, "detail": detail}
