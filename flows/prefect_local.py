"""Prefect from the command line: where an API is configured the flow runs there; `--prefect` starts a server for this one run."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from graftwork.programs.errors import ConfigError

from .prepare import check_run
from .settings import RunSettings

__all__ = ["LOCAL_SERVER", "prefect_is_configured", "run_flow"]

LOCAL_SERVER: Final[Mapping[str, str]] = {
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    # The first start makes the database: 17 to 20 s were measured, and 20 is Prefect's own limit.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
}


def prefect_is_configured(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a Prefect API is named by `PREFECT_API_URL` or by the active profile. Does not import Prefect."""
    if environ.get("PREFECT_API_URL"):
        return True
    home = Path(environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    profiles = home / "profiles.toml"
    if not profiles.is_file():
        return False
    import tomllib

    try:
        document = tomllib.loads(profiles.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read Prefect's {profiles}: {error}; mend or remove it") from None
    profile = environ.get("PREFECT_PROFILE") or document.get("active")
    return "PREFECT_API_URL" in document.get("profiles", {}).get(profile, {})


def run_flow(task: str, settings: RunSettings, *, run_dir: Path | None, local: bool, environ: MutableMapping[str, str] = os.environ) -> str:
    """Run the flow `search` and give its run directory.

    Args:
        task: Folder or file of the task.
        settings: The settings.
        run_dir: Where the run goes.
        local: Start a server for this run, its files in `.prefect` below the current folder.
        environ: Read by Prefect when it is imported, which happens here.
    """
    check_run(task, settings, run_dir=run_dir)  # a mistake should not wait for a server to start
    if local:
        environ.pop("PREFECT_API_URL", None)
        environ.update(LOCAL_SERVER)
        environ["PREFECT_HOME"] = str(Path(".prefect").absolute())
    from .search import search

    return search(task=task, run_dir=None if run_dir is None else str(run_dir), settings=settings)
