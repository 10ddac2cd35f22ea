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
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from graftwork.programs.errors import ConfigError, GraftworkError, InfrastructureError
from graftwork.programs.wire import encode_frame, to_json

from .dispatch import Dispatcher, streamed
from .evaluation import Case, Outcome, Work
from .loop_thread import LoopThread
from .pool import Relay
from .relay import RelayAddress, RelayClient, RelayedStage, RelayServer, Trouble
from .sandbox import SandboxLevel
from .task import Resources
from .worker import Worker

__all__ = ["RayPool"]

_READY_S: Final = 120.0
_AGAIN_S: Final = 1.0
_END_S: Final = 10.0
_CONNECT_S: Final = 5.0
_SLOTS_PER_ACTOR: Final = 4
# Work and outcomes are small; Ray by itself would take 30 % of the machine's memory.
_OBJECT_STORE_BYTES: Final = 128 * 1024 * 1024
_ONE_CPU: Final = Resources()
_LARGE_BYTES: Final = 64 * 1024
_MAX_STORED: Final = 10_000
_REFERENCE: Final = "a reference into the object store"  # as a parameter's name it cannot be taken for one
_SECRET: Final = re.compile(r"^(?!RAY_).*(KEY|TOKEN|SECRET|PASSW|CREDENTIAL)|^(OPENAI|ANTHROPIC|AZURE|AWS|GOOGLE|HF)_")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """Inputs of an example, and where they are in the object store; small ones are not there."""

    inputs: Mapping[str, object]
    reference: Any


