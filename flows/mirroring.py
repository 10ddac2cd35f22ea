"""Mirroring: a run that nobody writes, copied to a place."""

from __future__ import annotations

from pathlib import Path

from graftwork.programs.errors import ConfigError
from graftwork.search.lineage import Lineage
from graftwork.search.mirror import Mirror
from graftwork.search.record import open_run
from graftwork.search.remote import Remote

__all__ = ["mirror_now"]


def mirror_now(run_dir: Path, place: str | None = None, *, wait_s: float = 600.0) -> tuple[str, bool]:
    """Seal what a run left unsealed, and copy to a place what it lacks. Says how it ended, in one line, and whether all is there.

    Args:
        run_dir: The run.
        place: The place; None takes the one that the run was started with.
        wait_s: How long to try, in seconds.

    Raises:
        UserError: If there is no run or no place, or the run is being written.
    """
    record = open_run(run_dir)
    uri = place or record.config["settings"].get("mirror")
    if uri is None:
        raise ConfigError(f"{run_dir} was started without --mirror: name a place, such as s3://bucket/prefix")
    with Mirror(run_dir, Remote(uri), wait_s=wait_s) as mirror, Lineage(run_dir) as lineage:
        lineage.on_whole(mirror.hold)
    return mirror.said, mirror.whole
