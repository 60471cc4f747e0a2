"""The profile cloud: Airflow and PostgreSQL. Connections are those of a file, and to its own ledger where that names none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.airflow_service import airflow_client, wait_for_dag
from tests.compose.project import Project, running

OWNER = {
    "conn_type": "postgres",
    "host": "db.example",
    "login": "ledger_owner",
    "schema": "ledger",
    "extra": {"sslmode": "require"},
}
AIRFLOW = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-history"}

pytestmark = pytest.mark.timeout(1500)  # the image may have to be built


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "connections.env").write_text(f"AIRFLOW_CONN_LEDGER_OWNER='{json.dumps(OWNER)}'\n")
    with running("transaction-patterns-cloud-test", folder, {"COMPOSE_PROFILES": "cloud"}) as project:
        yield project


def test_airflow_and_postgres_run_and_nothing_else(project: Project) -> None:
    assert set(project.compose("ps", "--services").split()) == {"postgres", *AIRFLOW}


def test_airflow_loads_the_dag_for_who_is_logged_in(project: Project) -> None:
    with airflow_client(project.config) as client:
        wait_for_dag(client)


def test_connections_are_those_of_the_file_and_else_to_the_own_ledger(project: Project) -> None:
    written = json.loads(_in_scheduler(project, "cat", "/opt/airflow/.stack/connections.json"))
    assert list(written) == ["ledger", "ledger_reader"], "Airflow would prefer it to the file's"
    assert {connection["host"] for connection in written.values()} == {"postgres"}
    assert json.loads(_in_scheduler(project, "printenv", "AIRFLOW_CONN_LEDGER_OWNER")) == OWNER


def test_only_their_user_can_read_the_files_with_secrets(project: Project) -> None:
    files = _in_scheduler(project, "find", "/opt/airflow/.stack", "-type", "f", "-printf", "%f %m %U\n")
    assert sorted(files.splitlines()) == ["connections.json 600 50000", "passwords.json 600 50000"]


def _in_scheduler(project: Project, *command: str) -> str:
    return project.compose("exec", "-T", "airflow-scheduler", *command)
