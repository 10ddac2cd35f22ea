"""ForeignRun: one evaluation by somebody else's evaluator, in a host process of its own, as an outcome."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from graftwork.programs.errors import InfrastructureError, WireError
from graftwork.programs.failure import FAULTS_OF_THE_PROGRAM, Failure

from .case_run import cpu_limit_s, death
from .claims import bounded, claimed_failure, trouble_with
from .evaluation import Case, Outcome, Work, case_seed
from .foreign_metrics import combined_score
from .template_client import ENVIRONMENT, NOBODY, Exit, end_process

__all__ = ["ForeignRunner"]

_END_S: Final = 10.0
_OVERHEAD_S: Final = 60.0
_MAX_METRICS: Final = 200
_NAME_CHARACTERS: Final = 200
_ROOT: Final = str(Path(__file__).absolute().parents[2])
_BOOT: Final = """import json, os, sys
sys.path.append(sys.argv[1])
try:
    from graftwork.evaluators.foreign_host import main
except (ImportError, OSError) as error:
    print(json.dumps({"unstarted": f"user {os.getuid()} cannot read what it needs: {error}"}))
    sys.exit()
sys.path.remove(sys.argv[1])
main()
"""


class ForeignRunner:
    """Runs foreign evaluations, each in processes of its own.

    Under root they become an ordinary user where that user may read interpreter and folder; else they stay root without capabilities.

    Args:
        locked: Whether namespaces, Landlock and seccomp are used; without them only limits hold.
    """

    def __init__(self, *, locked: bool) -> None:
        self._locked = locked
        self._users: tuple[int | None, ...] = (NOBODY, None) if os.geteuid() == 0 else (None,)

    async def outcome(self, work: Work, case: Case) -> Outcome:
        """Evaluate a program once.

        Raises:
            InfrastructureError: If no host process could be started, the tree could not be locked in, or the host was lost.
        """
        started = asyncio.get_running_loop().time()
        reason, users = "", self._users
        for place, user in enumerate(users):
            report = await self._report(work, case, user)
            if "unstarted" not in report:
                self._users = users[place:]
                return _outcome(report, work, case, seconds=asyncio.get_running_loop().time() - started)
            reason = report["unstarted"]
        raise InfrastructureError(f"the process for a foreign evaluation did not start: {reason}")

    async def _report(self, work: Work, case: Case, user: int | None) -> Mapping[str, Any]:
        try:
            text, said = await self._answer(work, case, user)
        except OSError as error:
            return {"unstarted": str(error)}
        try:
            report: Mapping[str, Any] = json.loads(text)
        except ValueError:
            raise InfrastructureError(f"the host of a foreign evaluation was lost: {said or 'it said nothing'}") from None
        if "unconfined" in report:
            raise InfrastructureError(f"a foreign evaluation could not be locked in: {report['unconfined']}")
        return report

    async def _answer(self, work: Work, case: Case, user: int | None) -> tuple[bytes, str]:
        """What a host process answers, and the end of what it said beside that.

        Raises:
            OSError: If it cannot be executed.
        """
        with tempfile.TemporaryFile() as said:
            process = _execute(user, said)
            loop, answer = asyncio.get_running_loop(), asyncio.StreamReader()
            try:
                reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(answer), process.stdout)
                writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
                try:
                    writing.write(self._order(work, case))
                    async with asyncio.timeout(work.limits.timeout_s + _OVERHEAD_S):
                        text = await answer.read()
                finally:
                    writing.abort()  # the end of its input, which ends it and its tree
                    reading.close()
            except TimeoutError:
                raise InfrastructureError("the host of a foreign evaluation gave no report in time") from None
            finally:
                await end_process(process, within_s=_END_S)
            said.seek(0)
            return text, said.read()[-1000:].decode(errors="replace")

    def _order(self, work: Work, case: Case) -> bytes:
        assert work.foreign is not None  # noqa: S101 (or nobody comes here)
        order = {
            "folder": work.foreign.folder,
            "thresholds": work.foreign.thresholds,
            "source": work.source,
            "seed": case_seed(work.digest, case.example_id, case.repeat),
            "locked": self._locked,
            "directory": tempfile.gettempdir(),
            "memory_mb": work.limits.memory_mb,
            "cpu_s": cpu_limit_s(work.limits),
            "timeout_s": work.limits.timeout_s,
            "stdout_bytes": work.limits.stdout_bytes,
        }
        return json.dumps(order).encode() + b"\n"


def _execute(user: int | None, said: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a host process. Not by the loop, which cannot start one as another user."""
    return subprocess.Popen(
        [sys.executable, "-s", "-P", "-c", _BOOT, _ROOT],
        env=dict(ENVIRONMENT),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=None if user is None else (),
    )


