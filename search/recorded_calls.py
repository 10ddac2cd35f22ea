"""Recorded calls: the call store that a run's record is, so that no reply is paid for twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, get_args

from graftwork.evaluators.call_store import Booked, RecordedCall, Reservation, Settlement
from graftwork.programs.model import Role, Usage

from .bookings import recorded_bookings
from .digest_index import DigestIndex
from .disk import writing_to
from .lineage import Lineage
from .rows import Row, recorded_call, reservation_of, reserved_row, settled_row
from .schema import SCHEMAS
from .segments import read_columns, read_row
from .texts import as_utf8, text_digest

__all__ = ["LineageCallStore"]

_MOST_RECENT: Final = 20_000  # replies at hand; more than ever wait to be sealed


class LineageCallStore:
    """A `CallStore` in a lineage: no recorded reply is paid for twice, across restarts too. Safe from any thread.

    Replies that were not asked for lately are on the disk only.

    Args:
        lineage: Where calls are written; what it holds already is known from the start.

    Raises:
        RunError: If what is there is damaged.
    """

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._mutex = threading.Lock()
        self._recent: OrderedDict[tuple[str, str], RecordedCall] = OrderedDict()
        calls = read_columns(lineage.directory, "calls", [name for name in SCHEMAS["calls"].names if name != "reply"])
        self._n_rows: int = calls.num_rows
        booked = recorded_bookings(calls)
        self._open: dict[str, Reservation] = {row["id"]: reservation_of(row) for row in booked.unsettled.to_pylist()}
        self._settled: dict[Role, Usage] = {role: booked.settled.get(role, Usage()) for role in get_args(Role)}
        lasting = booked.lasting
        asked = map(_asked, lasting["key"].to_pylist(), lasting["draw"].to_pylist())
        with writing_to(lineage.directory):
            self._rows = DigestIndex(asked, lasting["row"].to_numpy(), folder=lineage.directory)

    def find(self, key: str, draw: str) -> RecordedCall | None:
        """What was settled for that request and draw and lasts, the first such; or None."""
        with self._mutex:
            if (known := self._recent.get((key, draw))) is not None:
                self._recent.move_to_end((key, draw))
                return known
            place = self._rows.get(_asked(key, draw))
            if place is None:
                return None
            return self._keep(key, draw, recorded_call(read_row(self._lineage.directory, "calls", place)))

    def reserve(self, call: Reservation) -> None:
        """Record that a call is about to be sent; `sync` makes it durable.

        Raises:
            RunError: If it cannot be written.
        """
        with self._mutex:
            self._append(reserved_row(call))
            self._open[call.id] = call

    def settle(self, call: Settlement) -> None:
        """Record how a reserved call ended; `sync` makes it durable.

        Raises:
            RunError: If it cannot be written.
        """
        with self._mutex:
            reservation = self._open[call.id]
            place = self._append(settled_row(reservation, call))
            del self._open[call.id]
            recorded = RecordedCall(reply=call.reply, failure=call.failure, usage=call.usage)
            self._settled[reservation.role] += recorded.usage
            with writing_to(self._lineage.directory):
                is_first = recorded.lasts and self._rows.add(_asked(reservation.key, reservation.draw), place)
            if is_first:
                self._keep(reservation.key, reservation.draw, recorded)

    def sync(self) -> None:
        """Make what was recorded durable.

        Raises:
            RunError: If it cannot be written.
        """
        self._lineage.sync_calls()

    def booked(self) -> Iterator[Booked]:
        """Everything spent so far: settlements at their usage, summed by role; reservations without one at what they reserved."""
        with self._mutex:
            settled, unsettled = dict(self._settled), tuple(self._open.values())
        yield from (Booked(role=role, usage=usage) for role, usage in settled.items() if usage != Usage())
        yield from (Booked(role=reservation.role, usage=reservation.reserved) for reservation in unsettled)

    def _append(self, row: Row) -> int:
        """Have a row written, and say which it will be."""
        self._lineage.append_calls([row])
        self._n_rows += 1
        return self._n_rows - 1

    def _keep(self, key: str, draw: str, recorded: RecordedCall) -> RecordedCall:
        """Have a reply at hand, and let go of the one that was not asked for the longest: it is on the disk since."""
        self._recent[key, draw] = recorded
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return recorded


def _asked(key: str, draw: str) -> str:
    """The digest of a request and its draw."""
    return text_digest(as_utf8(f"{key}/{draw}"))
