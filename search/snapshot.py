"""Snapshot: where a search stands, as plain values small enough to be written often, so that going on replays little.

Programs and evaluations are not in it: the record has them. It is only ever a shortcut: where there is none, or it is of another version or
strategy, the whole record is told again to the same end.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from graftwork.programs.model import Usage
from graftwork.programs.provenance import Descent, Origin, Provenance

from .candidate import Brief, Member
from .digest_index import DigestIndex
from .disk import publish_file
from .rows import json_text
from .state import State
from .strategy import Strategy

__all__ = ["Snapshot", "read_snapshot", "write_snapshot"]

_VERSION: Final = 3
_FILE: Final = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state and the briefs in flight, by numbers.

    Attributes:
        strategy: JSON text of the strategy.
        seed: Of the search.
        told: Results told.
        spent: What they cost.
        statuses: Their number by status.
        failures: Failures on val by kind.
        best: Highest estimate of a leader.
        improved: Results told when it last rose.
        islands: Numbers of each archive's members, best first.
        asked: Briefs without a result: number, told, operator, parents, island, seed, proposer, worth. Of each parent, its number and the
            briefs whose results had extended its evaluation then.
        bandit: What the bandit knows; empty where there is none.
        renewed: Results told when the islands' best last changed, or an island was opened since.
        opened: Results told when each island was opened.
        descents: By number as text, of each candidate that is a member or a parent in flight: its provenance, the numbers of its
            ancestors, and, of a member, the briefs whose results extended its evaluation.
    """

    strategy: str
    seed: int
    told: int
    spent: Mapping[str, float]
    statuses: Mapping[str, int]
    failures: Mapping[str, int]
    best: float | None
    improved: int
    islands: tuple[tuple[int, ...], ...]
    renewed: int
    opened: tuple[int, ...]
    asked: tuple[Mapping[str, Any], ...]
    descents: Mapping[str, Mapping[str, Any]]
    bandit: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, state: State, asked: Iterable[Brief]) -> Self:
        """The snapshot of a state, with the briefs that are in flight, in order."""
        briefs = tuple(asked)
        founder = state.islands.founder
        members = [member for archive in state.islands for member in archive] + [parent for brief in briefs for parent in brief.parents]
        members += [] if founder is None else [founder]
        return cls(
            strategy=json_text(state.strategy),
            seed=state.seed,
            told=state.told,
            spent=asdict(state.spent),
            statuses={str(status): count for status, count in state.statuses.items()},
            failures=dict(state.failures),
            best=state.best,
            improved=state.improved,
            islands=tuple(tuple(member.candidate.number for member in archive) for archive in state.islands),
            renewed=state.islands.improved,
            opened=tuple(state.islands.opened),
            asked=tuple(
                {
                    "number": brief.number,
                    "told": brief.told,
                    "operator": brief.operator,
                    "parents": [[member.candidate.number, member.extended] for member in brief.parents],
                    "island": brief.island,
                    "seed": brief.seed,
                    "proposer": brief.proposer,
                    "worth": brief.worth,
                }
                for brief in briefs
            ),
            bandit=state.bandit.as_json() if state.bandit is not None else {},
            descents={str(member.candidate.number): _descent(member) for member in reversed(members)},
        )

    @property
    def numbers(self) -> frozenset[int]:
        """The candidates whose evaluations are needed."""
        return frozenset(map(int, self.descents))

    @property
    def extending(self) -> frozenset[int]:
        """The briefs whose results extended the evaluations of `numbers`."""
        in_flight = (extended for asked in self.asked for _, extended in asked["parents"])
        members = (descent["extended"] for descent in self.descents.values())
        return frozenset(itertools.chain(*in_flight, *members))

    @property
    def ancestors(self) -> frozenset[int]:
        """The candidates whose programs are needed besides."""
        return frozenset(number for descent in self.descents.values() for number in descent["ancestors"])

    def ancestors_of(self, number: int) -> tuple[int, ...]:
        """The ancestors of one of `numbers`."""
        return tuple(self.descents[str(number)]["ancestors"])

    def provenance(self, number: int) -> Provenance:
        """The provenance of one of `numbers`."""
        descent = self.descents[str(number)]
        return Provenance(
            origins=tuple(Origin(**origin) for origin in descent["origins"]),
            changes=tuple(
                Descent(**{**change, "predecessor": None if change["predecessor"] is None else Origin(**change["predecessor"])})
                for change in descent["changes"]
            ),
        )

    def restored(
        self,
        state: State,
        member: Callable[[int, tuple[int, ...]], Member],
        *,
        seen: DigestIndex,
    ) -> tuple[State, tuple[Brief, ...]]:
        """The state, and the briefs that were in flight.

        Args:
            state: Of the search, at its start; it is changed.
            member: One of the candidates of `numbers` with its evaluation, extended by what the results of some briefs told of it.
            seen: For each known digest, how many results had been told when it became known.
        """

        def standing(number: int) -> Member:
            return member(number, tuple(self.descents[str(number)]["extended"]))

        founder = standing(0) if "0" in self.descents else None
        standing_by_island = [map(standing, numbers) for numbers in self.islands]
        state.islands.restore(standing_by_island, founder=founder, improved=self.renewed, opened=self.opened)
        state.seen, state.told, state.spent = seen, self.told, Usage(**dict[str, Any](self.spent))
        state.best, state.improved = self.best, self.improved
        state.statuses, state.failures = Counter(dict[Any, int](self.statuses)), Counter(self.failures)
        state.bandit = state.bandit.restored(self.bandit) if state.bandit is not None else None
        parents = ([member(number, tuple(extended)) for number, extended in asked["parents"]] for asked in self.asked)
        return state, tuple(Brief(**{**asked, "parents": tuple(known)}) for asked, known in zip(self.asked, parents, strict=True))


def write_snapshot(directory: Path, body: str) -> None:
    """Put a snapshot in the place of the one before.

    Args:
        directory: The lineage's folder.
        body: Its JSON text.

    Raises:
        OSError: If the disk does not take it; the one before is intact then.
    """
    publish_file(directory / _FILE, json.dumps({"version": _VERSION, "crc32": zlib.crc32(body.encode()), "state": body}).encode())


def read_snapshot(directory: Path, *, strategy: Strategy, seed: int, told: int) -> Snapshot | None:
    """The last snapshot of a search, if it is of this version, strategy and seed, whole, and not ahead of the record; else None.

    Args:
        directory: The lineage's folder.
        strategy: Of the search.
        seed: Of the search.
        told: Results that are recorded.
    """
    try:
        document = json.loads((directory / _FILE).read_bytes())
        if document["version"] != _VERSION or zlib.crc32(document["state"].encode()) != document["crc32"]:
            return None
        body = json.loads(document["state"])
        islands = tuple(tuple(numbers) for numbers in body.pop("islands"))
        snapshot = Snapshot(**{**body, "asked": tuple(body["asked"])}, islands=islands)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    same = snapshot.strategy == json_text(strategy) and snapshot.seed == seed and 0 < snapshot.told <= told
    return snapshot if same else None


def _descent(member: Member) -> dict[str, Any]:
    candidate = member.candidate
    return {
        "extended": list(member.extended),
        "ancestors": [ancestor.number for ancestor in candidate.ancestors],
        "origins": [asdict(origin) for origin in candidate.provenance.origins],
        "changes": [asdict(change) for change in candidate.provenance.changes],
    }