def _outcome(report: Mapping[str, Any], work: Work, case: Case, *, seconds: float) -> Outcome:
    """The outcome of a report, whose `reply` and `said` are hostile."""
    output: object = None
    failure: Failure | None
    if report["stopped"] is not None:
        kind, message = report["stopped"]
        failure = Failure(kind=kind, message=message)
    elif report["reply"]:
        output, failure = _claimed(report["reply"], work.limits.output_bytes)
    else:
        grown_kb = max(0, report["max_rss_kb"])
        failure = death(Exit(status=report["status"], cpu_s=report["cpu_s"], grown_kb=grown_kb), work.limits)
    return Outcome(
        example_id=case.example_id,
        repeat=case.repeat,
        output=output if failure is None else None,
        failure=failure,
        stdout=bounded(report["said"], 2 * work.limits.stdout_bytes),
        seconds=seconds,
        cpu_s=report["cpu_s"],
    )


def _claimed(text: str, max_bytes: int) -> tuple[object, Failure | None]:
    """Metrics and artifacts, or the failure, that a reply claims."""
    try:
        reply = _named(json.loads(text))
        if "failure" in reply:
            return None, _failure(reply["failure"])
        metrics = {name: _metric(value) for name, value in _named(reply.get("metrics")).items()}
        artifacts = {name: bounded(value) for name, value in _named(reply.get("artifacts")).items()}
    except (ValueError, RecursionError, WireError) as error:
        return None, Failure(kind="invalid", message=f"its reply cannot be used: {error}")
    if wrong := [name for name, value in metrics.items() if isinstance(value, float) and not math.isfinite(value)]:
        return None, Failure(kind="invalid", message=f"metrics must be finite numbers, and {', '.join(wrong)} is not")
    if combined_score(metrics) is None:
        told = ", ".join(f"{name} {value}" for name, value in metrics.items())
        detail = bounded("\n".join(f"{name}: {text}" for name, text in artifacts.items()))
        return None, Failure(kind="crash", message=bounded(f"the evaluator gave no number: {told or 'no metrics'}"), detail=detail)
    output = {"metrics": metrics, "artifacts": artifacts}
    trouble = trouble_with(output, max_bytes)
    return (None, Failure(kind="invalid", message=f"its reply cannot be used: {trouble}")) if trouble else (output, None)


def _failure(value: object) -> Failure:
    failure = claimed_failure(value)
    if failure.kind not in FAULTS_OF_THE_PROGRAM:
        raise WireError(f"it claims a failure of kind {failure.kind!r}, which is not for it to say")
    return failure


def _named(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict) or len(value) > _MAX_METRICS:
        raise WireError(f"a reply, its metrics and its artifacts are objects of at most {_MAX_METRICS} names")
    return {bounded(name, _NAME_CHARACTERS): item for name, item in value.items()}


def _metric(value: object) -> float | str:
    if isinstance(value, bool | int | float):
        try:
            return value if isinstance(value, bool) else float(value)
        except OverflowError:
            return math.inf
    return bounded(value)
