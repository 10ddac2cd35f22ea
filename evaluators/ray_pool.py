"""RayPool: programs run in sandboxed children of Ray actors, on one machine or many. The only file that imports Ray.

An actor runs no program itself: it owns a worker. It holds no key, and its model calls come back to this process over the relay.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final

from graftwork.programs.errors import ConfigError, GraftworkError, InfrastructureError

from .evaluation import Outcome, Work
from .loop_thread import LoopThread
from .pool import Relay
from .relay import RelayAddress, RelayClient, RelayedStage, RelayServer, Trouble
from .sandbox import SandboxLevel
from .worker import Worker

__all__ = ["RayPool"]

_ATTEMPTS: Final = 3
_READY_S: Final = 120.0
_END_S: Final = 10.0
_CONNECT_S: Final = 5.0
_SLOTS_PER_ACTOR: Final = 4
# Work and outcomes are small; Ray by itself would take 30 % of the machine's memory.
_OBJECT_STORE_BYTES: Final = 128 * 1024 * 1024
_SECRET: Final = re.compile(r"^(?!RAY_).*(KEY|TOKEN|SECRET|PASSW|CREDENTIAL)|^(OPENAI|ANTHROPIC|AZURE|AWS|GOOGLE|HF)_")


class RayPool:
    """A pool on a Ray cluster. The constructor returns at once; the cluster and its actors start in a background thread.

    Args:
        relay: Where model calls go.
        slots: Children at the same time on the whole cluster, at least 1.
        address: `host:port` of a cluster's head, or `auto`; None starts one on this machine, which ends with the pool.
        sandbox: What the children are confined by.
        slots_per_actor: Children at the same time in one actor, each with a CPU of its own.

    Raises:
        ConfigError: For a `ray://` address.
    """

    def __init__(
        self,
        relay: Relay,
        *,
        slots: int,
        address: str | None = None,
        sandbox: SandboxLevel = "standard",
        slots_per_actor: int = _SLOTS_PER_ACTOR,
    ) -> None:
        _refuse_ray_client(address)
        self._slots = slots
        self._thread = LoopThread("ray-pool")
        self._cluster = _Cluster(relay, self._thread, address=address, sandbox=sandbox)
        self._actor_slots = [min(slots_per_actor, slots - first) for first in range(0, slots, slots_per_actor)]
        self._actors: list[Any] = []  # handles, which Ray does not type
        self._replacing = asyncio.Lock()
        self._load: Counter[int] = Counter()  # cases under way, by actor
        self._closed = False
        self._ready: Future[None] = Future()
        self._over = threading.Event()
        # Not the main thread: there Ray would put its own handler in the place of SIGTERM's.
        self._keeper = threading.Thread(target=self._keep, name="ray-keeper", daemon=True)
        self._keeper.start()

    @property
    def slots(self) -> int:
        """Cases that run at the same time."""
        return self._slots

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        """Run every case; see `Pool.run`.

        Raises:
            ConfigError: If the cluster cannot be reached.
        """
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._ready)), _READY_S)
        except TimeoutError:
            raise InfrastructureError(f"Ray and its {len(self._actor_slots)} actors were not there within {_READY_S:g} s") from None
        return await self._thread.awaitable(self._run(work))

    async def aclose(self) -> None:
        """Kill every child, end the actors, and Ray if it is ours. Calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        await asyncio.wait((asyncio.ensure_future(asyncio.wrap_future(self._ready)),), timeout=_READY_S)
        await self._thread.awaitable(self._cluster.end(self._actors))
        self._over.set()
        await asyncio.to_thread(self._keeper.join)
        self._thread.close()

    def _keep(self) -> None:
        """Start Ray and stay: the kernel kills Ray's processes when the thread that started them ends."""
        self._boot()
        self._over.wait()
        self._cluster.disconnect()

    def _boot(self) -> None:
        try:
            self._cluster.connect(self._slots)
            self._actors = [self._cluster.actor(slots) for slots in self._actor_slots]
            self._cluster.await_ready(self._actors)
        except (GraftworkError, OSError, RuntimeError, ValueError) as error:
            known = isinstance(error, GraftworkError)
            self._ready.set_exception(error if known else InfrastructureError(f"Ray did not start: {error}"))
        else:
            self._ready.set_result(None)

    async def _run(self, work: Work) -> tuple[Outcome, ...]:
        shares: dict[int, list[int]] = {}
        for position in range(len(work.cases)):
            actor = min(range(len(self._actors)), key=lambda index: self._load[index] / self._actor_slots[index])
            self._load[actor] += 1
            shares.setdefault(actor, []).append(position)
        tasks = [
            asyncio.create_task(self._run_on(actor, replace(work, cases=tuple(work.cases[position] for position in positions))))
            for actor, positions in shares.items()
        ]
        try:
            done = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        places = [position for positions in shares.values() for position in positions]
        outcomes = [outcome for share in done for outcome in share]
        return tuple(outcome for _, outcome in sorted(zip(places, outcomes, strict=True), key=lambda pair: pair[0]))

    async def _run_on(self, index: int, work: Work) -> tuple[Outcome, ...]:
        """Run cases on one actor, and again on its successor when it is lost."""
        try:
            for _ in range(_ATTEMPTS):
                actor = self._actors[index]
                answer = await self._cluster.ask(actor, work)
                if answer is None:
                    await self._replace(index, actor)
                elif isinstance(answer, Trouble):
                    raise answer.error
                else:
                    return answer
            raise InfrastructureError(f"the actor that ran a program was lost {_ATTEMPTS} times")
        finally:
            self._load[index] -= len(work.cases)

    async def _replace(self, index: int, lost: Any) -> None:
        async with self._replacing:
            if self._actors[index] is lost and not self._closed:
                self._actors[index] = self._cluster.actor(self._actor_slots[index])


class _Cluster:
    """Ray, the relay server beside it, and how actors are made, asked and ended."""

    def __init__(self, relay: Relay, thread: LoopThread, *, address: str | None, sandbox: SandboxLevel) -> None:
        self._relay = relay
        self._thread = thread
        self._address = address
        self._sandbox: SandboxLevel = sandbox
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

    def actor(self, slots: int) -> Any:
        """A new actor, perhaps still starting."""
        import ray

        hidden = {name: "" for name in os.environ if _SECRET.search(name)}
        options: dict[str, Any] = {"num_cpus": slots, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 1000}
        if hidden:
            options["runtime_env"] = {"env_vars": hidden}
        return ray.remote(_Evaluator).options(**options).remote(self._relay_address, slots, self._sandbox)

    def await_ready(self, actors: Sequence[Any]) -> None:
        """Block until every actor answers.

        Raises:
            ConfigError: If the cluster is too small for them.
        """
        import ray

        references = [actor.ready.remote() for actor in actors]
        _, missing = ray.wait(references, num_returns=len(references), timeout=_READY_S)
        if missing:
            cpus = ray.cluster_resources().get("CPU", 0)  # type: ignore[no-untyped-call] # likewise
            raise ConfigError(
                f"{len(missing)} of {len(actors)} actors found no place within {_READY_S:g} s on {cpus:g} CPUs; ask for fewer slots"
            )
        ray.get(references)

    async def ask(self, actor: Any, work: Work) -> tuple[Outcome, ...] | Trouble | None:
        """Have an actor run some work; None if the actor is lost.

        Raises:
            InfrastructureError: If it raised what nobody expects.
        """
        import ray
        from ray.exceptions import RayActorError, RayError

        assert self._server is not None  # noqa: S101 (there are no actors without it)
        with self._server.staging(work.stage) as stage:
            reference = actor.run.remote(replace(work, stage=None), stage)
            try:
                answer: tuple[Outcome, ...] | Trouble = await reference
            except asyncio.CancelledError:
                ray.cancel(reference)
                raise
            except RayActorError:
                return None
            except RayError as error:
                raise InfrastructureError(f"an actor failed: {error}") from error
            return answer

    async def end(self, actors: Sequence[Any]) -> None:
        """End the actors and the server."""
        import ray

        if ray.is_initialized():
            references = [actor.aclose.remote() for actor in actors]
            if references:
                await asyncio.to_thread(ray.wait, references, num_returns=len(references), timeout=_END_S)
            for actor in actors:
                ray.kill(actor)
        if self._server is not None:
            await self._server.aclose()

    def disconnect(self) -> None:
        """End Ray, or leave it, if it was not there before us."""
        if self._is_ours:
            import ray

            ray.shutdown()


class _Evaluator:
    """The actor: a worker, and a relay client for it.

    Args:
        address: Of the relay server.
        slots: Children at the same time.
        sandbox: What they are confined by.
    """

    def __init__(self, address: RelayAddress, slots: int, sandbox: SandboxLevel) -> None:
        self._client = RelayClient(address)
        self._worker = Worker(self._client, slots=slots, sandbox=sandbox)

    async def ready(self) -> int:
        """Its process id, once it is there."""
        return os.getpid()

    async def run(self, work: Work, stage: str) -> tuple[Outcome, ...] | Trouble:
        """Run every case; what we raise on purpose comes back as a value: Ray would wrap it.

        `stage` is what the relay server calls the work's; empty where it has none.
        """
        try:
            return await self._worker.run(replace(work, stage=RelayedStage(self._client, stage) if stage else None))
        except GraftworkError as error:
            return Trouble.of(error)

    async def aclose(self) -> None:
        """End the children, then the connection."""
        await self._worker.aclose()
        await self._client.aclose()


def _refuse_ray_client(address: str | None) -> None:
    if address is not None and address.startswith("ray://"):
        raise ConfigError(
            f"{address}: Ray Client loses the cluster when the connection breaks for a moment; "
            "run on a machine of the cluster with host:6379 as the address, or as a Ray job"
        )


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
    if local and "RAY_AUTH_MODE" not in os.environ:
        # Said explicitly, or Ray would write a token that others can read into the home directory.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
