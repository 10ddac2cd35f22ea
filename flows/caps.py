"""Caps: what one candidate may use, and what the crowning needs, worked out from the task's limits and from what the seed used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from graftwork.evaluators.ledger import CandidateCaps, Ceilings
from graftwork.evaluators.model_judge import MAX_JUDGEMENT_TOKENS
from graftwork.evaluators.prices import Price
from graftwork.programs.model import Usage
from graftwork.search.rewriters import MAX_REPLY_TOKENS
from graftwork.search.writing import PROPOSALS

from .run import Run
from .settings import ModelSettings

__all__ = ["candidate_caps", "crowning_share", "search_ceilings"]

_REQUEST_BYTES: Final = 12_000  # of a proposer's request beside the programs in it: instructions, task, evidence
_PROGRAM_FACTOR: Final = 4  # two parents, grown to twice the seed
_BYTES_PER_TOKEN: Final = 4  # a reservation counts bytes, an endpoint tokens
_INPUT_FACTOR: Final = 2  # a candidate's requests may be this many times as long as the seed's
_BLIND_INPUT_TOKENS: Final = 500  # of a call where the seed makes none to judge by
_JUDGE_ATTEMPTS: Final = 2  # a grade that cannot be read is asked for once more
_CROWNING_FACTOR: Final = 2  # a champion may cost this many times what the seed does


def candidate_caps(run: Run, used: Usage, *, n_runs: int) -> CandidateCaps:
    """The most that one candidate can have reserved: what `ask` sets aside for each in flight.

    Counted as reservations are, and from what the limits of each run of an example allow together, so that the gateway's own check at
    each call is a net that does not decide anything.

    Args:
        run: Limits and prices.
        used: What the seed's evaluation used.
        n_runs: In how many runs: one for each repeat of each example.
    """
    n_calling = n_runs * (run.task.limits.runs if run.task.evaluator is not None else 1)
    task_calls = run.task.limits.calls * n_calling if "task" in run.models else 0
    seen = used.input_tokens // used.calls if used.calls else _BLIND_INPUT_TOKENS
    per_call = seen * _INPUT_FACTOR * _BYTES_PER_TOKEN
    task_tokens = task_calls * per_call, task_calls * run.task.limits.max_tokens
    judge_calls = _JUDGE_ATTEMPTS * n_runs if "judge" in run.models else 0
    judge_tokens = judge_calls * per_call, judge_calls * MAX_JUDGEMENT_TOKENS
    proposals = PROPOSALS if "proposer" in run.models else 0
    request = _REQUEST_BYTES + _PROGRAM_FACTOR * len(run.task.seed.source.encode())
    proposal_tokens = proposals * request, proposals * MAX_REPLY_TOKENS
    return CandidateCaps(
        calls=task_calls + judge_calls + proposals,
        tokens=sum(task_tokens) + sum(judge_tokens) + sum(proposal_tokens),
        usd=_most(run.settings.named_models.values(), task_tokens)
        + _most(_prices(run.settings.judge), judge_tokens)
        + _most((one.price for one in run.settings.proposers), proposal_tokens),
    )


def _prices(model: ModelSettings | None) -> tuple[Price, ...]:
    return (model.price,) if model is not None else ()


def _most(prices: Iterable[Price], tokens: tuple[int, int]) -> float:
    """What tokens cost at the dearest of some prices: a program may name any of its models."""
    input_tokens, output_tokens = tokens
    return max((price.usd(input_tokens=input_tokens, output_tokens=output_tokens) for price in prices), default=0.0)


def crowning_share(run: Run, *, n_runs: int) -> float:
    """What the crowning may cost, in units of the seed's evaluation of `n_runs` runs."""
    n_finalists, task = run.strategy.finalists, run.task
    n_audit = 2 * len(task.audits) * n_finalists * len(task.splits["val"])
    n_confirm = (n_finalists + 1) * task.n_runs("confirm")
    n_held_out = 2 * sum(map(task.n_runs, ("test", *task.transfer)))
    return _CROWNING_FACTOR * (n_audit + n_confirm + n_held_out) / n_runs


def search_ceilings(run: Run, used: Usage, caps: CandidateCaps, *, n_runs: int) -> Ceilings:
    """The run's ceilings less what is set aside for the crowning, and for asking the seed for what the search cost.

    The latter takes as much as the search, or less where the seed has given all the answers that are asked for, or one candidate would
    not fit any more.

    Args:
        run: The ceilings.
        used: What the seed's evaluation used.
        caps: What one candidate may use.
        n_runs: In how many runs the seed used that.
    """
    settings, crowning = run.settings, crowning_share(run, n_runs=n_runs)
    asking = settings.best_of * len(run.task.splits.get("test", ())) / n_runs
    return Ceilings(
        usd=_left(settings.budget_usd, crowning * used.usd, asking * used.usd, used.usd + (caps.usd or 0)),
        tokens=_left(settings.budget_tokens, crowning * used.tokens, asking * used.tokens, used.tokens + (caps.tokens or 0)),
        calls=_left(settings.budget_calls, crowning * used.calls, asking * used.calls, used.calls + (caps.calls or 0)),
    )


def _left(ceiling: float | None, crowning: float, asking: float, needed: float) -> float | None:
    """What is left of a ceiling without what the crowning takes and what asking may, where the search needs so much at least."""
    if ceiling is None:
        return None
    rest = max(0.0, ceiling - crowning)
    return rest - max(0.0, min(asking, rest / 2, rest - needed))
