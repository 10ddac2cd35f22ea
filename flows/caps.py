"""Caps: what one candidate may use, and what the crowning needs, worked out from the task's limits and from what the seed used."""

from __future__ import annotations

from typing import Final

from graftwork.evaluators.ledger import CandidateCaps
from graftwork.programs.model import Usage

from .run import Run

__all__ = ["candidate_caps", "crowning_share"]

_PROPOSAL_INPUT_TOKENS: Final = 4_000
_PROPOSAL_OUTPUT_TOKENS: Final = 2_000
_PROPOSALS: Final = 2  # one, and one more when the first could not be used
_INPUT_FACTOR: Final = 4  # a candidate's requests may be this many times as long as the seed's
_CROWNING_FACTOR: Final = 2  # a champion may cost this many times what the seed does


def candidate_caps(run: Run, used: Usage, *, n_examples: int) -> CandidateCaps:
    """The most that one candidate may use: what the limits of each example allow together, so that no other cap ever binds first.

    Args:
        run: Limits and prices.
        used: What the seed's evaluation used.
        n_examples: On how many examples.
    """
    asks = bool(run.task.seed.prompts)
    proposals = _PROPOSALS if "proposer" in run.models else 0
    task_calls = run.task.limits.calls * n_examples if asks else 0
    input_tokens = task_calls * _INPUT_FACTOR * (used.input_tokens // max(used.calls, 1))
    output_tokens = task_calls * run.task.limits.max_tokens
    usd = proposals * _price(run, "proposer", _PROPOSAL_INPUT_TOKENS, _PROPOSAL_OUTPUT_TOKENS)
    return CandidateCaps(
        calls=task_calls + proposals,
        tokens=input_tokens + output_tokens + proposals * (_PROPOSAL_INPUT_TOKENS + _PROPOSAL_OUTPUT_TOKENS),
        usd=usd + _price(run, "task", input_tokens, output_tokens),
    )


def crowning_share(run: Run, *, n_examples: int) -> float:
    """What the crowning may cost, in units of the seed's evaluation on `n_examples` examples."""
    held_out = [run.task.splits.get("test", ()), *run.task.transfer.values()]
    n_confirm = (run.strategy.finalists + 1) * len(run.task.splits.get("confirm", ()))
    return _CROWNING_FACTOR * (n_confirm + 2 * sum(map(len, held_out))) / n_examples


def _price(run: Run, role: str, input_tokens: int, output_tokens: int) -> float:
    model = run.settings.proposer if role == "proposer" else run.settings.task_model
    if model is None:
        return 0.0
    return (input_tokens * model.usd_per_million_input_tokens + output_tokens * model.usd_per_million_output_tokens) / 1e6