class RayPool:
    """A pool on a Ray cluster. The constructor returns at once; the cluster and its actors start in a background thread.

    Until the first actor is there, programs run in children of this process, if the resources ask for nothing that it has not; so a
    search need not wait for Ray. Actors that find no place yet are used as soon as nodes join that have one.

    Args:
        relay: Where model calls go.
        slots: Children at the same time on the whole cluster, at most; at least 1.
        address: `host:port` of a cluster's head, or `auto`; None starts one on this machine, which ends with the pool.
        sandbox: What the children are confined by.
        resources: What each child is given.
        slots_per_actor: Children at the same time in one actor, at most.

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
        resources: Resources = _ONE_CPU,
        slots_per_actor: int = _SLOTS_PER_ACTOR,
    ) -> None:
        _refuse_ray_client(address)
        self._slots = slots
        self._thread = LoopThread("ray-pool")
        self._dispatcher = Dispatcher()
        self._cluster = _Cluster(relay, self._thread, address=address, sandbox=sandbox, resources=resources)
        portion = min(slots_per_actor, resources.per_actor)
        self._actor_slots = [min(portion, slots - first) for first in range(0, slots, portion)]
        self._actors: set[_ActorHost] = set()
        self._adding: set[asyncio.Task[None]] = set()
        self._local: Worker | None = None
        if not resources.are_special:
            self._local = Worker(relay, slots=min(slots, os.cpu_count() or 1), sandbox=sandbox)
            self._dispatcher.add(self._local)
        self._closed = False
        self._failed: GraftworkError | None = None
        self._unstarted: InfrastructureError | None = None  # why the last actor that did not start did not
        self._ready: Future[None] = Future()
        self._over = threading.Event()
        # Not the main thread: there Ray would put its own handler in the place of SIGTERM's.
        self._keeper = threading.Thread(target=self._keep, name="ray-keeper", daemon=True)
        self._keeper.start()

    @property
    def slots(self) -> int:
        """Cases that run at the same time."""
        return self._slots

    @property
    def n_actors(self) -> int:
        """Actors that run programs now."""
        return self._dispatcher.n_hosts - (self._local is not None and not self._ready.done())

    async def ready(self) -> None:
        """Wait until the first actor is there.

        Raises:
            ConfigError: If the cluster cannot be reached, or has no place for it.
            InfrastructureError: If Ray did not start.
        """
        await asyncio.shield(asyncio.wrap_future(self._ready))

    async def run(self, work: Work) -> tuple[Outcome, ...]:
        """Run every case; see `Pool.run`.

        Raises:
            ConfigError: If the cluster cannot be reached.
        """
        return await self._thread.awaitable(self._dispatcher.run(work))

    def stream(self, work: Work) -> AsyncGenerator[Outcome, None]:
        """Run every case; see `Pool.stream`."""
        return streamed(self._thread, self._dispatcher, work)

    async def aclose(self) -> None:
        """Kill every child, end the actors, and Ray if it is ours. Calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._ready)), _READY_S), return_exceptions=True)
        await self._thread.awaitable(self._end())
        self._over.set()
        await asyncio.to_thread(self._keeper.join)
        self._thread.close()

    async def _end(self) -> None:
        adding = tuple(self._adding)
        for task in adding:
            task.cancel()
        await asyncio.gather(*adding, return_exceptions=True)
        if self._local is not None:
            await self._local.aclose()
        await self._cluster.end([host.actor for host in self._actors])

    def _keep(self) -> None:
        """Start Ray and stay: the kernel kills Ray's processes when the thread that started them ends."""
        try:
            self._cluster.connect(self._slots)
            self._thread.run(self._begin())
        except GraftworkError as error:
            self._thread.run(self._fail(error))
        except (OSError, RuntimeError, ValueError) as error:
            self._thread.run(self._fail(InfrastructureError(f"Ray did not start: {error}")))
        finally:
            if not self._ready.done():  # a fault of ours, which the thread will show: nobody shall wait for ever
                self._thread.run(self._fail(InfrastructureError("Ray did not start")))
        self._over.wait()
        self._cluster.disconnect()

    async def _begin(self) -> None:
        """Ask for every actor, and wait for the first."""
        if self._cluster.never_has(1):
            raise ConfigError(self._cluster.no_place(0.0))
        for slots in self._actor_slots:
            self._ask_for_actor(slots)
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._ready)), _READY_S)
        except TimeoutError:
            raise self._unstarted or ConfigError(self._cluster.no_place(_READY_S)) from None

    async def _fail(self, error: GraftworkError) -> None:
        """End all works, and those that come: without hosts they would wait for ever."""
        self._failed = error
        self._dispatcher.fail(error)
        if not self._ready.done():
            self._ready.set_exception(error)

    def _ask_for_actor(self, slots: int) -> None:
        loop = asyncio.get_running_loop()

        def added(task: asyncio.Task[None]) -> None:
            self._adding.discard(task)
            if task.cancelled() or (error := task.exception()) is None:
                return
            # It was lost before it was there, such as with the node that it was to be on.
            self._unstarted = InfrastructureError(str(error))
            if not self._closed and self._failed is None:
                loop.call_later(_AGAIN_S, self._ask_for_actor, slots)

        task = loop.create_task(self._add_actor(slots))
        self._adding.add(task)
        task.add_done_callback(added)

    async def _add_actor(self, slots: int) -> None:
        """Have an actor made, and use it as soon as it is there; the first takes over from the children of this process."""
        host = _ActorHost(self._cluster, self._cluster.actor(slots), slots=slots, on_lost=self._replace)
        self._actors.add(host)
        try:
            await self._cluster.await_ready(host.actor)
        except InfrastructureError:
            self._actors.discard(host)
            raise
        self._dispatcher.add(host)
        if not self._ready.done():
            self._ready.set_result(None)
            if self._local is not None:
                self._dispatcher.remove(self._local)
                await self._local.drain()

    def _replace(self, host: _ActorHost) -> None:
        """Another actor in the place of one that was lost; when none comes in time, the work ends."""
        self._actors.discard(host)
        if self._closed:
            return
        self._ask_for_actor(host.slots)
        asyncio.get_running_loop().call_later(_READY_S, self._end_if_empty)

    def _end_if_empty(self) -> None:
        if not self._dispatcher.n_hosts and not self._closed:
            lost = InfrastructureError(f"every actor was lost, and none found a place within {_READY_S:g} s")
            self._adding.add(asyncio.get_running_loop().create_task(self._fail(lost)))


