"""Runs in other places: `graftwork mirror`, `graftwork fetch`, and what every command that reads a run does with a place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graftwork.programs.errors import ConfigError, RunError

if TYPE_CHECKING:
    from graftwork.search.fetching import Fetched

__all__ = ["fetch_run", "local_folder", "mirror_run", "run_folder"]


def run_folder(text: str) -> Path:
    """The folder of a run that is named by its path, or by the place of its mirror, which is fetched and said to be.

    Raises:
        RunError: If there is no run in that place, or it cannot be read.
    """
    if "://" not in text:
        return Path(text)
    from graftwork.search.fetching import fetch_to_cache

    fetched = fetch_to_cache(text)
    typer.echo(_said(fetched, text), err=True)
    return fetched.folder


def local_folder(text: str) -> Path:
    """The path of a folder.

    Raises:
        ConfigError: If it names a place.
    """
    if "://" in text:
        raise ConfigError(f"a run goes on in a folder of this machine: `graftwork fetch {text} FOLDER` brings it there")
    return Path(text)


def fetch_run(
    place: Annotated[str, typer.Argument(help="Where the run's mirror is, such as s3://bucket/prefix.")],
    folder: Annotated[Path, typer.Argument(parser=local_folder, help="A new folder.")],
) -> None:
    """Bring back a run from its mirror, to go on with it by `graftwork resume FOLDER`."""
    from graftwork.search.fetching import fetch_to_new

    typer.echo(_said(fetch_to_new(place, folder), place))


def mirror_run(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", parser=local_folder, help="The run's folder; it may not be running.")],
    place: Annotated[str | None, typer.Argument(help="Such as s3://bucket/prefix; else the one that the run was started with.")] = None,
) -> None:
    """Copy a run to a place, or what its mirror lacks."""
    from graftwork.flows.mirroring import mirror_now

    said, whole = mirror_now(run_dir, place)
    if not whole:
        raise RunError(said)
    typer.echo(said)


def _said(fetched: Fetched, place: str) -> str:
    counted = "1 file" if fetched.n_files == 1 else f"{fetched.n_files} files"
    return f"fetched {counted} ({fetched.n_bytes / 1e6:.1f} MB) of {place} to {fetched.folder}"
