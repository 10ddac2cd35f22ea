"""What holds for every test: no key, no settings and no service of the person who runs it; laws checked without a clock."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import settings

__all__ = ["pytest_configure", "pytest_unconfigure"]

_PREFECT_HOME = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)  # before hypothesis looks for the profile that its own option names
def pytest_configure(config: pytest.Config) -> None:
    """Clear what a shell may bring along before anything imports Prefect or openai, and choose hypothesis' settings."""
    for name in list(os.environ):
        if name.startswith(("GRAFTWORK_", "OPENAI_", "PREFECT_", "RAY_")):
            del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a process that a test starts need not compile what the one before it did
    home = config.stash[_PREFECT_HOME] = tempfile.mkdtemp(prefix="graftwork-prefect-")
    os.environ.update(
        DO_NOT_TRACK="1",
        PREFECT_HOME=home,
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        RAY_USAGE_STATS_ENABLED="0",
    )
    # Shared machines make wall-clock deadlines flaky; CI repeats the same examples so that a failure is the change's own.
    settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
    # For a soak of the laws: pytest --hypothesis-profile=soak --timeout=0 tests/programs/test_laws.py
    settings.register_profile("soak", deadline=None, max_examples=4000)
    settings.load_profile(config.getoption("--hypothesis-profile") or "house")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary Prefect home."""
    shutil.rmtree(config.stash[_PREFECT_HOME], ignore_errors=True)
