"""Cluster: Ray as a pool uses it: started or joined, actors made, watched and ended. The only file that imports Ray.

An actor runs no program itself: it owns a worker. It holds no key. Work, outcomes and model calls go over the relay's connection, not
through Ray: one frame there and one back take a tenth of what a call of an actor does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
from typing import Any, Final

import uvloop

from graftwork.programs.errors import ConfigError, GraftworkError, InfrastructureError

from .errands import ErrandRunner, RemoteWorker
from .loop_thread import LoopThread
from .pool import Relay
from .relay import RelayAddress, RelayClient, RelayServer, Trouble
from .sandbox import SandboxLevel
from .task import Resources
from .worker import Worker

__all__ = ["Cluster"]

_END_S: Final = 10.0
_CONNECT_S: Final = 5.0
# We put nothing there; Ray by itself would take 30 % of the machine's memory.
_OBJECT_STORE_BYTES: Final = 128 * 1024 * 1024
_QUIET: Final = (
    # Or Ray would list its log files ten times a second, for a driver that prints them: ours does not.
    ("RAY_LOG_MONITOR_MANY_FILES_THRESHOLD", "0"),
    ("LOG_NAME_UPDATE_INTERVAL_S", "3600"),
    # Or it would kill our actor when the machine's memory is nearly full, whoever filled it; the kernel takes children first.
    ("RAY_memory_monitor_refresh_ms", "0"),
)
_SECRET: Final = re.compile(r"^(?!RAY_).*(KEY|TOKEN|SECRET|PASSW|CREDENTIAL)|^(OPENAI|ANTHROPIC|AZURE|AWS|GOOGLE|HF)_")


class Cluster:
    """Ray, the relay server beside it, and how actors are made, watched and ended."""

    def __init__(self, relay: Relay, thread: LoopThread, *, address: str | None, sandbox: SandboxLevel, resources: Resources) -> None:
        self._relay = relay
        self._thread = thread
        self._address = address
        self._sandbox: SandboxLevel = sandbox
        self._resources = resources
        self._actors: dict[RemoteWorker, tuple[Any, asyncio.Task[Trouble | None]]] = {}  # each with its end
        self._server: RelayServer | None = None
        self._relay_address: RelayAddress | None = None
        self._is_ours = False

    def connect(self, n_cpus: int) -> None:
        """Start Ray or join it, and listen for the actors' model calls.

        Raises:
            ConfigError: If nobody answers at the address.
        """
        _check_reachable(self._address)
        _set_environment(local=self._address is None)
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            if self._address is None:
                quiet |= {
                    "_node_ip_address": "127.0.0.1",  # on nobody else's network
                    "num_cpus": max(n_cpus, os.cpu_count() or 1),
                    "include_dashboard": False,
                    "object_store_memory": _OBJECT_STORE_BYTES,
                }
            ray.init(address=self._address or "local", namespace=f"graftwork-{secrets.token_hex(4)}", **quiet)
        host = "127.0.0.1" if self._address is None else str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call] # Ray leaves it untyped
        self._server = RelayServer(self._relay, host=host)
        self._relay_address = self._thread.run(self._server.start())

    def host(self, slots: int) -> RemoteWorker:
        """What stands here for a new actor, which may still be starting."""
        import ray

        assert self._server is not None  # noqa: S101 (it listens as soon as Ray is there)
        hidden = {name: "" for name in os.environ if _SECRET.search(name)}
        options: dict[str, Any] = {**self._asked(slots), "max_restarts": 0, "max_task_retries": 0}
        if hidden:
            options["runtime_env"] = {"env_vars": hidden}
        host = RemoteWorker(self._server, secrets.token_hex(8), slots=slots)
        actor: Any = ray.remote(_Evaluator).options(**options).remote()
        serving = actor.serve.remote(self._relay_address, host.name, slots, self._sandbox)
        self._actors[host] = actor, asyncio.create_task(_ended(serving))
        return host

    def _asked(self, slots: int) -> dict[str, Any]:
        """What an actor with so many slots asks of Ray."""
        each = self._resources
        asked: dict[str, Any] = {"num_cpus": each.cpus * slots, "num_gpus": each.gpus * slots}
        if each.memory_mb is not None:
            asked["memory"] = each.memory_mb * slots * 2**20
        if each.custom:
            asked["resources"] = {name: amount * slots for name, amount in each.custom.items()}
        return asked

    async def begin(self, host: RemoteWorker) -> None:
        """Wait until an actor takes work, for as long as it takes.

        Raises:
            InfrastructureError: If it was lost before.
        """
        _, end = self._actors[host]
        await asyncio.wait((end, host.arrived), return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            trouble = end.result()
            raise InfrastructureError(f"an actor did not start: {trouble.message if trouble else 'its connection was lost'}")
        await host.arrived

    async def until_lost(self, host: RemoteWorker) -> None:
        """Wait for an actor's end: of its connection or, where a machine goes without a word, as Ray notices."""
        _, end = self._actors[host]
        await asyncio.wait((end, host.lost), return_when=asyncio.FIRST_COMPLETED)

    def forget(self, host: RemoteWorker) -> None:
        """Give an actor up, and be sure that it is no more."""
        import ray

        host.lose()
        actor, end = self._actors.pop(host)
        ray.kill(actor)
        end.cancel()

    def never_has(self, slots: int) -> bool:
        """Whether a cluster of ours, which no node joins, has less than an actor with so many slots asks for."""
        import ray

        if self._address is not None or not self._is_ours:
            return False
        there = ray.cluster_resources()  # type: ignore[no-untyped-call] # likewise
        asked = self._asked(slots)
        kinds = {"CPU": asked["num_cpus"], "GPU": asked["num_gpus"], "memory": asked.get("memory", 0), **asked.get("resources", {})}
        return any(there.get(kind, 0) < amount for kind, amount in kinds.items())

    def no_place(self, waited_s: float) -> str:
        """Why no actor started, in one line."""
        import ray

        there = ray.cluster_resources()  # type: ignore[no-untyped-call] # likewise
        kinds = ("CPU", "GPU", *self._resources.custom)
        return (
            f"no actor found a place within {waited_s:g} s: one slot asks for {self._asked(1)}, and the cluster has "
            f"{', '.join(f'{there.get(kind, 0):g} {kind}' for kind in kinds)} in all; ask for less, or add nodes"
        )

    async def end(self) -> None:
        """End the server, with which the actors end."""
        import ray

        if self._server is not None:
            await self._server.aclose()
        if not ray.is_initialized():
            return
        if self._actors:
            await asyncio.wait([end for _, end in self._actors.values()], timeout=_END_S)
        for host in tuple(self._actors):
            self.forget(host)

    def disconnect(self) -> None:
        """End Ray, or leave it, if it was not there before us."""
        if self._is_ours:
            import ray

            ray.shutdown()


