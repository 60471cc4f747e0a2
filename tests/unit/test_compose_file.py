"""docker-compose.yaml, Dockerfile and .env: what every service has, and what none may hold. That it works: tests/compose."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.airflow_service import airflow_environment
from local.config import CHECKOUT, NEW_PASSWORDS, StackConfig, secret_variable
from local.container import PORTS
from local.dotenv import filled, main

FILE = CHECKOUT / "docker-compose.yaml"
PROJECT: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
ONE_SHOTS = {name for name in SERVICES if name.startswith("prepare-")}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("transaction-patterns/")}
EXAMPLE = (CHECKOUT / ".env.example").read_text()

each_service = pytest.mark.parametrize("name", SERVICES)


def test_schema_of_compose() -> None:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _has_compose() -> bool:
    command = ["docker", "compose", "version"]
    return shutil.which("docker") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("profile", ["local", "cloud"])
def test_compose_reads_it(tmp_path: Path, profile: str) -> None:
    if not _has_compose():
        pytest.skip("docker compose is not installed")
    env = tmp_path / ".env"
    env.write_text(filled(EXAMPLE))
    command = ["docker", "compose", "--env-file", str(env), "--file", str(FILE), "--profile", profile, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@each_service
def test_image_is_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    tag = image.rpartition(":")[2]
    assert re.match(r"\d", tag), image


@each_service
def test_service_is_restarted_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONE_SHOTS else "unless-stopped")
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@each_service
def test_service_says_whether_it_is_healthy(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOTS:  # others wait for its end, which says the same
        waiting = [other for other in SERVICES.values() if name in other.get("depends_on", {})]
        assert waiting
        assert {other["depends_on"][name]["condition"] for other in waiting} == {"service_completed_successfully"}
    else:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        # Not every engine knows it.
        assert "start_interval" not in service["healthcheck"]


@each_service
def test_ports_are_published_on_loopback_from_variables(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{([A-Z]+_PORT):-(\d+)\}:\d+", port), port


def test_ports_have_their_defaults_in_the_example() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    defaults = re.findall(r"\$\{([A-Z]+_PORT):-(\d+)\}", " ".join(ports))
    assert sorted(re.findall(r"^([A-Z]+_PORT)=(\d+)$", EXAMPLE, re.MULTILINE)) == sorted(defaults)


@each_service
def test_volume_is_a_named_one_or_a_file_of_the_repository(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            assert (CHECKOUT / source).is_file()
            assert mode == ["ro"]
        else:
            assert source in PROJECT["volumes"]
            assert target.startswith("/")


@each_service
def test_profile(name: str) -> None:
    both = name == "postgres" or name.startswith("airflow-")
    assert SERVICES[name]["profiles"] == (["local", "cloud"] if both else ["cloud"] if name == "prepare-cloud" else ["local"])


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_run_as_a_user_without_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "50000:0"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service["pull_policy"] == "never"


def test_images_are_built_once() -> None:
    built = {service["image"]: service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert built == {"transaction-patterns/airflow:0.1.0": "airflow", "transaction-patterns/services:0.1.0": "services"}
    assert {SERVICES[name]["image"] for name in OURS} == set(built)


def test_every_secret_is_a_variable_that_must_be_set() -> None:
    text = FILE.read_text()
    used = re.findall(r"\$\{(SECRET_\w+)([^}]*)\}", text)
    assert {name for name, _ in used} == {secret_variable(name) for name in NEW_PASSWORDS}
    assert {rest for _, rest in used} == {":?is not set, run make env"}
    # And none is written out: what is named like one is such a variable, or no secret.
    named = re.compile("PASSWORD|SECRET|TOKEN|_KEY|CONN|ACCOUNTS")
    harmless = re.compile(r"PASSWORDS_FILE$|^AIRFLOW__SECRETS__BACKEND")
    written = {
        variable
        for service in SERVICES.values()
        for variable, value in service.get("environment", {}).items()
        if named.search(variable) and not harmless.search(variable) and "${SECRET_" not in value
    }
    assert written == set()


@pytest.mark.parametrize(
    ("service", "secrets"),
    [
        ("drive", set()),
        ("spark", set()),
        ("minilake", {"SECRET_LEDGER_WRITER", "SECRET_BLOB_KEY", "SECRET_DATABRICKS_TOKEN"}),
        ("airflow-scheduler", {"SECRET_AIRFLOW_DB", "SECRET_AIRFLOW_API", "SECRET_AIRFLOW_JWT", "SECRET_AIRFLOW_FERNET"}),
        ("azurite", {"SECRET_BLOB_KEY"}),
        ("postgres", {"SECRET_POSTGRES"}),
    ],
)
def test_service_has_the_secrets_that_it_needs(service: str, secrets: set[str]) -> None:
    assert set(re.findall(r"SECRET_[A-Z_]+", str(list(SERVICES[service].get("environment", {}).values())))) == secrets


def test_airflow_is_set_as_in_the_stack() -> None:
    """What was found out there holds here; what differs is where things are."""
    stack = airflow_environment(StackConfig(Path("/s"), PORTS, {name: name for name in NEW_PASSWORDS}))
    here = SERVICES["airflow-scheduler"]["environment"]
    where = {
        "AIRFLOW_HOME",
        "AIRFLOW__API__HOST",
        "AIRFLOW__API__PORT",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__CORE__PLUGINS_FOLDER",
    }
    assert set(stack) - set(here) == where
    assert set(here) - set(stack) == {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "PYTHONPATH"}
    same = {name for name in stack if name in here and not re.search(r"[/$]", stack[name] + here[name])}
    assert {name: here[name] for name in same} == {name: stack[name] for name in same if "SECRET" not in here[name]}
    assert len(same) > 15


def test_ports_of_the_services_are_those_that_they_are_asked_for() -> None:
    checks = " ".join(
        str(service.get("healthcheck", {}).get("test")) + str(service.get("ports")) for service in SERVICES.values()
    )
    for name, port in PORTS.items():
        assert re.search(rf"[:/]{port}\b", checks), name


def test_dockerfile_ends_as_a_user() -> None:
    stages = re.split(r"^FROM .* AS (\w+)$", (CHECKOUT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    names, texts = stages[::2], stages[1::2]
    assert names == ["packages", "airflow", "services"]
    for text in texts:
        users = re.findall(r"^USER (.+)$", text, re.MULTILINE)
        assert users[-1:] in ([], ["airflow"])
        assert not re.search(r"^(ARG|ENV|ADD) ", text, re.MULTILINE), "nothing that is given to a build stays in an image"
        # A heredoc or a mount needs BuildKit.
        assert not re.search(r"<<|--mount", text)


def test_nothing_but_what_is_copied_goes_to_the_builder() -> None:
    lines = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = re.findall(r"^COPY (?:--chown=\S+ )?(\S+) \S+$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert (lines[0], lines[-1]) == ("*", "**/__pycache__")
    assert sorted(lines[1:-1]) == sorted({f"!{name.split('/')[0]}" for name in copied})


def test_env_gets_what_it_lacks_and_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(EXAMPLE)
    assert main(tmp_path) == 0
    first = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in first.splitlines() if line and not line.startswith("#"))
    secrets = {name: value for name, value in values.items() if name.startswith("SECRET_")}
    assert set(secrets) == {secret_variable(name) for name in NEW_PASSWORDS}
    assert all(len(value) >= 16 for value in secrets.values())
    assert "$" not in first.replace("$ ", "")

    (tmp_path / ".env").write_text(first.replace(f"SECRET_POSTGRES={values['SECRET_POSTGRES']}\n", "").replace("8080", "8081"))
    assert main(tmp_path) == 0
    second = (tmp_path / ".env").read_text()
    assert "AIRFLOW_PORT=8081" in second
    assert f"SECRET_AIRFLOW={values['SECRET_AIRFLOW']}" in second
    assert re.search(r"^SECRET_POSTGRES=.{16,}$", second, re.MULTILINE)
