"""Makes problems.jsonl from the family `gsm_symbolic` of reasoning-gym (Apache-2.0): short word problems, no template twice.

Usage: python examples/word_problems/problems.py > examples/word_problems/problems.jsonl
"""

from __future__ import annotations

import json
import sys
from typing import Final

import reasoning_gym

__all__ = ["make_problems"]

SEED: Final = 20
WRONG: Final = frozenset({75})  # rounds half of an odd number of tubes down
ENDING: Final = " Give the result as your final answer. Do not include units."


def make_problems(n_problems: int = 60, *, max_words: int = 52) -> list[dict[str, object]]:
    """Questions with their numeric answers, each from a template of its own.

    Args:
        n_problems: How many; the family has about 85 templates.
        max_words: Longer questions are left out, since a small local model reads 25 tokens a second.
    """
    family = reasoning_gym.create_dataset("gsm_symbolic", seed=SEED, size=2000)
    problems: dict[int, dict[str, object]] = {}
    for position, template in enumerate(family.task_indices):
        entry = family[position]
        question = entry["question"].removesuffix(ENDING)
        if template not in WRONG and template not in problems and len(question.split()) <= max_words:
            problems[template] = {"question": question, "answer": float(entry["answer"])}
        if len(problems) == n_problems:
            break
    return list(problems.values())


if __name__ == "__main__":
    sys.stdout.writelines(json.dumps(problem, ensure_ascii=False) + "\n" for problem in make_problems())
