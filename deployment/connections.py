"""The Airflow connections of an installation on Azure, as JSON: what the code reads of a connection, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployment.azure import Azure, fill

Connection = dict[str, Any]
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""What Airflow's machine trusts, on Debian and so in Airflow's image: PostgreSQL's client looks nowhere by itself."""
DRIVE_SCOPE = "https://www.googleapis.com/auth/drive.readonly"


def connections(azure: Azure, *, job_folder: str, compute: str, given: Mapping[str, str]) -> dict[str, Connection]:
    """Give the connections by their ids.

    Parameters
    ----------
    azure
        What the templates have made.
    job_folder
        Below which folder of the workspace ``make deploy-job`` has put the code.
    compute
        What the job runs on: ``existing-cluster``, ``job-cluster`` or ``serverless``, a file in templates/databricks.
    given
        What nothing can look up: ``AIRFLOW_CLIENT_SECRET``, ``LEDGER_OWNER_PASSWORD``, ``LEDGER_WRITER_PASSWORD``,
        ``LEDGER_READER_PASSWORD``, ``DRIVE_KEY`` (path of the service account's key), and ``CLUSTER_ID`` for an existing cluster.

    Raises
    ------
    ValueError
        Something is not given.
    """
    roles = {
        "ledger_owner": "LEDGER_OWNER_PASSWORD",
        "ledger": "LEDGER_WRITER_PASSWORD",
        "ledger_reader": "LEDGER_READER_PASSWORD",
    }
    needed = ("AIRFLOW_CLIENT_SECRET", "DRIVE_KEY", *roles.values())
    if missing := [name for name in needed if not given.get(name)]:
        raise ValueError(f"the environment lacks {', '.join(missing)}")
    principal = {"login": azure.airflowClientId, "password": given["AIRFLOW_CLIENT_SECRET"]}
    values = {**given, "AIRFLOW_CLIENT_ID": azure.airflowClientId}
    return {
        "drive": {
            "conn_type": "google_cloud_platform",
            "extra": {"keyfile_dict": json.loads(Path(given["DRIVE_KEY"]).read_text()), "scope": DRIVE_SCOPE, "num_retries": 5},
        },
        "blob": {
            "conn_type": "wasb",
            "host": f"https://{azure.storageAccount}.blob.core.windows.net/",
            **principal,
            "extra": {"tenant_id": azure.tenantId, "container": azure.container, "storage_url": azure.storage_url},
        },
        "databricks": {
            "conn_type": "databricks",
            "host": azure.databricksHost,
            **principal,
            "extra": {"azure_tenant_id": azure.tenantId, "job_folder": job_folder, **fill(compute, values)},
        },
        **{
            name: _ledger(azure, "ledger_writer" if name == "ledger" else name, given[password])
            for name, password in roles.items()
        },
    }


def _ledger(azure: Azure, role: str, password: str) -> Connection:
    return {
        "conn_type": "postgres",
        "host": azure.ledgerHost,
        "port": 5432,
        "login": role,
        "password": password,
        "schema": azure.ledgerDatabase,
        "extra": {"sslmode": "verify-full", "sslrootcert": AUTHORITIES},
    }
