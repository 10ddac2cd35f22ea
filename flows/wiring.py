"""Wiring: lineage, gateway and pool of one run, opened in order and closed in reverse."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

import uvloop

from graftwork.evaluators.endpoint import EndpointLimits
from graftwork.evaluators.gateway import Gateway, GatewaySettings
from graftwork.evaluators.ledger import Ceilings, Ledger
from graftwork.evaluators.pool import Pool
from graftwork.programs.model import Role
from graftwork.search.lineage import Lineage
from graftwork.search.measuring import val_order
from graftwork.search.mirror import Mirror
from graftwork.search.past import Past
from graftwork.search.record import open_run
from graftwork.search.recorded_calls import LineageCallStore
from graftwork.search.remote import Remote
from graftwork.search.snapshot import read_snapshot

from .run import Run
from .settings import ModelSettings, RunSettings

__all__ = ["Wiring", "gateway_settings"]


class Wiring:
    """The parts of a run that hold files, sockets and processes. A context manager.

    The gateway is up before the pool begins to start, so that the first model call need not wait for Ray.

    Args:
        run: What to open them for.
    """

    mirror: Mirror | None = None
    lineage: Lineage
    past: Past | None
    gateway: Gateway
    pool: Pool

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        settings = self._run.settings
        with self._stack as stack:
            if settings.mirror is not None:  # left last, when the lineage is sealed whole
                self.mirror = stack.enter_context(Mirror(self._run.run_dir, Remote(settings.mirror)))
            self.lineage = stack.enter_context(Lineage(self._run.run_dir, clock=time.time))
            if self.mirror is not None:
                self.lineage.on_whole(self.mirror.hold)
            self.past = self._past()
            store = LineageCallStore(self.lineage)
            ceilings = Ceilings(usd=settings.budget_usd, tokens=settings.budget_tokens, calls=settings.budget_calls)
            self.gateway = Gateway(
                self._run.models,
                store,
                more_proposers=self._run.more_proposers,
                ledger=Ledger(
                    ceilings, roles={role: Ceilings(usd=usd) for role, usd in settings.role_budgets_usd.items()}, booked=store.booked()
                ),
                settings=gateway_settings(settings),
            )
            stack.callback(self.gateway.close)
            self.pool = self._open_pool()
            stack.callback(lambda: uvloop.run(self.pool.aclose()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _past(self) -> Past | None:
        run, told = self._run, self.lineage.n_durable
        if not told:
            return None
        snapshot = read_snapshot(self.lineage.directory, strategy=run.strategy, seed=run.settings.seed, told=told)
        return Past(open_run(run.run_dir), run.task, snapshot, val=val_order(run.task, run.strategy))

    def _open_pool(self) -> Pool:
        settings = self._run.settings
        if settings.pool == "ray":
            from graftwork.evaluators.ray_pool import RayPool  # here: importing Ray takes a second

            return RayPool(
                self.gateway,
                slots=settings.slots,
                address=settings.ray_address,
                sandbox=settings.sandbox,
                resources=self._run.task.resources,
                thread=self.gateway.thread,
            )
        from graftwork.evaluators.local_pool import LocalPool

        return LocalPool(self.gateway, slots=settings.slots, sandbox=settings.sandbox, thread=self.gateway.thread)


def gateway_settings(settings: RunSettings) -> GatewaySettings:
    """How the gateway of a run with these settings serves."""
    roles: dict[Role, ModelSettings | None] = {"proposer": settings.proposer, "task": settings.task_model, "judge": settings.judge}
    models: dict[Role, ModelSettings] = {role: model for role, model in roles.items() if model is not None}
    limits = EndpointLimits(
        in_flight=settings.in_flight, requests_per_minute=settings.requests_per_minute, tokens_per_minute=settings.tokens_per_minute
    )
    return GatewaySettings(
        prices={role: model.price for role, model in models.items()},
        proposer_prices={model.alias: model.price for model in settings.proposers},
        named_models=settings.named_models,
        endpoints={role: replace(limits, name=model.base_url or "OpenAI") for role, model in models.items()},
    )
