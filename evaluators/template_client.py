"""TemplateClient: a template process as its worker sees it: start it, have it fork children, know when they end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from graftwork.programs.errors import ConfigError, InfrastructureError

from .scratch import remove_tree
from .template import MAX_MESSAGE_BYTES

__all__ = ["ENVIRONMENT", "NOBODY", "Bareness", "Child", "Exit", "TemplateClient", "end_process"]

NOBODY: Final = 65534
_NOWHERE: Final = Path(os.devnull)
_CHUNK: Final = 64 * 1024
_READY_S: Final = 60.0
_END_S: Final = 5.0
# All of it: nothing is inherited. One thread for numerical libraries, one arena, so that memory is the program's own.
ENVIRONMENT: Final = (
    ("PATH", "/usr/bin:/bin"),
    ("LANG", "C.UTF-8"),
    ("TZ", "UTC"),
    ("PYTHONHASHSEED", "0"),
    ("MALLOC_ARENA_MAX", "2"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("OMP_NUM_THREADS", "1"),
    ("MKL_NUM_THREADS", "1"),
)
_BOOT: Final = """import sys
sys.path.append(sys.argv[1])
from graftwork.evaluators.template import main
sys.path.remove(sys.argv[1])
main(sys.argv[2:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bareness:
    """What a template is given whose children run files that need nothing of ours.

    Attributes:
        path: Directory of what can be imported besides the standard library; site-packages is not.
        asking: Whether children ask models, through a door of their own.
        variables: Added to the environment.
    """

    path: str
    asking: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a child ended.

    Attributes:
        status: As `wait4` gives it.
        cpu_s: CPU seconds, user and system.
        grown_kb: Resident memory at its peak above the template's, in KiB.
        excess: Why the template killed it: what it took more of than it may, in words; empty if it did not.
    """

    status: int
    cpu_s: float
    grown_kb: int
    excess: str = ""


class Child:
    """A child that was asked for, and our end of its socket: a byte that says whether it is confined, then frames both ways.

    Attributes:
        exited: Done when it has ended; an `InfrastructureError` if the template was lost.
    """

    def __init__(self, template: TemplateClient, number: int, ours: socket.socket) -> None:
        self._template = template
        self._number = number
        self._socket = ours
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[Exit] = self._loop.create_future()
        # A child whose case was cancelled is awaited by nobody.
        self.exited.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def scratch(self) -> Path:
        """What holds its directory, removed when it has ended."""
        return self._template.scratch / str(self._number)

    async def receive(self) -> bytes:
        """The next of what it sends, as soon as all others had their turn; empty when it has closed its end. For one at a time."""
        await asyncio.sleep(0)
        try:
            return await self._loop.sock_recv(self._socket, _CHUNK)
        except OSError:
            # Reset by a child that ended before it read all.
            return b""

    async def send(self, data: bytes) -> None:
        """Send it something. For one at a time.

        Raises:
            OSError: If it has ended.
        """
        await self._loop.sock_sendall(self._socket, data)

    def kill(self) -> None:
        """Have it killed; harmless when it has ended."""
        if not self.exited.done():
            self._template.tell(op="kill", id=self._number)

    def close(self) -> None:
        """Have it killed, and hear nothing more of it."""
        self.kill()
        self._socket.close()


class TemplateClient:
    """One running template process. Belongs to the loop that started it; make it with `start`.

    Attributes:
        scratch: Directory of the children's directories.
        apart: Whether it lives in namespaces of its own.
        user: The user that it and its children run as.
        lost: Whether the process has ended, or was told to.
    """

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._children: dict[int, Child] = {}
        self._last_number = 0
        self._rss_kb = 0
        self.scratch = _NOWHERE
        self.apart = False
        self.user = os.geteuid()
        self.lost = False

    @property
    def is_idle(self) -> bool:
        """Whether it has no children."""
        return not self._children

    @classmethod
    async def start(cls, packages: Sequence[str], *, locked: bool, bare: Bareness | None = None, devices: bool = False) -> TemplateClient:
        """Start a template and wait until it is warm.

        Under root it becomes an ordinary user where that user may read the interpreter; else it stays root without capabilities.

        Args:
            packages: Imported once, for all children.
            locked: Whether children use Landlock and seccomp.
            bare: For files that run alone; None for programs, which run in a session.
            devices: Whether children use the machine's GPUs; they are exec'ed then, not forked, as where packages start threads.

        Raises:
            ConfigError: If a package cannot be imported.
            InfrastructureError: If the process cannot be started.
        """
        settings = {"locked": locked, "scratch": tempfile.gettempdir(), "packages": list(packages), "devices": devices}
        if bare is not None:
            settings |= {"path": bare.path, "asking": bare.asking}
        message: Mapping[str, Any] = {}
        for user in (NOBODY, None) if os.geteuid() == 0 else (None,):
            with tempfile.TemporaryFile() as said:
                try:
                    client = await cls._executed(json.dumps(settings), bare, user=user, said=said)
                except OSError as error:
                    message = {"op": "unstarted", "message": str(error)}
                    continue
                try:
                    message = await client.begin()
                except BaseException:
                    await client.aclose()
                    raise
                if message["op"] == "ready":
                    return client
                await client.aclose()
                said.seek(0)
                message = {"message": said.read()[-1000:].decode(errors="replace"), **message}
        if message["op"] == "failed":
            raise ConfigError(message["message"])
        raise InfrastructureError(f"the template process did not start: {message['message']}")

    @classmethod
    async def _executed(cls, settings: str, bare: Bareness | None, *, user: int | None, said: IO[bytes]) -> TemplateClient:
        """A new process; one that nobody waits for any more is ended."""
        executing = asyncio.ensure_future(asyncio.to_thread(cls._execute, settings, bare, user=user, said=said))
        try:
            return await asyncio.shield(executing)
        except asyncio.CancelledError:
            with suppress(OSError):
                await (await executing).aclose()
            raise

    @classmethod
    def _execute(cls, settings: str, bare: Bareness | None, *, user: int | None, said: IO[bytes]) -> TemplateClient:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = str(Path(__file__).absolute().parents[2])
        # Not -I: with it Python would not read PYTHONHASHSEED. Nothing else of its kind is in the environment.
        command = [sys.executable, "-s", "-P", *(["-S"] if bare else []), "-c", _BOOT, root, str(theirs.fileno()), settings]
        with theirs:
            try:
                process = subprocess.Popen(
                    command,
                    env=dict(ENVIRONMENT) | dict(bare.variables if bare else {}),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    user=user,
                    group=user,
                    extra_groups=None if user is None else (),
                )
            except OSError:
                control.close()
                raise
        control.setblocking(False)
        return cls(process, control)

    def spawn(self, *, memory_mb: int, cpu_s: int, door: socket.socket | None = None) -> Child:
        """Have a child forked.

        Args:
            memory_mb: Above what the template has, in MiB.
            cpu_s: CPU seconds after which the kernel stops it.
            door: The child's end of one, for children that ask.

        Raises:
            InfrastructureError: If the template is lost.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._last_number += 1
        child = Child(self, self._last_number, ours)
        self._children[self._last_number] = child
        with theirs:
            doors = () if door is None else (door.fileno(),)
            self.tell(theirs.fileno(), *doors, op="start", id=self._last_number, memory_mb=memory_mb, cpu_s=cpu_s)
        if self.lost:
            ours.close()
            raise InfrastructureError("the template process is gone")
        return child

    def tell(self, *descriptors: int, **message: object) -> None:
        """Send the template one message, with descriptors."""
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError:
            self._lose()

    async def aclose(self) -> None:
        """End the process and its children, and wait until they are gone. Calling it twice is harmless."""
        self._lose()
        self._control.close()
        await end_process(self._process, within_s=_END_S)
        if self.scratch != _NOWHERE:
            await asyncio.to_thread(remove_tree, self.scratch)

    async def begin(self) -> Mapping[str, Any]:
        """Wait for the template's first message: `ready`, `failed`, or that there is none."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_READY_S):
                received = await loop.sock_recv(self._control, MAX_MESSAGE_BYTES)
        except (OSError, TimeoutError) as error:
            return {"op": "silent", "message": f"no word from it: {error!r}"}
        except asyncio.CancelledError:
            self._process.kill()
            raise
        message: Mapping[str, Any] = json.loads(received) if received else {"op": "ended"}
        if message["op"] == "ready":
            self._rss_kb, self.scratch = message["rss_kb"], Path(message["scratch"])
            self.apart, self.user = message["apart"], message["user"]
            loop.add_reader(self._control, self._listen)
        return message

    def _listen(self) -> None:
        try:
            received = self._control.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._lose()
            return
        message = json.loads(received)
        child = self._children.pop(message["id"])
        if message["op"] == "exited":
            grown_kb = max(0, message["max_rss_kb"] - self._rss_kb)
            ended = Exit(status=message["status"], cpu_s=message["cpu_s"], grown_kb=grown_kb, excess=message["excess"])
            child.exited.set_result(ended)
        else:
            child.exited.set_exception(InfrastructureError(f"no child could be forked: {message['message']}"))

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.shutdown(socket.SHUT_RDWR)
        for child in self._children.values():
            child.exited.set_exception(InfrastructureError("the template process is gone"))
        self._children.clear()


async def end_process(process: subprocess.Popen[bytes], *, within_s: float) -> None:
    """Wait until a process that was told to end is gone; kill it where that takes longer."""
    try:
        await asyncio.to_thread(process.wait, within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)
