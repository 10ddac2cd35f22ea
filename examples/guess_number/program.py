"""Guess a number, step by step."""

BOUNDS: dict[str, int] = {}


def guess(low: int, high: int) -> float:
    """The next guess, given that the number is at least `low` and at most `high`; rounded and held between them by whoever calls."""
    return (low + high) / 2


def solve(observation: str, largest: int) -> int:
    """The next guess. Called once for each observation, in one process for all of an episode: what it keeps in `BOUNDS` stays.

    Args:
        observation: What was said of the last guess: `too low` or `too high`; `begin` before the first.
        largest: The number is at least 1 and at most this.
    """
    if observation == "begin":
        BOUNDS.update(low=1, high=largest)
    elif observation == "too low":
        BOUNDS["low"] = BOUNDS["last"] + 1
    else:
        BOUNDS["high"] = BOUNDS["last"] - 1
    BOUNDS["last"] = min(max(round(guess(BOUNDS["low"], BOUNDS["high"])), BOUNDS["low"]), BOUNDS["high"])
    return BOUNDS["last"]
