"""Whether a ceiling holds: calls of random size at random prices, many in flight, by a process that is killed again and again.

python -m benchmarks.spend --calls 10000 --in-flight 256 --kills 20

A driver makes calls until the ceiling refuses one; it is killed at random moments and begun again on the same lineage. At the end the
ledger is held to the endpoint's own count: never below it, equal to it without kills, and neither above the ceiling.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graftwork.evaluators.endpoint import EndpointLimits
from graftwork.evaluators.gateway import Gateway, GatewaySettings
from graftwork.evaluators.ledger import Ceilings, Ledger
from graftwork.evaluators.pool import ProgramCall
from graftwork.evaluators.prices import Price
from graftwork.programs.errors import CeilingReached
from graftwork.programs.model import Usage
from graftwork.programs.openai_model import OpenAIModel
from graftwork.search.lineage import Lineage
from graftwork.search.recorded_calls import LineageCallStore

from .mock_endpoint import Mock, mocked

__all__ = ["main"]

_MAX_TOKENS: Final = 400
_REPLY: Final = "reply {n}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried.

    Attributes:
        calls: At most so many can be served; the ceiling holds about three quarters of them.
        in_flight: Calls at the same time, each of which is refused once.
        kills: How often the driver is killed.
        seed: Of prices, sizes and moments.
    """

    calls: int
    in_flight: int
    kills: int
    seed: int

    @property
    def prices(self) -> Mapping[str, Price]:
        """Ten models, each at its own price in USD per million tokens."""
        rng = random.Random(self.seed)
        return {f"m{n}": Price(input_usd_per_mtok=rng.uniform(0, 20), output_usd_per_mtok=rng.uniform(0, 80)) for n in range(10)}

    @property
    def ceiling_usd(self) -> float:
        """What about three quarters of the calls cost on average."""
        prices = self.prices.values()
        mean = sum(price.usd(input_tokens=60, output_tokens=_MAX_TOKENS // 2) for price in prices) / len(prices)
        return 0.75 * self.calls * mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """How it ended, in US dollars.

    Attributes:
        ceiling: What was allowed.
        ledger: What the lineage holds as spent.
        endpoint: What the endpoint counted.
        calls: Calls that the endpoint served.
        most_at_once: The most that it served at the same time.
    """

    ceiling: float
    ledger: float
    endpoint: float
    calls: int
    most_at_once: int


def main() -> None:
    """Spend, and print what the three counts are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drive", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    plan = Plan(calls=chosen.calls, in_flight=chosen.in_flight, kills=chosen.kills, seed=chosen.seed)
    if chosen.drive:
        asyncio.run(_drive(plan, *chosen.drive))
        return
    spent = spend(plan)
    print(f"ceiling {spent.ceiling:.6f} usd, ledger {spent.ledger:.6f}, endpoint {spent.endpoint:.6f}")
    print(f"{spent.calls} calls served, {spent.most_at_once} at the same time, the driver killed {plan.kills} times")


def spend(plan: Plan) -> Spent:
    """Have a driver spend until the ceiling, killing it on the way."""
    rng = random.Random(f"kills/{plan.seed}")
    with tempfile.TemporaryDirectory() as folder, mocked(_REPLY, Path(folder), latency_ms=50, tokens=_MAX_TOKENS) as mock:
        for _ in range(plan.kills):
            driver = _started(plan, mock, folder)
            time.sleep(rng.uniform(1.5, 4.0))
            driver.kill()
            driver.wait()
        if _started(plan, mock, folder).wait() != 0:
            raise SystemExit("the driver failed")
        return _counted(plan, mock, Path(folder) / "lineage")


def _started(plan: Plan, mock: Mock, folder: str) -> subprocess.Popen[bytes]:
    numbers = ("--calls", plan.calls, "--in-flight", plan.in_flight, "--seed", plan.seed)
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.spend", *map(str, numbers), "--drive", f"{mock.url}/v1", folder],
        cwd=Path(__file__).parents[1],
    )


async def _drive(plan: Plan, url: str, folder: str) -> None:
    """Make calls that nobody made before, until the ceiling refuses one."""
    with Lineage(Path(folder), clock=time.time) as lineage:
        store = LineageCallStore(lineage)
        ledger = Ledger(Ceilings(usd=plan.ceiling_usd), booked=store.booked())
        gateway = Gateway(
            {"task": OpenAIModel(model="m0", base_url=url, alias="mock")},
            store,
            ledger=ledger,
            settings=GatewaySettings(named_models=plan.prices, endpoints={"task": EndpointLimits(in_flight=plan.in_flight)}),
        )
        numbers = itertools.count()
        try:
            await asyncio.gather(*(_call_on(gateway, plan, numbers) for _ in range(plan.in_flight)))
        finally:
            await asyncio.to_thread(gateway.close)


async def _call_on(gateway: Gateway, plan: Plan, numbers: itertools.count[int]) -> None:
    while (number := next(numbers)) < plan.calls + plan.in_flight:
        rng = random.Random(f"{plan.seed}/{number}")
        message = {"role": "user", "content": "x" * rng.randint(1, 200)}
        try:
            await gateway.call(
                ProgramCall(
                    candidate=number,
                    digest="d",
                    example_id="e",
                    body={"messages": [message], "model": f"m{rng.randrange(10)}"},
                    component="ask",
                    path="",
                    draw=f"search/0/{number}#0",
                    run_id=str(number),
                    max_calls=1,
                    max_tokens=_MAX_TOKENS,
                )
            )
        except CeilingReached:
            return


def _counted(plan: Plan, mock: Mock, lineage: Path) -> Spent:
    stats, prices = mock.stats(), plan.prices
    usd = (prices[model].usd(input_tokens=n_in, output_tokens=n_out) for model, (n_in, n_out) in stats["by_model"].items())
    with Lineage(lineage.parent, clock=time.time) as opened:
        booked = sum((entry.usage for entry in LineageCallStore(opened).booked()), Usage())
    return Spent(ceiling=plan.ceiling_usd, ledger=booked.usd, endpoint=sum(usd), calls=stats["served"], most_at_once=stats["most_at_once"])


if __name__ == "__main__":
    main()
