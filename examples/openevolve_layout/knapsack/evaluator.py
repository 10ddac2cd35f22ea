"""What a bag is worth, in three stages: does it run, is it any good on small bags, how good is it on large ones."""

import importlib.util
import random

from openevolve.evaluation_result import EvaluationResult


def load(program_path):
    spec = importlib.util.spec_from_file_location("candidate", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def things_of(seed, n):
    rng = random.Random(seed)
    return [(rng.uniform(1, 100), rng.uniform(1, 50)) for _ in range(n)]


def share(program, n, bags):
    """Mean value of the bags as a share of what fits when the last thing may be cut: an upper bound."""
    shares = []
    for seed in range(bags):
        things, capacity = things_of(seed, n), 5.0 * n
        taken = program.fill(things, capacity)
        if len(set(taken)) < len(taken) or sum(things[i][1] for i in taken) > capacity:
            raise ValueError(f"bag {seed} holds a thing twice, or more than {capacity}")
        bound, room = 0.0, capacity
        for value, weight in sorted(things, key=lambda thing: -thing[0] / thing[1]):
            part = min(1.0, room / weight)
            bound, room = bound + value * part, room - weight * part
        shares.append(sum(things[i][0] for i in taken) / bound)
    return sum(shares) / len(shares), min(shares)


def evaluate_stage1(program_path):
    program = load(program_path)
    mean, _ = share(program, 10, 2)
    return EvaluationResult(metrics={"runs": 1.0, "combined_score": mean}, artifacts={"stage1": f"small bags hold {mean:.3f} of the bound"})


def evaluate_stage2(program_path):
    mean, worst = share(load(program_path), 40, 5)
    return EvaluationResult(
        metrics={"medium": mean, "combined_score": mean}, artifacts={"stage2": f"the worst medium bag holds {worst:.3f}"}
    )


def evaluate_stage3(program_path):
    program = load(program_path)
    mean, worst = share(program, 200, 20)
    things = things_of(0, 200)
    left = max((t for i, t in enumerate(things) if i not in set(program.fill(things, 1000.0))), key=lambda t: t[0] / t[1])
    return EvaluationResult(
        metrics={"large": mean, "worst": worst, "combined_score": mean},
        artifacts={"best thing left": f"value {left[0]:.1f}, weight {left[1]:.1f}", "worst bag": f"{worst:.3f} of the bound"},
    )


def evaluate(program_path):
    return evaluate_stage3(program_path)
