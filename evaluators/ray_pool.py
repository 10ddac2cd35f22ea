"""RayPool: programs run in sandboxed children of Ray actors, on one machine or many.

This file keeps the actors: asks for them, gives them work, and has others in the place of those that are lost.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from typing import Final

from graftwork.programs.errors import ConfigError, GraftworkError, InfrastructureError

from .dispatch import Dispatcher, streamed
from .evaluation import Outcome, Work
from .loop_thread import LoopThread
from .pool import Relay
from .ray_cluster import Cluster
from .sandbox import SandboxLevel
from .task import Resources
from .worker import Worker

__all__ = ["RayPool"]

_READY_S: Final = 120.0
_AGAIN_S: Final = 1.0
_SLOTS_PER_ACTOR: Final = 4
_ONE_CPU: Final = Resources()


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
        thread: Where work is handed out, best the gateway's; see `LocalPool`. It outlives the pool.

    Raises:
        ConfigError: For a `ray://` address.
    """

    def __init__(  # noqa: PLR0913 - what differs between clusters, each said by name
        self,
        relay: Relay,
        *,
        slots: int,
        address: str | None = None,
        sandbox: SandboxLevel = "standard",
        resources: Resources = _ONE_CPU,
        slots_per_actor: int = _SLOTS_PER_ACTOR,
        thread: LoopThread | None = None,
    ) -> None:
        _refuse_ray_client(address)
        self._slots = slots
        self._thread = thread or LoopThread("ray-pool")
        self._owns_thread = thread is None
        self._dispatcher = Dispatcher()
        self._cluster = Cluster(relay, self._thread, address=address, sandbox=sandbox, resources=resources)
        portion = min(slots_per_actor, resources.per_actor)
        self._actor_slots = [min(portion, slots - first) for first in range(0, slots, portion)]
        self._keeping: set[asyncio.Task[None]] = set()
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
        if self._owns_thread:
            self._thread.close()

    async def _end(self) -> None:
        self._dispatcher.close()
        keeping = tuple(self._keeping)
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        if self._local is not None:
            await self._local.aclose()
        await self._cluster.end()

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
        self._end_all(error)

    def _end_all(self, error: GraftworkError) -> None:
        """End all works, and those that come: without hosts they would wait for ever."""
        self._failed = error
        self._dispatcher.fail(error)
        if not self._ready.done():
            self._ready.set_exception(error)

    def _ask_for_actor(self, slots: int) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._keeping.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:  # a fault of ours: whoever waits must hear of it
                self._end_all(InfrastructureError(f"Ray made no actor: {error}"))

        task = asyncio.get_running_loop().create_task(self._keep_actor(slots))
        self._keeping.add(task)
        task.add_done_callback(ended)

    async def _keep_actor(self, slots: int) -> None:
        """Have an actor made, use it as soon as it is there, and another in its place when it is lost."""
        while self._failed is None:
            host = self._cluster.host(slots)
            try:
                await self._cluster.begin(host)
            except InfrastructureError as error:
                # It was lost before it was there, such as with the node that it was to be on.
                self._unstarted = error
                await asyncio.sleep(_AGAIN_S)
            else:
                self._dispatcher.add(host)
                await self._take_over()
                await self._cluster.until_lost(host)
                self._dispatcher.remove(host)
                asyncio.get_running_loop().call_later(_READY_S, self._end_if_empty)
            self._cluster.forget(host)

    async def _take_over(self) -> None:
        """The first actor is there: it takes over from the children of this process."""
        if self._ready.done():
            return
        given = self._dispatcher.remove(self._local) if self._local is not None else set()
        self._ready.set_result(None)
        if given:
            await asyncio.wait(given)
        if self._local is not None:
            await self._local.aclose()

    def _end_if_empty(self) -> None:
        if not self._dispatcher.n_hosts and not self._closed:
            self._end_all(InfrastructureError(f"every actor was lost, and none found a place within {_READY_S:g} s"))


def _refuse_ray_client(address: str | None) -> None:
    if address is not None and address.startswith("ray://"):
        raise ConfigError(
            f"{address}: Ray Client loses the cluster when the connection breaks for a moment; "
            "run on a machine of the cluster with host:6379 as the address, or as a Ray job"
        )
