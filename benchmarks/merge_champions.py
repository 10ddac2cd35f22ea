"""Two champions of one seed, one with a better tool and one with better prompts, merged into one program that holds both.

Both are searched for on `examples/word_problems` with a real model: one search may change the code only, the other the prompts only.
Their seed is the example's with a tool that cannot subtract, so that there is something to find in both places. The seed, the best of
each by val, and the merged program are then scored on val, and on test, which neither search has seen.

python benchmarks/merge_champions.py --model qwen2.5-coder-1.5b-instruct --base-url http://127.0.0.1:8080/v1 --runs runs/two
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import graftwork as gw
from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.load import load_task
from graftwork.evaluators.task import Task
from graftwork.flows.engine import run_search
from graftwork.flows.prepare import check_run, prepare, task_facts, write_configuration
from graftwork.flows.settings import RunSettings, make_settings
from graftwork.flows.wiring import Wiring
from graftwork.programs.changed import describe
from graftwork.programs.merge import merge
from graftwork.programs.parse import parse
from graftwork.programs.program import Program

__all__ = ["main"]

_TASK = Path(__file__).resolve().parents[1] / "examples" / "word_problems"


def main() -> None:
    """Run the two searches, unless their folders are there already, merge their champions and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--base-url", default=None)
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs; those that are finished there are taken as they are")
    parser.add_argument("--candidates", type=int, default=20, help="of each search")
    chosen = parser.parse_args()
    task = load_task(_TASK)
    task = replace(task, seed=parse(task.seed.source.replace("ast.Sub: operator.sub, ", "")))
    prompts = frozenset(prompt.name for prompt in task.seed.prompts)
    code = frozenset(task.seed.names) - prompts
    settings = make_settings(
        model=chosen.model, base_url=chosen.base_url, values={"candidates": chosen.candidates, "window": 4, "slots": 4, "best_of": 0}
    )
    found = {
        name: _best(replace(task, name=name, frozen=frozen), settings, chosen.runs / name)
        for name, frozen in (("tool", prompts | {task.entry}), ("prompts", code))
    }
    merged = merge(found["tool"], found["prompts"], task.seed)
    print("from whom: " + ", ".join(f"{name} {side}" for name, side in merged.sides.items()))
    print(*(f"conflict: {conflict}" for conflict in merged.conflicts), sep="\n")
    print(describe(task.seed, merged.program))
    (chosen.runs / "merged.py").write_text(merged.program.source, encoding="utf-8")
    _compare(task, settings, {"seed": task.seed, **found, "merged": merged.program}, chosen.runs / "comparison")


def _best(task: Task, settings: RunSettings, folder: Path) -> Program:
    """The best of a search by val: on a dozen confirm examples a champion that is a little better is soon on a level with the seed."""
    if not (folder / "champion.py").is_file():
        run = prepare(task, settings, run_dir=folder)
        # All that may be shown, not three of it: demonstrations are made of what the model got right, which may be none of three.
        run = replace(run, strategy=replace(run.strategy, train_batch=len(task.splits["train"])))
        write_configuration(run, folder, task=task_facts(task, "in memory"))
        run_search(run, lambda progress: print(f"{task.name}: {progress.line}", flush=True))
    record = gw.open(folder)
    row = record.best
    if row is None:
        raise SystemExit(f"{folder} has no program with a score: remove it to search again")
    return record.program(row)


def _compare(task: Task, settings: RunSettings, programs: Mapping[str, Program], folder: Path) -> None:
    """Print what each program scores; calls that two of them make alike are made once."""
    run = replace(check_run(task, settings, run_dir=folder, environ=os.environ), run_dir=folder)
    folder.mkdir(parents=True)
    print(f"{'program':>8}  {'val':>6}  {'test':>6}")
    with Wiring(run) as wired:
        for name, program in programs.items():
            means = [
                asyncio.run(evaluate(program, task.splits[split], task=task, pool=wired.pool, candidate=0, purpose="merged")).mean
                for split in ("val", "test")
            ]
            print(f"{name:>8}  " + "  ".join("     -" if mean is None else f"{mean:6.3f}" for mean in means), flush=True)


if __name__ == "__main__":
    main()
