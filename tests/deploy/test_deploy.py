"""The files of deploy/: read by the tools that will read them, as far as that goes without a Docker engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
SECRETS: Final = {"POSTGRES_PASSWORD": "letters1", "PREFECT_AUTH": "admin:letters2", "RAY_AUTH_TOKEN": "0" * 32}
OURS: Final = ("deployments", "prefect-server", "ray-head", "ray-worker", "worker")


def _compose(tmp_path: Path, secrets: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    binary = Path(sys.executable).with_name("docker-compose")
    command = [str(binary), "--env-file", str(env_file), "-f", str(DEPLOY / "compose.yaml"), "config", *options]
    return subprocess.run(command, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> dict[str, Any]:
    """The compose project as Docker Compose resolves it."""
    done = _compose(tmp_path, SECRETS, "--format", "json")
    assert done.returncode == 0, done.stderr
    resolved: dict[str, Any] = json.loads(done.stdout)
    return resolved


def _deployments(variables: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Deployments of prefect.yaml by name, with environment variables filled in."""
    text = re.sub(r"\{\{ \$(\w+) \}\}", lambda match: variables[match[1]], (DEPLOY / "prefect.yaml").read_text())
    return {deployment["name"]: deployment for deployment in yaml.safe_load(text)["deployments"]}


def _pin(package: str) -> str:
    (pin,) = re.findall(rf"^{package}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return str(pin)


def _stages() -> list[str]:
    return re.split(r"^(?=FROM )", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]


def test_compose_accepts_the_project_when_every_secret_is_set(tmp_path: Path) -> None:
    done = _compose(tmp_path, SECRETS, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_nothing_starts_while_a_secret_is_missing(tmp_path: Path, missing: str) -> None:
    done = _compose(tmp_path, {name: value for name, value in SECRETS.items() if name != missing}, "--quiet")
    assert done.returncode != 0
    assert missing in done.stderr
    assert "deploy/.env" in done.stderr


def test_the_example_settings_name_every_variable_and_fill_in_no_secret() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    passed_on = {name for name, value in compose["services"]["worker"]["environment"].items() if value is None}
    read = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) | passed_on
    lines = re.findall(r"^#?([A-Z_]+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE)
    assert {name for name, _ in lines} == read
    assert [value for name, value in lines if name in SECRETS] == [""] * len(SECRETS)


def test_only_the_worker_gets_the_model_key(project: dict[str, Any]) -> None:
    holders = {name for name, service in project["services"].items() if "OPENAI_API_KEY" in service.get("environment", {})}
    assert holders == {"worker"}


def test_whatever_runs_programs_has_no_way_out(project: dict[str, Any]) -> None:
    services, networks = project["services"], project["networks"]
    assert networks["inside"]["internal"] is True
    assert {name for name, service in services.items() if set(service["networks"]) != {"inside"}} == {"prefect-server", "worker"}


def test_programs_are_placed_on_ray_workers_only(project: dict[str, Any]) -> None:
    commands = {name: " ".join(project["services"][name]["command"]) for name in ("ray-head", "ray-worker", "worker")}
    cpus = {name: re.findall(r"--num-cpus=(\d+)", command) for name, command in commands.items()}
    assert cpus == {"ray-head": ["0"], "ray-worker": ["4"], "worker": ["0"]}


def test_the_nightly_search_asks_for_as_many_slots_as_the_cluster_has(project: dict[str, Any]) -> None:
    service = project["services"]["ray-worker"]
    (cpus,) = re.findall(r"--num-cpus=(\d+)", " ".join(service["command"]))
    settings = _deployments({"GRAFTWORK_HOME": "/h", "GRAFTWORK_TASK": "/t"})["nightly"]["parameters"]["settings"]
    assert settings["slots"] == int(cpus) * service["deploy"]["replicas"]


def test_ports_are_open_on_this_machine_only(project: dict[str, Any]) -> None:
    hosts = {port["host_ip"] for service in project["services"].values() for port in service.get("ports", [])}
    assert hosts == {"127.0.0.1"}


def test_every_ray_node_asks_for_the_token_and_has_shared_memory_for_its_store(project: dict[str, Any]) -> None:
    for name in ("ray-head", "ray-worker", "worker"):
        service = project["services"][name]
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert service["environment"]["RAY_AUTH_TOKEN"] == SECRETS["RAY_AUTH_TOKEN"]
        (store,) = re.findall(r"--object-store-memory=(\d+)", " ".join(service["command"]))
        assert int(store) < int(service["shm_size"])


def test_our_containers_drop_every_capability_and_run_one_image(project: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in OURS:
        service = project["services"][name]
        assert service["image"] == f"graftwork:{version}"
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_foreign_image_is_pinned_to_a_release(project: dict[str, Any]) -> None:
    images = [project["services"]["postgres"]["image"], *re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)]
    assert [image for image in images if not re.fullmatch(r"\w+:\d+\.\d+[\w.-]*", image)] == []


def test_the_flow_takes_the_parameters_of_every_deployment() -> None:
    from graftwork.flows.search import search

    for deployment in _deployments({"GRAFTWORK_HOME": "/h", "GRAFTWORK_TASK": "/t"}).values():
        assert deployment["entrypoint"] == f"{search.fn.__module__}:{search.fn.__name__}"
        assert search.validate_parameters(deployment["parameters"])["task"] == "/t"


def test_prefect_reads_the_nightly_schedule_and_its_limit() -> None:
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy
    from prefect.client.schemas.schedules import CronSchedule

    deployments = _deployments({"GRAFTWORK_HOME": "/h", "GRAFTWORK_TASK": "/t"})
    (schedule,) = deployments["nightly"]["schedules"]
    assert CronSchedule(**schedule).cron == "0 2 * * *"
    assert ConcurrencyLimitStrategy(deployments["nightly"]["concurrency_limit"]["collision_strategy"])
    assert "schedules" not in deployments["on-demand"]


def test_prefect_yaml_names_the_tested_prefect_and_the_pool_that_compose_makes(project: dict[str, Any]) -> None:
    document = yaml.safe_load((DEPLOY / "prefect.yaml").read_text())
    assert document["prefect-version"] == _pin("prefect")
    commands = "\n".join(command for name in ("deployments", "worker") for command in project["services"][name]["command"])
    for deployment in document["deployments"]:
        assert f"work-pool create {deployment['work_pool']['name']} " in commands
        assert f"worker start --pool {deployment['work_pool']['name']} " in commands


def test_the_image_sets_every_variable_that_prefect_yaml_reads() -> None:
    read = set(re.findall(r"\{\{ \$(\w+) \}\}", (DEPLOY / "prefect.yaml").read_text()))
    assert read == {"GRAFTWORK_HOME", "GRAFTWORK_TASK"}
    assert all(f"{name}=" in _stages()[-1] for name in read)


def test_the_image_runs_as_an_ordinary_user_and_carries_no_build_tools() -> None:
    build, final = _stages()
    assert build.split()[1] == final.split()[1]
    assert re.findall(r"^USER (\S+)", final, re.MULTILINE) == ["10001:10001"]
    assert not re.search(r"\bpip\b|apt-get|gcc|setuptools", final)


def test_the_image_installs_nothing_from_an_index_that_is_not_pinned() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install (.*?)(?:\\|$)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert len(installs) == 3
    assert all("--constraint constraints.txt" in install or "--no-deps --no-index" in install for install in installs)


def test_everything_copied_into_the_image_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    for arguments in re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        for source in arguments.split()[:-1]:
            assert (ROOT / source).exists()
            assert source.rstrip("/") in allowed
