"""Everything in containers: the small feed through Airflow's REST API, and once more while a container is killed.

``make compose-test`` runs it. ``COMPOSE_KILL`` names the services to kill, each in the middle of a feed of its own.
"""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from feeds.ledger import Ledger, Row
from local.airflow_api import AirflowApi
from local.airflow_service import airflow_client
from local.drive_standin.tree import DriveTree
from local.outputs import download_outputs
from local.progress import is_done
from tests.compose.project import Project, docker, running
from tests.conftest import RULES, expected

SECONDS = 300  # for a feed; a killed container may cost one try of a task and its delay
FOLDER = "small"
KILLED = os.environ.get("COMPOSE_KILL", "airflow-scheduler").split()
IMAGES = ("transaction-patterns/airflow:0.1.0", "transaction-patterns/services:0.1.0")

pytestmark = pytest.mark.timeout(1500)  # the first test builds and starts all


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    settings = {"COMPOSE_PROFILES": "local"}
    with running("transaction-patterns-test", tmp_path_factory.mktemp("project"), settings) as project:
        yield project


@pytest.fixture(scope="module")
def folder_id(project: Project, small: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Put the small feed on the Drive stand-in; its folder's id follows from its name."""
    root = tmp_path_factory.mktemp("drive")
    folder = root / FOLDER
    folder.mkdir(mode=0o755)
    for file, name in zip(small, ("transactions.csv", "CustomerImportance.csv"), strict=True):
        shutil.copyfile(file, folder / name)
    project.compose("cp", str(folder), f"drive:/drive/{FOLDER}")
    return next(node.id for node in DriveTree(root).nodes() if node.name == FOLDER)


class Watch:
    """A feed that runs in the project's Airflow."""

    def __init__(self, project: Project, feed: str, small: tuple[Path, Path]) -> None:
        self._project, self._feed, self._small = project, feed, small

    def start(self, folder_id: str, **settings: object) -> None:
        with airflow_client(self._project.config) as client:
            AirflowApi(client).trigger({"feed": self._feed, "folder_id": folder_id, **settings})

    def wait_until(self, holds: Callable[[Row], bool]) -> Row:
        deadline = time.monotonic() + SECONDS
        while True:
            progress = self._progress()
            if progress is not None and holds(progress):
                return progress
            if time.monotonic() > deadline:
                self._project.describe()
                pytest.fail(f"{self._feed} stands at {progress}")
            time.sleep(0.5)

    def check_outputs(self, folder: Path) -> None:
        found = self.outputs(folder)
        assert found == [detection[1:] for detection in expected(*self._small, RULES)]
        assert {pattern for pattern, *_ in found} == {"PatId1", "PatId2", "PatId3"}

    def outputs(self, folder: Path) -> list[tuple[str, ...]]:
        files = [file for file in download_outputs(self._project.config.addresses, self._feed, folder) if file.suffix == ".csv"]
        rows = chain.from_iterable(csv.DictReader(file.open(newline="")) for file in files)
        return [(row["patternId"], row["ActionType"], row["customerName"], row["MerchantId"]) for row in rows]

    def _progress(self) -> Row | None:
        """Ask the ledger as the reader; ``None`` while it has no feed, no schema, or does not answer."""
        try:
            with psycopg.connect(self._project.config.addresses.ledger_reader_dsn, connect_timeout=5) as connection:
                return Ledger(connection).row("select_progress", feed=self._feed)
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            return None


def test_small_feed_gives_what_the_reference_gives(
    project: Project, folder_id: str, small: tuple[Path, Path], tmp_path: Path
) -> None:
    watch = Watch(project, "calm", small)
    watch.start(folder_id, **RULES, interval_seconds=0)
    watch.wait_until(is_done)
    watch.check_outputs(tmp_path)


@pytest.mark.parametrize("service", KILLED)
def test_killed_in_the_middle_of_a_feed(
    project: Project, folder_id: str, small: tuple[Path, Path], tmp_path: Path, service: str
) -> None:
    watch = Watch(project, f"killed-{service}", small)
    watch.start(folder_id, **RULES, interval_seconds=8)
    progress = watch.wait_until(lambda progress: progress["applied"] >= 1)
    assert not progress["landed_to_end"]
    project.kill(service)
    project.start(service)
    watch.wait_until(is_done)
    watch.check_outputs(tmp_path)


def test_the_demo_feed_is_on_drive_and_shows_every_pattern(project: Project, small: tuple[Path, Path], tmp_path: Path) -> None:
    watch = Watch(project, "demo", small)
    watch.start("root", interval_seconds=0)
    watch.wait_until(is_done)
    assert {pattern for pattern, *_ in watch.outputs(tmp_path)} == {"PatId1", "PatId2", "PatId3"}


def test_no_secret_is_in_an_image(project: Project) -> None:
    secrets = list(project.config.passwords.values())
    for image in IMAGES:
        known = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
        assert "apache" in known or "airflow" in known
        assert [secret for secret in secrets if secret in known] == []
        assert project.name not in known
        files = docker("run", "--rm", "--entrypoint", "find", image, "/opt/airflow", "-maxdepth", "1", "-name", ".*env*")
        assert files == ""


def test_containers_are_bounded_and_ours_are_not_root(project: Project) -> None:
    for service in project.compose("config", "--services").split():
        known = project.inspect(service)
        assert known["HostConfig"]["Memory"] > 0, service
        assert known["HostConfig"]["RestartPolicy"]["Name"] == ("no" if service.startswith("prepare-") else "unless-stopped")
        published = [port for ports in known["NetworkSettings"]["Ports"].values() for port in ports or []]
        assert {port["HostIp"] for port in published} <= {"127.0.0.1"}
        if known["Config"]["Image"] in IMAGES:
            assert known["Config"]["User"] == "50000:0"
