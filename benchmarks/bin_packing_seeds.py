"""How far the no-model search brings `examples/bin_packing`, over several seeds: excess on test in percent, and its median.

python benchmarks/bin_packing_seeds.py --seeds 5 --candidates 1000 --pool local
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from graftwork.flows.engine import run_search
from graftwork.flows.prepare import prepare
from graftwork.flows.run import Report
from graftwork.flows.settings import RunSettings

__all__ = ["main"]

_TASK = Path(__file__).resolve().parents[1] / "examples" / "bin_packing"


def main() -> None:
    """Run the searches and print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, …")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--pool", choices=("local", "ray"), default="local")
    chosen = parser.parse_args()
    rows = []
    print(f"{'seed':>4}  {'val':>6}  {'test':>6}  {'best fit':>8}  {'or3_like':>8}  {'best fit':>8}  {'seconds':>7}  champion")
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        settings = RunSettings.model_validate({"seed": seed, "candidates": chosen.candidates, "pool": chosen.pool})
        with tempfile.TemporaryDirectory() as folder:
            report = run_search(prepare(_TASK, settings, run_dir=Path(folder) / "run"), lambda _: None)
        rows.append(_row(seed, report))
        print(
            "{seed:>4}  {val:6.2f}  {test:6.2f}  {test_seed:8.2f}  {or3:8.2f}  {or3_seed:8.2f}  {seconds:7.0f}  {champion}".format(
                **rows[-1]
            )
        )
    excess = [row["test"] for row in rows]
    print(f"median excess on test: {statistics.median(excess):.2f} %, worst {max(excess):.2f} %")
    print(json.dumps(rows))


def _row(seed: int, report: Report) -> dict[str, float]:
    val, test, transfer = (report.crown.measured[name] for name in ("val", "test", "or3_like"))
    return {
        "seed": seed,
        "val": _excess(val.champion),
        "test": _excess(test.champion),
        "test_seed": _excess(test.seed),
        "or3": _excess(transfer.champion),
        "or3_seed": _excess(transfer.seed),
        "seconds": report.seconds,
        "champion": report.crown.champion.number,
    }


def _excess(score: float | None) -> float:
    """Percent above the lower bound; 100 where nothing could be judged."""
    return 100.0 if score is None else -score


if __name__ == "__main__":
    main()
