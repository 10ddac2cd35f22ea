"""Progress: what a running search looks like from outside, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graftwork.programs.model import Role, Usage

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A running search after some results were told.

    Attributes:
        stage: What is going on: `starting`, `searching`, `confirming` or `done`.
        told: Briefs told, the seed not counted.
        candidates: Ceiling of briefs.
        unit: What a score is in.
        seed_score: Mean of the seed on val; None before it is known or where it could not be judged.
        best_score: Best mean on val so far.
        statuses: Told results by status.
        failures: Failures of programs on val by kind.
        spent: What was spent live, at list price, by role.
        seconds: Wall seconds since the search began.
        trouble: Why nothing comes from an endpoint, or nothing gets to the mirror, in one line; empty while all is well.
    """

    stage: str
    told: int
    candidates: int
    unit: str
    seed_score: float | None = None
    best_score: float | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[Role, Usage] = field(default_factory=dict)
    seconds: float = 0.0
    trouble: str = ""

    @property
    def per_second(self) -> float:
        """Candidates told per second."""
        return self.told / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate until the ceiling of candidates; None before anything was told."""
        return (self.candidates - self.told) / self.per_second if self.per_second > 0 else None

    @property
    def line(self) -> str:
        """All of it in one line, for logs."""
        parts = [f"{self.told}/{self.candidates} candidates"]
        if self.best_score is not None and self.seed_score is not None:
            parts.append(f"best {self.best_score:.4g} {self.unit} (seed {self.seed_score:.4g})")
        parts.append(f"{sum(self.failures.values())} failures")
        parts += [f"{role} {usage.tokens} tokens ({usage.usd:.4f} usd)" for role, usage in self.spent.items() if usage.calls]
        parts += [self.speed, *([self.trouble] if self.trouble else [])]
        return f"{self.stage}: {', '.join(parts)}"

    @property
    def speed(self) -> str:
        """Candidates per second and the time left, in words."""
        left = self.seconds_left if self.stage == "searching" else None
        return f"{self.per_second:.2f}/s" + ("" if left is None else f", {left:.0f} s left")
