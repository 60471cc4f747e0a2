"""What is submitted to Databricks for a batch."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from airflow.sdk import BaseHook

from feeds.blob_names import importance_prefix
from feeds.blobs import storage_url
from feeds.job_code import ENTRY, version_folder
from feeds.ledger import Row
from feeds.settings import RULES

DATABRICKS_CONN_ID = "databricks"
RUN_TIMEOUT_SECONDS = 3600
_ROWS_A_SECOND = 10_000  # a fourth of what was measured on two cores: docs/benchmarks.md, row 8


def run_of(batch: Row) -> dict[str, Any]:
    """Describe a batch's run as Databricks' Jobs API wants it.

    What is the workspace's own comes from the extra of the connection: ``job_folder``, below which ``make deploy-job`` puts the
    code; ``compute``, the part of the task that says what it runs on; ``environments``, which serverless compute needs beside
    the task; ``ledger_connection``, where the job reaches the ledger by a connection of Unity Catalog.
    """
    databricks = BaseHook.get_connection(DATABRICKS_CONN_ID).extra_dejson
    purpose = "" if batch["purpose"] == "apply" else f", {batch['purpose']}"
    return {
        "run_name": f"detect_patterns {batch['feed']} chunks {batch['first_chunk']}-{batch['last_chunk']}{purpose}",
        "idempotency_token": idempotency_token(batch),
        "tasks": [
            {
                "task_key": "detect_patterns",
                "timeout_seconds": run_timeout(batch),
                "spark_python_task": {
                    "python_file": f"{version_folder(databricks['job_folder'])}/{ENTRY}",
                    "parameters": job_arguments(batch, storage_url(), databricks.get("ledger_connection")),
                },
                **databricks["compute"],
            }
        ],
        **({"environments": databricks["environments"]} if "environments" in databricks else {}),
    }


def run_timeout(batch: Row) -> int:
    """Give the seconds after which Databricks ends a batch's run: an hour, or more for all chunks of a long feed.

    A rebuild and an audit take them at once. A limit that they cannot keep would have them start anew for ever.
    """
    rows = (batch["last_chunk"] - batch["first_chunk"] + 1) * batch["chunk_size"]
    return int(max(RUN_TIMEOUT_SECONDS, rows // _ROWS_A_SECOND))


def idempotency_token(batch: Row) -> str:
    """Token of a batch's submission: the same until a failure of its run is recorded. At most 64 characters (Jobs API)."""
    # The opening time tells batches of equal number apart that two databases on one workspace have opened.
    text = f"{batch['feed']} {batch['batch_id']} {batch['opened_at'].isoformat()}"
    return f"{batch['batch_id']}-{batch['generation']}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def job_arguments(batch: Row, storage: str, ledger_connection: str | None = None) -> list[str]:
    """Arguments of ``spark_jobs/detect_patterns.py`` for a batch."""
    arguments = {
        "feed": batch["feed"],
        "batch_id": batch["batch_id"],
        "first_chunk": batch["first_chunk"],
        "last_chunk": batch["last_chunk"],
        "storage_url": storage,
        "columns": json.dumps(batch["columns"]),
        "importance": "" if batch["weights_ready"] else importance_prefix(batch["feed"]),
        "still_holds": "yes" if batch["purpose"] == "audit" else "no",
        **{name: batch[name] for name in RULES},
    }
    if ledger_connection:
        arguments["ledger_connection"] = ledger_connection
    return [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
