"""Cluster: Ray as a pool uses it: started or joined, actors made, asked and ended. The only file that imports Ray.

An actor runs no program itself: it owns a worker. It holds no key, and its model calls come back to this process over the relay.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from graftwork.programs.errors import ConfigError, GraftworkError, InfrastructureError
from graftwork.programs.wire import encode_frame, to_json

from .evaluation import Case, Outcome, Work
from .loop_thread import LoopThread
from .pool import Relay
from .relay import RelayAddress, RelayClient, RelayedStage, RelayServer, Trouble
from .sandbox import SandboxLevel
from .task import Resources
from .worker import Worker

__all__ = ["Cluster"]

_END_S: Final = 10.0
_CONNECT_S: Final = 5.0
# Work and outcomes are small; Ray by itself would take 30 % of the machine's memory.
_OBJECT_STORE_BYTES: Final = 128 * 1024 * 1024
_LARGE_BYTES: Final = 64 * 1024
_MAX_STORED: Final = 10_000
_REFERENCE: Final = "a reference into the object store"  # as a parameter's name it cannot be taken for one
_SECRET: Final = re.compile(r"^(?!RAY_).*(KEY|TOKEN|SECRET|PASSW|CREDENTIAL)|^(OPENAI|ANTHROPIC|AZURE|AWS|GOOGLE|HF)_")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """Inputs of an example, and where they are in the object store; small ones are not there."""

    inputs: Mapping[str, object]
    reference: Any


class Cluster:
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
