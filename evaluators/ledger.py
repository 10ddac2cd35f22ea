"""Ledger: what model calls cost, reserved before they are sent and settled after, never above the run's ceilings."""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, get_args

from graftwork.programs.errors import CallFailed, CeilingReached
from graftwork.programs.failure import Failure
from graftwork.programs.model import Role, Usage

from .call_store import Booked

__all__ = ["MAX_ACCOUNTS", "CandidateCaps", "Ceilings", "Ledger"]

# Accounts that are kept: the candidates used last, many more than are ever in flight, so that memory stays flat.
MAX_ACCOUNTS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """Hard limits on model calls, of a run over all roles or of one role; None is no limit.

    Attributes:
        usd: US dollars at list price.
        tokens: Input and output tokens together.
        calls: Model calls; hits in the cache are none.
    """

    usd: float | None = None
    tokens: float | None = None
    calls: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCaps:
    """Limits of one candidate in the search, the proposer's calls for it included; None is no limit.

    Tokens and usd are known only after a call: once a cap is passed the next call is refused, and those in flight end as they
    would. Hits count at their recorded price, so that a resumed run decides as the live one did.

    Attributes:
        calls: Model calls.
        tokens: Input and output tokens together.
        usd: US dollars at list price.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None


@dataclass(slots=True, kw_only=True)
class _Account:
    """What one candidate has used and may still use."""

    used: Usage = field(default_factory=Usage)
    calls: int = 0
    calls_by_run: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Books of one run. Safe from any thread.

    Spent and reserved together never pass a ceiling, as long as no call costs more than was reserved for it; what an
    endpoint counts beyond that is booked as it is.

    Args:
        ceilings: The run's limits.
        roles: Limits of single roles, beside the run's.
        caps: Each candidate's limits.
        booked: What an earlier session of the run has spent, from `CallStore.booked`.
    """

    def __init__(
        self,
        ceilings: Ceilings,
        *,
        roles: Mapping[Role, Ceilings] | None = None,
        caps: CandidateCaps | None = None,
        booked: Iterable[Booked] = (),
    ) -> None:
        self._ceilings = ceilings
        self._roles = dict(roles or {})
        self._caps = caps or CandidateCaps()
        self._spent: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        self._open: dict[str, tuple[Role, Usage]] = {}
        self._accounts: OrderedDict[int, _Account] = OrderedDict()
        self._lock = threading.Lock()
        for entry in booked:
            self._spent[entry.role] += entry.usage

    @property
    def spent(self) -> Mapping[Role, Usage]:
        """Settled usage by role; every role is there."""
        return MappingProxyType(dict(self._spent))

    @property
    def reserved(self) -> Usage:
        """What the calls in flight can still cost."""
        with self._lock:
            return _total(usage for _, usage in self._open.values())

    def reserve(self, call_id: str, *, role: Role, bound: Usage) -> None:
        """Set aside what one call can cost.

        Args:
            call_id: Unique among open reservations.
            role: Who pays.
            bound: The most that the call can cost.

        Raises:
            CeilingReached: If spent, reserved and `bound` together would pass a ceiling, of the run or of the role; nothing is set aside.
        """
        with self._lock:
            _refuse_above(self._ceilings, (*self._spent.values(), *(usage for _, usage in self._open.values()), bound), "the budget")
            if role in self._roles:
                own = (usage for owner, usage in self._open.values() if owner == role)
                _refuse_above(self._roles[role], (self._spent[role], *own, bound), f"the {role}'s budget")
            self._open[call_id] = (role, bound)

    def settle(self, call_id: str, usage: Usage) -> None:
        """Book what a reserved call did cost and free the rest."""
        with self._lock:
            role, _ = self._open.pop(call_id)
            self._spent[role] += usage

    def cap_candidates(self, caps: CandidateCaps) -> None:
        """Set each candidate's limits from now on."""
        with self._lock:
            self._caps = caps

    def enter(self, candidate: int, *, run_id: str = "", max_calls: int | None = None, capped: bool = True) -> None:
        """Count a call, hit or not, for a candidate and for its run on one example.

        Args:
            candidate: Number of the brief that it is booked to.
            run_id: The run; its calls are counted by it.
            max_calls: What the run may make; None is no limit.
            capped: Whether the candidate's caps hold for this call.

        Raises:
            CallFailed: With kind `budget`, if the run has made its calls, or the candidate has reached a cap.
        """
        with self._lock:
            account = self._account(candidate)
            if max_calls is not None and account.calls_by_run[run_id] >= max_calls:
                raise _over(f"a run on one example may make {max_calls} model calls, and this one asks for more")
            if capped:
                self._refuse_passed(account)
            account.calls_by_run[run_id] += 1
            account.calls += capped

    def _refuse_passed(self, account: _Account) -> None:
        caps = self._caps
        if caps.calls is not None and account.calls >= caps.calls:
            raise _over(f"a candidate may make {caps.calls} model calls, and this one has made them")
        if caps.tokens is not None and account.used.tokens > caps.tokens:
            raise _over(f"a candidate may use {caps.tokens} tokens, and this one has used {account.used.tokens}")
        if caps.usd is not None and account.used.usd > caps.usd:
            raise _over(f"a candidate may spend {caps.usd:g} usd, and this one has spent {account.used.usd:g}")

    def leave(self, candidate: int, *, usage: Usage, capped: bool = True) -> None:
        """Book what an entered call did cost the candidate, at its recorded price where it was a hit."""
        with self._lock:
            if capped:
                self._account(candidate).used += usage

    def _account(self, candidate: int) -> _Account:
        account = self._accounts.setdefault(candidate, _Account())
        self._accounts.move_to_end(candidate)
        if len(self._accounts) > MAX_ACCOUNTS:
            self._accounts.popitem(last=False)
        return account


def _total(usages: Iterable[Usage]) -> Usage:
    rows = tuple(usages)
    return Usage(
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        # A running sum would drift as reservations come and go; the exact sum of what is open now cannot.
        usd=math.fsum(row.usd for row in rows),
        calls=sum(row.calls for row in rows),
    )


def _refuse_above(ceilings: Ceilings, usages: Iterable[Usage], whose: str) -> None:
    if name := _exceeded(ceilings, _total(usages)):
        limit = getattr(ceilings, name)
        raise CeilingReached(f"{whose} of {limit:g} {name} has no room for another model call; raise it to go on")


def _exceeded(limits: Ceilings, total: Usage) -> str:
    if limits.calls is not None and total.calls > limits.calls:
        return "calls"
    if limits.tokens is not None and total.tokens > limits.tokens:
        return "tokens"
    if limits.usd is not None and total.usd > limits.usd:
        return "usd"
    return ""


def _over(message: str) -> CallFailed:
    return CallFailed(Failure(kind="budget", message=message))
