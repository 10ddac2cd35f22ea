"""Bandit: which operator, and which proposer for it, by what their children gained so far for what they cost.

Thompson sampling for rewards that are exponential about the mean of their arm (Korda, Kaufmann and Munos, arXiv 1307.3400), of which the
largest ratio of reward to cost is taken, as for budgeted bandits (Xia et al., IJCAI 2015; they draw the cost too, which here is the mean so
far). We depart from them in three ways. The prior of an arm is inverse gamma with shape 1 and a scale in proportion to its weight: since
the smallest of exponential times is an arm's with the chance of its rate, without evidence an arm is drawn exactly as often as its weight
says. Rewards are mostly zero, which is not exponential, so each counts as `1 / dispersion` of an observation, the dispersion being what all
arms together show (a quasi-likelihood, as in McCullagh and Nelder, Generalized Linear Models, 1989, chapter 9). And evidence is forgotten
at a steady rate (Raj and Kalyani, arXiv 1707.09727): what helps at first seldom helps in the end.

The cost of a candidate is in US dollars at list price, as recorded, hits in the cache included. Seconds would be other ones on another
machine, and equal seeds would make different searches; so where nothing costs dollars, a candidate counts as one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Any, Final

__all__ = ["Arm", "Bandit", "Drawn", "Evidence"]

_LEAST_COST: Final = 0.1  # of the mean: a candidate that costs no dollars still takes one of the run's candidates, and its time
_COST_PULLS: Final = 5.0  # pulls at the mean cost that every arm is believed to have had


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Arm:
    """What can be drawn.

    Attributes:
        operator: Its name.
        proposer: Alias of the model that writes; empty where none does, or where the run has one only.
    """

    operator: str
    proposer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an arm's children showed, the older the less it counts.

    Attributes:
        pulls: How many there were.
        rewards: Sum of their rewards.
        squares: Sum of the squares of their rewards.
        usd: What they cost.
    """

    pulls: float = 0.0
    rewards: float = 0.0
    squares: float = 0.0
    usd: float = 0.0

    def faded(self, by: float) -> Evidence:
        """This evidence when it counts `by` times as much."""
        return Evidence(pulls=self.pulls * by, rewards=self.rewards * by, squares=self.squares * by, usd=self.usd * by)

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            pulls=self.pulls + other.pulls,
            rewards=self.rewards + other.rewards,
            squares=self.squares + other.squares,
            usd=self.usd + other.usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A draw.

    Attributes:
        arm: What was drawn.
        worth: What its children gain for what they cost, as drawn from its posterior; None where its weight alone decided.
    """

    arm: Arm
    worth: float | None


@dataclass(slots=True, kw_only=True)
class Bandit:
    """What is known of the arms. A value: equal to another that learned the same in the same order. Its size is that of the arms.

    Attributes:
        floor: Share of the draws that follow the weights whatever the evidence says, so that no arm starves; in [0, 1].
        memory: Told candidates after which evidence counts 1/e of what it did; positive.
        evidence: By arm.
        gains: Sum of the gains above 0 and their number, in the task's unit, fading likewise.
    """

    floor: float
    memory: float
    evidence: dict[Arm, Evidence] = field(default_factory=dict)
    gains: tuple[float, float] = (0.0, 0.0)

    def draw(self, weights: Mapping[Arm, float], rng: random.Random) -> Drawn:
        """An arm. Nothing changes.

        Args:
            weights: Of the arms that can be drawn, positive.
            rng: Draws.
        """
        arms = sorted(weights)
        by_weight = rng.choices(arms, weights=[weights[arm] for arm in arms])[0]
        if rng.random() < self.floor:
            return Drawn(arm=by_weight, worth=None)
        worths = self._worths(weights, rng)
        best = max(arms, key=worths.__getitem__)
        return Drawn(arm=best, worth=worths[best])

    def learn(self, arm: Arm, *, gain: float, usd: float) -> float:
        """Learn what became of a candidate, and forget a little of what was before.

        Args:
            arm: By which it was made.
            gain: What it is above its parent, in the task's unit; 0 or less where it is no better or was not evaluated.
            usd: What it cost, proposing and evaluating.

        Returns:
            Its reward, in [0, 1): 0 without a gain, a half for one as large as the mean of those so far.
        """
        fading = math.exp(-1 / self.memory)
        self.evidence = {known: evidence.faded(fading) for known, evidence in self.evidence.items()}
        total, n = (part * fading for part in self.gains)
        self.gains = (total + gain, n + 1) if gain > 0 else (total, n)
        reward = gain / (gain + self.gains[0] / self.gains[1]) if gain > 0 else 0.0
        pull = Evidence(pulls=1.0, rewards=reward, squares=reward * reward, usd=usd)
        self.evidence[arm] = self.evidence.get(arm, Evidence()) + pull
        return reward

    def _worths(self, weights: Mapping[Arm, float], rng: random.Random) -> dict[Arm, float]:
        """Each arm's reward for its cost, drawn from its posterior."""
        known = {arm: self.evidence.get(arm, Evidence()) for arm in sorted(weights)}
        pooled = sum(known.values(), Evidence())
        mean, counting = _mean_and_counting(pooled)
        mean_weight = sum(weights[arm] for arm in known) / len(known)
        worths: dict[Arm, float] = {}
        for arm, evidence in known.items():
            scale = weights[arm] / mean_weight * mean + counting * evidence.rewards
            reward = scale / max(rng.gammavariate(1 + counting * evidence.pulls, 1.0), 1e-300)
            worths[arm] = reward / _cost(evidence, pooled)
        return worths

    def as_json(self) -> dict[str, Any]:
        """What it knows as JSON values, for `restored`."""
        known = [[arm.operator, arm.proposer, *astuple(evidence)] for arm, evidence in self.evidence.items()]
        return {"evidence": known, "gains": list(self.gains)}

    def restored(self, said: Mapping[str, Any]) -> Bandit:
        """One with these settings that knows what `as_json` said."""
        names = [one.name for one in fields(Evidence)]
        evidence = {Arm(operator=o, proposer=p): Evidence(**dict(zip(names, sums, strict=True))) for o, p, *sums in said["evidence"]}
        total, n = said["gains"]
        return replace(self, evidence=evidence, gains=(total, n))


def _mean_and_counting(pooled: Evidence) -> tuple[float, float]:
    """The mean reward of all arms, and as how many observations one reward counts; without any reward, 1 and none."""
    if pooled.rewards <= 0:
        return 1.0, 0.0
    mean = pooled.rewards / pooled.pulls
    variance = pooled.squares / pooled.pulls - mean * mean
    return mean, 1.0 if variance <= mean * mean else mean * mean / variance


def _cost(evidence: Evidence, pooled: Evidence) -> float:
    """US dollars of one candidate of an arm; 1 where none costs any."""
    if pooled.usd <= 0:
        return 1.0
    mean = pooled.usd / pooled.pulls
    return max((_COST_PULLS * mean + evidence.usd) / (_COST_PULLS + evidence.pulls), _LEAST_COST * mean)
