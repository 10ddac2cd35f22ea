"""Finished searches that several files look at, each made once in a process. Who changes one changes a copy of its folder.

Folders of single tests are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graftwork.flows import engine, exporting
from graftwork.flows.engine import run_search
from graftwork.flows.progress import Progress
from graftwork.flows.run import Report
from graftwork.flows.verification import Verification
from graftwork.search.lineage import Lineage
from tests.flows.scripted_task import made_run, made_task
from tests.flows.threads import threads_for_children
from tests.in_memory import tmp_path

__all__ = ["finished", "in_threads", "roomy", "short", "tmp_path", "unverified"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, list[Progress]]:
    """A search for 24 candidates, and everything that it said on the way."""
    slices: list[Progress] = []
    run = made_run(tmp_path_factory.mktemp("finished") / "run", latency_seed=1)
    with threads_for_children():
        return run_search(run, slices.append), slices


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A search for eight candidates, whose champion has prompts, with the control at its full size; time alone has nothing written."""
    with threads_for_children(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(Lineage.__init__, "__kwdefaults__", {**(Lineage.__init__.__kwdefaults__ or {}), "commit_s": 3600.0})
        return run_search(made_run(tmp_path_factory.mktemp("short") / "run", candidates=8, best_of=16), lambda _: None)


@pytest.fixture(scope="session")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A search for 24 candidates on twice as many examples, with a snapshot after 14 results."""
    with threads_for_children(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "SNAPSHOT_EVERY", 14)
        run = made_run(tmp_path_factory.mktemp("roomy") / "run", latency_seed=3, task=made_task(n_kinds=4))
        return run_search(run, lambda _: None)


@pytest.fixture(scope="module")
def unverified() -> Iterator[None]:
    """Champions are written and not run again by themselves, which takes longer than a small search: for tests of other things."""

    async def pass_by(*_: object) -> Verification:
        return Verification(holds=True, said="NOT verified: these tests look at other things")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exporting, "verify", pass_by)
        yield


@pytest.fixture(scope="module")
def in_threads() -> Iterator[None]:
    """Programs run in threads in the place of children."""
    with threads_for_children():
        yield
