"""A DAG of one task: the operator of ``transaction_patterns``, set as there, on a job that waits until it is told to end.

For ``airflow dags test``, which runs the task in its own process. ``WAITING_JOB`` holds the name of the run, the job's file in
the workspace, the job's arguments, the seconds that the task may take, and those that the run may.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pendulum
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import dag

from feeds.detection import wait_for_long_run

GIVEN = json.loads(os.environ["WAITING_JOB"])


@dag(schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False)
def waiting_job() -> None:
    """Submit the job and wait for it."""
    DatabricksSubmitRunOperator(
        task_id="wait",
        databricks_conn_id="databricks",
        json={
            "run_name": GIVEN["name"],
            "idempotency_token": GIVEN["name"],
            "tasks": [
                {
                    "task_key": "wait",
                    "timeout_seconds": GIVEN["run_seconds"],
                    "spark_python_task": {"python_file": GIVEN["file"], "parameters": GIVEN["arguments"]},
                    "new_cluster": {"spark_version": "18.0.x-scala2.13", "num_workers": 1},
                }
            ],
        },
        deferrable=False,
        durable=False,
        polling_period_seconds=1,
        execution_timeout=timedelta(seconds=GIVEN["seconds"]),
        pre_execute=wait_for_long_run if GIVEN["run_seconds"] > GIVEN["seconds"] else None,
    )


waiting_job()
