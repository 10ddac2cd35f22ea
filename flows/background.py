"""A search on a background thread: watched, waited for and stopped from the main one, where signals arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .engine import run_search
from .progress import Progress
from .run import Report, Run

__all__ = ["BackgroundSearch"]


class BackgroundSearch:
    """One engine for the whole life of a flow or a command. Starts at once.

    Args:
        run: What to do.
        search: The engine; only tests pass another.
    """

    def __init__(self, run: Run, *, search: Callable[..., Report] = run_search) -> None:
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._progress = Progress(stage="starting", told=0, candidates=run.settings.candidates, unit=run.task.unit)
        self._report: Report | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(run, search), name="graftwork-search", daemon=True)
        self._thread.start()

    @property
    def progress(self) -> Progress:
        """The latest progress."""
        return self._progress

    @property
    def running(self) -> bool:
        """Whether the engine still works."""
        return self._thread.is_alive()

    def wait(self, *, told: int | None = None, timeout_s: float | None = None) -> Progress:
        """Block until so many briefs are told, or the engine is finished, or the time is up.

        Args:
            told: Briefs told; None waits for the end.
            timeout_s: Seconds to wait at most; None for no limit.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._finished or (told is not None and self._progress.told >= told), timeout_s)
        return self._progress

    def stop(self) -> None:
        """Ask the engine to end early: work in flight is finished and the champion is crowned."""
        self._stopping.set()

    def report(self) -> Report:
        """Wait for the end and give the report, or raise what the engine raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._report is None:
            raise RuntimeError("the search ended without a report")
        return self._report

    @property
    def _finished(self) -> bool:
        return self._report is not None or self._error is not None

    def _work(self, run: Run, search: Callable[..., Report]) -> None:
        report: Report | None = None
        error: BaseException | None = None
        try:
            report = search(run, self._publish, stopping=self._stopping)
        except BaseException as caught:  # carried to the thread that asks for the report and raised there
            error = caught
        with self._changed:
            self._report, self._error = report, error
            self._changed.notify_all()

    def _publish(self, progress: Progress) -> None:
        with self._changed:
            self._progress = progress
            self._changed.notify_all()
