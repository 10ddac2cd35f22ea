"""First fit and best fit in the packing loop of examples/bin_packing, beside the figures that FunSearch gives for them.

Usage: python benchmarks/bin_packing_protocol.py [--instances 15] [--notebook bin_packing.ipynb]

Generated instances differ from the published ones by chance. With FunSearch's own notebook (bin_packing/bin_packing.ipynb of
github.com/google-deepmind/funsearch) its instances are packed too, and the figures must be the same to the last digit.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final, cast

import numpy as np

__all__ = ["excess", "main", "published_instances"]

FOLDER: Final = Path(__file__).parents[1] / "examples" / "bin_packing"
FIGURES: Final[Mapping[tuple[str, str], float]] = {
    ("Weibull 5k", "first fit"): 4.23,
    ("Weibull 5k", "best fit"): 3.98,
    ("OR3", "first fit"): 5.74,
    ("OR3", "best fit"): 5.37,
}
"""Percent above the lower bound, from table 1 of FunSearch (Nature 625, 2024)."""

Instance = Mapping[str, object]


def excess(program: ModuleType, instances: Sequence[Instance]) -> tuple[float, float]:
    """Mean percentage of bins above ceil(sum / capacity), and the standard error of that mean."""
    values = []
    for instance in instances:
        items, capacity = cast("list[int]", instance["items"]), cast("int", instance["capacity"])
        bound = -(-sum(items) // capacity)
        values.append(100 * (max(program.solve(items, capacity)) + 1 - bound) / bound)
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)


def published_instances(notebook: Path) -> dict[str, list[Instance]]:
    """FunSearch's instances by set, read from its notebook without running it."""
    found: dict[str, list[Instance]] = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code" or "datasets[" not in (source := "".join(cell["source"])):
            continue
        for node in ast.parse(source).body:
            match node:
                case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str() as name))], value=ast.Dict() as value):
                    found[name] = list(ast.literal_eval(value).values())
    return found


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bin_packing_{name}", FOLDER / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=15, help="generated instances of each set")
    parser.add_argument("--notebook", type=Path, help="FunSearch's notebook")
    args = parser.parse_args()
    instances, best_fit, first_fit = _load("instances"), _load("program"), _load("program")
    vars(first_fit)["priority"] = lambda _item, gaps: -np.arange(len(gaps))
    sets = {
        "Weibull 5k": [instances.weibull(5000, seed) for seed in range(1000, 1000 + args.instances)],
        "OR3": [instances.or_like(500, seed) for seed in range(1000, 1000 + args.instances)],
    }
    published = published_instances(args.notebook) if args.notebook else {}
    print("Excess over ceil(sum / capacity) in %; the rule sees the opened bins that the item fits into, and one empty bin.")
    print(f"{'set':<12}{'rule':<12}{'FunSearch':>10}{'its instances':>15}{'generated':>18}")
    for (name, rule), figure in FIGURES.items():
        program = first_fit if rule == "first fit" else best_fit
        same = f"{excess(program, published[name])[0]:.2f}" if name in published else "-"
        mean, error = excess(program, sets[name])
        print(f"{name:<12}{rule:<12}{figure:>10.2f}{same:>15}{f'{mean:.2f} +- {error:.2f}':>18}")


if __name__ == "__main__":
    main()
