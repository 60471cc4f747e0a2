"""What a container of docker-compose.yaml knows: the others by name, its own secrets, and no job any of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.config import NEW_PASSWORDS, StackConfig, StackError, secret_variable
from local.connections import CONNECTIONS, write_connections
from local.container import PORTS, container_config
from local.job_process import _job_environment


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEW_PASSWORDS:
        monkeypatch.setenv(secret_variable(name), f"of {name}")


def test_others_are_reached_by_the_names_of_their_containers() -> None:
    addresses = container_config("ledger_writer").addresses
    assert addresses.ledger_jdbc_url == "jdbc:postgresql://postgres:5432/ledger"
    assert addresses.databricks_url == "http://minilake:8094"
    assert addresses.spark_remote == "sc://spark:15002"
    assert addresses.airflow_url == "http://airflow-api-server:8080"
    assert "BlobEndpoint=http://azurite:10000/" in addresses.blob_connection_string
    assert addresses.ledger_password == "of ledger_writer"


def test_a_secret_that_is_needed_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_BLOB_KEY", "")
    monkeypatch.delenv("SECRET_DATABRICKS_TOKEN")
    assert container_config("ledger_writer").passwords["blob_key"] == ""
    with pytest.raises(StackError, match=r"lacks SECRET_BLOB_KEY, SECRET_DATABRICKS_TOKEN$"):
        container_config("ledger_writer", "blob_key", "databricks_token")


def test_a_job_sees_no_secret_of_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark:15002")
    environment = _job_environment()
    assert environment["SPARK_REMOTE"] == "sc://spark:15002"
    assert [name for name, value in environment.items() if name.startswith("SECRET_") or value.startswith("of ")] == []


@pytest.mark.parametrize("names", [None, ["ledger", "ledger_owner", "ledger_reader"]])
def test_only_the_connections_that_are_wanted_are_written(tmp_path: Path, names: list[str] | None) -> None:
    config = StackConfig(tmp_path, PORTS, {name: name for name in NEW_PASSWORDS}, {"postgres": "postgres"})
    write_connections(config, names)
    written = json.loads(config.addresses.connections_file.read_text())
    assert list(written) == (names or list(CONNECTIONS))
    assert (written["ledger"]["host"], written["ledger"]["login"]) == ("postgres", "ledger_writer")
    assert written["ledger_reader"]["login"] == "ledger_reader"
    assert config.addresses.drive_credentials.exists() == (names is None), "a key is made only for whom it serves"