class _ActorHost:
    """An actor as the dispatcher sees it. Inputs that are large travel once, into Ray's object store."""

    portion = 8  # a call of an actor costs a millisecond here and one there

    def __init__(self, cluster: _Cluster, actor: Any, *, slots: int, on_lost: Callable[[_ActorHost], None]) -> None:
        self.actor = actor
        self._cluster = cluster
        self._slots = slots
        self._on_lost = on_lost

    @property
    def slots(self) -> int:
        return self._slots

    async def run(self, work: Work) -> tuple[Outcome, ...] | None:
        answer = await self._cluster.ask(self.actor, work)
        if answer is None:
            self._on_lost(self)
        elif isinstance(answer, Trouble):
            raise answer.error
        return answer


class _Cluster:
    """Ray, the relay server beside it, and how actors are made, asked and ended."""

    def __init__(self, relay: Relay, thread: LoopThread, *, address: str | None, sandbox: SandboxLevel, resources: Resources) -> None:
        self._relay = relay
        self._thread = thread
        self._address = address
        self._sandbox: SandboxLevel = sandbox
        self._resources = resources
        self._stored: OrderedDict[str, _Stored] = OrderedDict()
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
        options: dict[str, Any] = {**self._asked(slots), "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 1000}
        if hidden:
            options["runtime_env"] = {"env_vars": hidden}
        return ray.remote(_Evaluator).options(**options).remote(self._relay_address, slots, self._sandbox)

    def _asked(self, slots: int) -> dict[str, Any]:
        """What an actor with so many slots asks of Ray."""
        each = self._resources
        asked: dict[str, Any] = {"num_cpus": each.cpus * slots, "num_gpus": each.gpus * slots}
        if each.memory_mb is not None:
            asked["memory"] = each.memory_mb * slots * 2**20
        if each.custom:
            asked["resources"] = {name: amount * slots for name, amount in each.custom.items()}
        return asked

    async def await_ready(self, actor: Any) -> None:
        """Wait until an actor answers, for as long as it takes.

        Raises:
            InfrastructureError: If it was lost before.
        """
        from ray.exceptions import RayError

        try:
            await actor.ready.remote()
        except RayError as error:
            raise InfrastructureError(f"an actor did not start: {error}") from error

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

    async def ask(self, actor: Any, work: Work) -> tuple[Outcome, ...] | Trouble | None:
        """Have an actor run some work; None if the actor is lost.

        Raises:
            InfrastructureError: If it raised what nobody expects.
        """
        import ray
        from ray.exceptions import RayActorError, RayError

        assert self._server is not None  # noqa: S101 (there are no actors without it)
        with self._server.staging(work.stage) as stage:
            reference = actor.run.remote(replace(work, stage=None, cases=tuple(map(self._light, work.cases))), stage)
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

    def _light(self, case: Case) -> Case:
        """The case, with large inputs as a reference into the object store, where they are put once."""
        import ray

        stored = self._stored.get(case.example_id)
        if stored is None or stored.inputs is not case.inputs:
            reference = ray.put(case.inputs) if len(encode_frame({"inputs": to_json(case.inputs)})) > _LARGE_BYTES else None
            stored = self._stored[case.example_id] = _Stored(inputs=case.inputs, reference=reference)
            if len(self._stored) > _MAX_STORED:
                self._stored.popitem(last=False)
        return case if stored.reference is None else replace(case, inputs={_REFERENCE: stored.reference})

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
            cases = tuple([await self._whole(case) for case in work.cases])
            return await self._worker.run(replace(work, cases=cases, stage=RelayedStage(self._client, stage) if stage else None))
        except GraftworkError as error:
            return Trouble.of(error)

    async def _whole(self, case: Case) -> Case:
        """The case with its inputs, which Ray keeps on this machine once they were asked for."""
        reference = case.inputs.get(_REFERENCE)
        return case if reference is None else replace(case, inputs=await cast("Awaitable[Mapping[str, object]]", reference))

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
