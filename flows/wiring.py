"""Wiring: lineage, gateway and pool of one run, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from graftwork.evaluators.gateway import Gateway, GatewaySettings
from graftwork.evaluators.ledger import Ceilings, Ledger
from graftwork.evaluators.pool import Pool
from graftwork.evaluators.prices import Price
from graftwork.programs.model import Role
from graftwork.search.lineage import Lineage, LineageCallStore

from .run import Run
from .settings import ModelSettings

__all__ = ["Wiring"]


class Wiring:
    """The parts of a run that hold files, sockets and processes. A context manager.

    The gateway is up before the pool begins to start, so that the first model call need not wait for Ray.

    Args:
        run: What to open them for.
    """

    lineage: Lineage
    gateway: Gateway
    pool: Pool

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        settings = self._run.settings
        with self._stack as stack:
            self.lineage = stack.enter_context(Lineage(self._run.run_dir, clock=time.time))
            store = LineageCallStore(self.lineage)
            ceilings = Ceilings(usd=settings.budget_usd, tokens=settings.budget_tokens, calls=settings.budget_calls)
            self.gateway = Gateway(
                self._run.models,
                store,
                ledger=Ledger(ceilings, booked=store.booked()),
                settings=GatewaySettings(prices=_prices(settings.proposer, settings.task_model), named_models=settings.named_models),
            )
            stack.callback(self.gateway.close)
            self.pool = self._open_pool()
            stack.callback(lambda: asyncio.run(self.pool.aclose()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _open_pool(self) -> Pool:
        settings = self._run.settings
        if settings.pool == "ray":
            from graftwork.evaluators.ray_pool import RayPool  # here: importing Ray takes a second

            return RayPool(self.gateway, slots=settings.slots, address=settings.ray_address, sandbox=settings.sandbox)
        from graftwork.evaluators.local_pool import LocalPool

        return LocalPool(self.gateway, slots=settings.slots, sandbox=settings.sandbox)


def _prices(proposer: ModelSettings | None, task: ModelSettings | None) -> dict[Role, Price]:
    named: dict[Role, ModelSettings | None] = {"proposer": proposer, "task": task}
    return {role: model.price for role, model in named.items() if model is not None}
