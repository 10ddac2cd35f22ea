"""The score of an episode whose author gives none."""

from __future__ import annotations

from graftwork.evaluators.task import Example, Score
from graftwork.evaluators.total_reward import total_reward

EXAMPLE = Example(id="e", inputs={})


def test_an_episode_is_worth_its_total_reward_within_the_range() -> None:
    episode = {"actions": ["up", "up"], "rewards": [-1.0, 0.5], "total": -0.5, "steps": 2, "done": True, "observation": 0}
    said = 'total reward -0.5 in 2 steps, ended by the environment; the last: "up" gave -1, "up" gave 0.5'
    assert total_reward(-1, 1)(episode, EXAMPLE) == Score(value=-0.5, feedback=said)


def test_a_total_out_of_range_is_held_to_it_and_says_so() -> None:
    episode = {"actions": ["x" * 500], "rewards": [9.0], "total": 9.0, "steps": 1, "done": False, "observation": 0}
    score = total_reward(-1, 1)(episode, EXAMPLE)
    assert isinstance(score, Score)
    assert score.value == 1.0
    assert score.feedback.startswith("total reward 9, held to 1 in 1 step, cut off at the limit of steps")
    assert len(score.feedback) < 250