class _Evaluator:
    """The actor: a worker that takes errands over a relay client. Ray starts it and tells of its end, and carries no work."""

    def serve(self, address: RelayAddress, name: str, slots: int, sandbox: SandboxLevel) -> Trouble | None:
        """Take errands until the connection ends; what we raise on purpose comes back as a value: Ray would wrap it.

        It keeps the main thread, which would look for signals a hundred times a second if it waited for Ray: 1 % of a processor.

        Args:
            address: Of the relay server.
            name: What the server knows it by.
            slots: Children at the same time.
            sandbox: What they are confined by.
        """
        try:
            uvloop.run(_serve(RelayClient(address), name, slots, sandbox))
        except GraftworkError as error:
            return Trouble.of(error)
        return None


async def _serve(client: RelayClient, name: str, slots: int, sandbox: SandboxLevel) -> None:
    worker = Worker(client, slots=slots, sandbox=sandbox)
    try:
        await ErrandRunner(client, worker.run).serve(name)
    finally:
        await worker.aclose()
        await client.aclose()


async def _ended(serving: Any) -> Trouble | None:
    """Wait until an actor is over; what went wrong, if something did."""
    from ray.exceptions import RayError

    try:
        trouble: Trouble | None = await serving
    except RayError as error:
        return Trouble.of(InfrastructureError(str(error)))
    return trouble


def _check_reachable(address: str | None) -> None:
    """Refuse an address where nobody listens: Ray would wait for minutes.

    Raises:
        ConfigError: If nobody does.
    """
    host, colon, port = (address or "").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Ray cluster answers at {address} ({error}); start one with `ray start --head`, or give no address") from None


def _set_environment(*, local: bool) -> None:
    """What Ray reads from the environment only. It stays set: processes that Ray starts later inherit it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not local:
        return
    for name, value in _QUIET:
        os.environ.setdefault(name, value)
    if "RAY_AUTH_MODE" not in os.environ:
        # Said explicitly, or Ray would write a token that others can read into the home directory.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
