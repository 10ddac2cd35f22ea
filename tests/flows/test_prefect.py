"""Tests of the flow: a real Prefect server, a real worker, the deployment of `deploy/prefect.yaml`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from graftwork.flows.prefect_local import LOCAL_SERVER, prefect_is_configured
from graftwork.flows.starter import write_starter

ROOT = Path(__file__).resolve().parents[2]
# One process for all commands, which Prefect would else be imported by again and again.
COMMANDS = """
import json, os, sys
from prefect.cli import app
for folder, words in json.loads(sys.argv[1]):
    os.chdir(folder)
    sys.argv = ["prefect", "--no-prompt", *words]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], *, env: dict[str, str], cwd: Path, log: Path) -> Iterator[None]:
    """A service in a session of its own, killed whole at the end."""
    with log.open("wb") as out:
        service = subprocess.Popen(command, env=env, cwd=cwd, stdout=out, stderr=out, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(service.pid, signal.SIGKILL)
            service.wait()


def wait_for(url: str, *, log: Path) -> None:
    """Block until a server answers."""
    for _ in range(600):
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def ask(url: str, body: dict[str, object]) -> list[dict[str, object]]:
    """Answer of the Prefect API to a filter."""
    found: list[dict[str, object]] = httpx.post(url, json=body, timeout=30).raise_for_status().json()
    return found


def test_the_deployment_is_run_by_a_worker_and_leaves_its_artifacts(tmp_path: Path) -> None:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    write_starter(tmp_path / "task")
    env = {
        **os.environ,
        **LOCAL_SERVER,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": api,
        "GRAFTWORK_HOME": str(tmp_path),
        "GRAFTWORK_TASK": str(tmp_path / "task"),
    }
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    settings = {"candidates": 20, "pool": "local", "seed": 1}
    commands = [
        (str(ROOT), ["work-pool", "create", "graftwork", "--type", "process"]),
        (str(ROOT), ["deploy", "--all", "--prefect-file", str(ROOT / "deploy" / "prefect.yaml")]),
        (
            str(ROOT),
            ["deployment", "run", "search/on-demand", "--params", json.dumps({"task": str(tmp_path / "task"), "settings": settings})],
        ),
        (str(tmp_path), ["worker", "start", "--pool", "graftwork", "--run-once", "--name", "tested"]),
    ]

    server = [*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(server, env=env, cwd=tmp_path, log=tmp_path / "server.log"):
        wait_for(f"{api}/health", log=tmp_path / "server.log")
        typed = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
        done = subprocess.run(typed, env=env, capture_output=True, text=True, check=False, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
        runs = ask(f"{api}/flow_runs/filter", {"sort": "START_TIME_DESC"})
        finished = [run for run in runs if run["state_type"] == "COMPLETED"]
        assert len(finished) == 1, done.stdout + done.stderr
        keys = {artifact["key"] for artifact in ask(f"{api}/artifacts/filter", {})}
        said = [str(log["message"]) for log in ask(f"{api}/logs/filter", {})]
    assert {"graftwork-report", "graftwork-scores"} <= keys
    assert any(line.startswith("your test split of") for line in said), said
    assert (tmp_path / "runs" / "parcels-1" / "champion.py").is_file()


def test_prefect_counts_as_configured_only_where_an_api_is_named(tmp_path: Path) -> None:
    home = {"PREFECT_HOME": str(tmp_path)}
    assert not prefect_is_configured(home)
    assert prefect_is_configured({**home, "PREFECT_API_URL": "http://127.0.0.1:4200/api"})
    (tmp_path / "profiles.toml").write_text(
        'active = "here"\n[profiles.here]\n[profiles.there]\nPREFECT_API_URL = "http://127.0.0.1:4200/api"\n'
    )
    assert not prefect_is_configured(home)
    assert prefect_is_configured({**home, "PREFECT_PROFILE": "there"})
