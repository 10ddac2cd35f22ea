"""How well a formula fits the points of a file, part by part in worker processes that are given up on when they take too long."""

import csv
import importlib.util
import math
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as TooLate

POINTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "points.csv")
N_PARTS = 2
TIMEOUT_S = 5


def load(program_path):
    spec = importlib.util.spec_from_file_location("candidate", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def squared_errors(program_path, points):
    program = load(program_path)
    errors = []
    for x, y in points:
        error = program.curve(x) - y
        errors.append(min(error * error, 100.0) if math.isfinite(error) else 100.0)
    return errors


def evaluate(program_path):
    with open(POINTS, newline="") as file:
        points = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    errors = []
    with ProcessPoolExecutor(max_workers=N_PARTS) as pool:
        parts = [pool.submit(squared_errors, program_path, points[part::N_PARTS]) for part in range(N_PARTS)]
        for part in parts:
            try:
                errors += part.result(timeout=TIMEOUT_S)
            except TooLate:
                return {"fit": 0.0, "error": f"a part took more than {TIMEOUT_S} s"}
    mean_square = sum(errors) / len(errors)
    close = sum(error < 0.25 for error in errors) / len(errors)
    return {"fit": 1.0 / (1.0 + mean_square), "share_close": close}
