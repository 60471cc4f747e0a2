"""A run that waits makes way for one that somebody triggers, and says so."""

from __future__ import annotations

import time

import httpx

from local.airflow_api import AirflowApi
from local.airflow_service import DAG_ID
from local.stack import Stack
from tests.e2e.outcome import ended

SECONDS = 240


def waiting_run(client: httpx.Client) -> str:
    """Wait for a run that waits in the triggerer, and give its id."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for run in client.get(f"/dags/{DAG_ID}/dagRuns", params={"state": "running"}).raise_for_status().json()["dag_runs"]:
            task = client.get(f"/dags/{DAG_ID}/dagRuns/{run['dag_run_id']}/taskInstances/wait_for_work").raise_for_status().json()
            if task["state"] == "deferred":
                return str(run["dag_run_id"])
        time.sleep(0.2)
    raise AssertionError("no run waits for work")


def test_a_waiting_run_ends_as_skipped_and_says_why(airflow: Stack) -> None:
    with airflow.airflow_client() as client:
        api = AirflowApi(client)
        api.unpause()
        waiting = f"/dags/{DAG_ID}/dagRuns/{waiting_run(client)}"
        _, state = ended(api, {"feed": "nobodys", "first_chunk": 5, "last_chunk": 4})
        assert state == "failed", "it has run, and was refused"
        tasks = client.get(f"{waiting}/taskInstances").raise_for_status().json()["task_instances"]
        assert {task["state"] for task in tasks} == {"skipped"}
        reason = client.get(f"{waiting}/taskInstances/wait_for_work/xcomEntries/skipped_because").raise_for_status().json()
        assert "made way for a run that was triggered" in reason["value"]
        log = client.get(f"{waiting}/taskInstances/wait_for_work/logs/1", headers={"Accept": "application/json"}).json()[
            "content"
        ]
        events = [str(line.get("event")) for line in log if isinstance(line, dict)]
        assert sum("Worker startup parse complete" in event for event in events) == 1, "it did not come back to a worker"
        assert "Skipped: made way for a run that was triggered" in events
