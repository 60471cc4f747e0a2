"""docker-compose.yaml as a project of its own for a test: other ports, secrets and volumes than those of who develops here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.config import CHECKOUT, NEW_PASSWORDS, StackConfig, secret_variable
from local.dotenv import filled
from local.ports import pick_ports

_PUBLISHED = {"airflow": "AIRFLOW_PORT", "postgres": "POSTGRES_PORT", "azurite": "AZURITE_PORT"}
_INSIDE = ("drive", "spark", "minilake")  # published nowhere


@dataclass(frozen=True)
class Project:
    """A project of Docker Compose.

    Parameters
    ----------
    name
        Its name: what containers and volumes are called by.
    config
        How it is reached from this machine.
    env_file
        Its settings and secrets.
    """

    name: str
    config: StackConfig
    env_file: Path

    def compose(self, *words: str, check: bool = True) -> str:
        """Run ``docker compose`` on it, and give what it prints."""
        command = ["docker", "compose", "--project-name", self.name, "--env-file", str(self.env_file), *words]
        return _run(command, check=check)

    def up(self) -> None:
        """Build what is not built, start everything, and wait until it is healthy."""
        pull = os.environ.get("COMPOSE_PULL", "missing")
        try:
            self.compose("up", "--detach", "--build", "--pull", pull, "--wait", "--wait-timeout", "600")
        except AssertionError:
            self.describe()
            raise

    def describe(self) -> None:
        """Print the containers, and the ends of their logs, for whoever looks for the reason of a failure."""
        print(self.compose("ps", "--all", check=False), self.compose("logs", "--tail", "40", check=False), file=sys.stderr)

    def down(self) -> None:
        """Remove containers, network and volumes."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10", check=False)

    def container(self, service: str) -> str:
        """Give the id of a service's container."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def kill(self, service: str) -> None:
        """End a container as a power cut would."""
        docker("kill", "--signal", "KILL", self.container(service))

    def start(self, service: str) -> None:
        """Start a container that was killed; Docker does not after a kill by hand."""
        docker("start", self.container(service))

    def inspect(self, service: str) -> dict[str, Any]:
        """Give what Docker knows of a service's container."""
        return dict(json.loads(docker("inspect", self.container(service)))[0])


def make_project(name: str, folder: Path, settings: Mapping[str, str]) -> Project:
    """Write the settings of a project into a folder, with free ports.

    Parameters
    ----------
    name
        Of the project.
    folder
        Where its settings are written.
    settings
        Settings besides ports and secrets. Real connections of who develops here are none of them.
    """
    ports = pick_ports({}, [*_PUBLISHED, *_INSIDE])
    text = (CHECKOUT / ".env.example").read_text()
    given = {variable: str(ports[service]) for service, variable in _PUBLISHED.items()}
    given |= {"CONNECTIONS_FILE": str(folder / "connections.env"), **settings}
    for variable, value in given.items():
        text = re.sub(rf"(?m)^{variable}=.*$", f"{variable}={value}", text)
    env_file = folder / "env"
    env_file.write_text(filled(text))
    values = dict(re.findall(r"(?m)^(\w+)=(.*)$", env_file.read_text()))
    passwords = {each: values[secret_variable(each)] for each in NEW_PASSWORDS}
    return Project(name, StackConfig(folder, ports, passwords), env_file)


@contextmanager
def running(name: str, folder: Path, settings: Mapping[str, str]) -> Iterator[Project]:
    """Bring a project up, and remove all of it at the end."""
    project = make_project(name, folder, settings)
    project.compose("config", "--quiet")
    project.down()  # what a killed test left
    try:
        project.up()
        yield project
    finally:
        project.down()


def docker(*words: str) -> str:
    """Run ``docker``, and give what it prints."""
    return _run(["docker", *words], check=True)


def _run(command: list[str], *, check: bool) -> str:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout
