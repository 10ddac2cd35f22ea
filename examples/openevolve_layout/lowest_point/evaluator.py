"""How close to the bottom of a bumpy landscape a program gets, over a few starts of its random numbers."""

import importlib.util
import math
import random
import time

N_LOOKS = 150
N_STARTS = 20


def height(x, y):
    """Zero at (1, 2), with a bump every half unit around it."""
    u, v = x - 1.0, y - 2.0
    return u * u + v * v + 1.5 * (2.0 - math.cos(4 * math.pi * u) - math.cos(4 * math.pi * v))


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("candidate", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)

    gaps = []
    started = time.perf_counter()
    for start in range(N_STARTS):
        random.seed(start)
        x, y, _ = program.descend(height, N_LOOKS)
        gaps.append(height(x, y))
    mean_gap = sum(gaps) / len(gaps)
    return {
        "mean_gap": mean_gap,
        "worst_gap": max(gaps),
        "seconds": time.perf_counter() - started,
        "combined_score": 1.0 / (1.0 + mean_gap),
    }
