"""Price: what a model's tokens cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Price"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """List price of a model.

    Attributes:
        input_usd_per_mtok: US dollars per million prompt tokens, at least 0.0.
        output_usd_per_mtok: US dollars per million generated tokens, at least 0.0.
    """

    input_usd_per_mtok: float = 0.0
    output_usd_per_mtok: float = 0.0

    def usd(self, *, input_tokens: int, output_tokens: int) -> float:
        """The price of so many tokens in US dollars."""
        return (input_tokens * self.input_usd_per_mtok + output_tokens * self.output_usd_per_mtok) / 1e6
