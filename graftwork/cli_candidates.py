"""Which candidate a person means: a number, or `seed`, `champion` or `best`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftwork.programs.errors import ConfigError, RunError

if TYPE_CHECKING:
    from graftwork.programs.changed import Changed
    from graftwork.search.comparison import PairedDifference
    from graftwork.search.record import Record

__all__ = ["candidate_number", "change_lines", "difference_words"]


def candidate_number(record: Record, named: str | None) -> int:
    """The number of the candidate that is named; without a name the champion's, else that of the best so far.

    Raises:
        ConfigError: If it is no name of a candidate.
        RunError: If the run has none such yet.
    """
    if named is not None and named.isdecimal():
        return int(named)
    if named == "seed":
        return 0
    if named not in (None, "champion", "best"):
        raise ConfigError(f"a candidate is a number, or seed, champion or best, not {named!r}")
    row = record.best if named == "best" else record.champion
    row = row or (record.best if named is None else None)
    if row is None:
        raise RunError(f"{record.path} has no {named or 'evaluated candidate'} yet: let it run")
    number: int = row["number"]
    return number


def change_lines(change: Changed, *, indent: str = "") -> list[str]:
    """A difference between two programs as lines: a title, and a diff without its heading."""
    return [f"{indent}@ {change.title}", *(f"{indent}{line}" for line in change.diff.splitlines())]


def difference_words(difference: PairedDifference | None) -> str:
    """A paired difference with its interval, which one pair has not."""
    if difference is None:
        return "not judged"
    return f"{difference.mean:+.4g}" + (f" [{difference.lo:+.4g}, {difference.hi:+.4g}]" if difference.n > 1 else "")
