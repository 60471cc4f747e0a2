"""Writes the Airflow connections of a stack: the only thing that differs from production."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.config import JOB_FOLDER, StackConfig, write_private
from local.drive import ensure_credentials

_SECRETS = {
    "LEDGER_JDBC_URL": "{{secrets/transaction-patterns/ledger-jdbc-url}}",
    "LEDGER_USER": "{{secrets/transaction-patterns/ledger-user}}",
    "LEDGER_PASSWORD": "{{secrets/transaction-patterns/ledger-password}}",
}


def write_connections(config: StackConfig, names: Iterable[str] | None = None) -> None:
    """Write the file that Airflow's ``LocalFilesystemBackend`` reads.

    Parameters
    ----------
    config
        The stack.
    names
        The connections to write; by default all.
    """
    connections = {name: CONNECTIONS[name](config) for name in names or CONNECTIONS}
    write_private(config.addresses.connections_file, json.dumps(connections, indent=2) + "\n")


def _drive(config: StackConfig) -> dict[str, Any]:
    ensure_credentials(config)
    addresses = config.addresses
    extra = {
        "keyfile_dict": json.loads(addresses.drive_credentials.read_text()),
        "scope": "https://www.googleapis.com/auth/drive.readonly",
        "num_retries": 5,
        "drive_endpoint": f"{addresses.drive_url}/drive/v3/",
    }
    return {"conn_type": "google_cloud_platform", "extra": extra}


def _blob(config: StackConfig) -> dict[str, Any]:
    addresses = config.addresses
    extra = {
        "connection_string": addresses.blob_connection_string,
        "container": addresses.blob_container,
        "storage_url": addresses.storage_url,
    }
    return {"conn_type": "wasb", "extra": extra}


def _databricks(config: StackConfig) -> dict[str, Any]:
    cluster = {
        "spark_version": "18.x-scala2.13",
        "node_type_id": "Standard_D4ds_v5",
        "num_workers": 1,
        "spark_env_vars": _SECRETS,
    }
    extra = {"job_folder": JOB_FOLDER, "compute": {"new_cluster": cluster}}
    return {
        "conn_type": "databricks",
        # Apart: the provider reads a URL in `host` as https.
        "host": config.host("minilake"),
        "port": config.ports["minilake"],
        "schema": "http",
        "password": config.addresses.databricks_token,
        "extra": extra,
    }


def _ledger(config: StackConfig, role: str) -> dict[str, Any]:
    return {
        "conn_type": "postgres",
        "host": config.host("postgres"),
        "port": config.ports["postgres"],
        "login": role,
        "password": config.passwords[role],
        "schema": "ledger",
    }


CONNECTIONS: Mapping[str, Callable[[StackConfig], dict[str, Any]]] = {
    "drive": _drive,
    "blob": _blob,
    "databricks": _databricks,
    "ledger": lambda config: _ledger(config, "ledger_writer"),
    "ledger_owner": lambda config: _ledger(config, "ledger_owner"),
    "ledger_reader": lambda config: _ledger(config, "ledger_reader"),
}
"""Airflow's connections by name, each as what gives it for a stack."""
