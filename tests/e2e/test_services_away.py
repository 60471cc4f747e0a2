"""Services that are away while a feed runs in a real Airflow: what the logs say, and that nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from local.airflow_api import AirflowApi
from local.airflow_service import DAG_ID
from local.chaos.scene import wait_for
from local.config import load_config
from local.drive_standin.tree import DriveTree
from local.postgres import connect
from local.stack import Stack
from local.supervision import Supervisor
from tests.conftest import RULES, expected
from tests.e2e.outcome import batches, detections

FEED = "services-away"
AWAY_SECONDS = 20
SECONDS = 240


def task_of(client: httpx.Client, run_id: str, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = client.get(f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task_id}").raise_for_status().json()
    return task


def reasons(client: httpx.Client, run_id: str, task_id: str, tries: int) -> list[str]:
    """Give what the retry policy has said, one line for each try."""
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task_id}/logs"
    said = []
    for number in range(1, tries + 1):
        lines = client.get(f"{path}/{number}", headers={"Accept": "application/json"}).raise_for_status().json()["content"]
        said += [line["reason"] for line in lines if isinstance(line, dict) and line.get("event") == "Retry policy decision"]
    return said


@contextmanager
def closed_ledger(stack: Stack) -> Iterator[None]:
    """Close the ledger's database, and no other of the server: Airflow's own is there too."""
    with connect(load_config(stack.directory)) as administrator:
        administrator.execute("alter database ledger allow_connections false")
        try:
            administrator.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'ledger'")
            yield
        finally:
            administrator.execute("alter database ledger allow_connections true")


def test_nothing_is_lost_while_services_are_away(airflow: Stack, small: tuple[Path, Path]) -> None:
    folder = airflow.addresses.drive_root / FEED
    folder.mkdir(exist_ok=True)  # of an earlier session; the ledger is new in each
    (folder / "transactions.csv").write_bytes(small[0].read_bytes())
    (folder / "CustomerImportance.csv").write_bytes(small[1].read_bytes())
    folder_id = next(node.id for node in DriveTree(airflow.addresses.drive_root).nodes() if node.path == folder)
    supervisor = Supervisor(airflow.directory)
    with airflow.airflow_client() as client:
        api = AirflowApi(client)
        api.unpause()

        # Blob Storage: shorter than its own client tries, so the task itself does not even fail.
        supervisor.stop("azurite")
        gone_at = time.monotonic()
        first = api.trigger({"feed": FEED, "folder_id": folder_id, "last_chunk": 3, **RULES})
        wait_for("landing", lambda: task_of(client, first, "land_chunks")["state"] == "running", SECONDS)
        wait_for("the end of the outage", lambda: time.monotonic() > gone_at + AWAY_SECONDS, 2 * AWAY_SECONDS)
        assert task_of(client, first, "land_chunks")["state"] == "running"
        airflow.start()
        wait_for("the first half", lambda: api.state(first) == "success", SECONDS)
        assert task_of(client, first, "land_chunks")["try_number"] == 1

        # The ledger: the first task is tried again until it is back.
        with closed_ledger(airflow):
            gone_at = time.monotonic()
            second = api.trigger({"feed": FEED, "last_chunk": 4})
            wait_for("a first try", lambda: task_of(client, second, "land_chunks")["state"] == "up_for_retry", SECONDS)
            wait_for("the end of the outage", lambda: time.monotonic() > gone_at + AWAY_SECONDS, 2 * AWAY_SECONDS)
        wait_for("the fourth chunk", lambda: api.state(second) == "success", SECONDS)
        said = reasons(client, second, "land_chunks", tries=1)
        assert said
        assert "connection ledger: PostgreSQL does not answer" in said[0]

        # Databricks: longer than the task tries. Its run fails, and the next one carries on.
        supervisor.stop("minilake")
        third = api.trigger({"feed": FEED, "last_chunk": 6})
        wait_for("a failed run", lambda: api.state(third) == "failed", SECONDS)
        said = reasons(client, third, "detect_patterns", tries=2)
        assert len(said) == 2
        assert all(
            "connection databricks: Databricks does not answer (API requests to Databricks failed" in line for line in said
        )
        assert said[0].endswith("1 of 1 retries are left")
        assert said[1].endswith("no retry is left: the next run carries on")
        assert api.reason(third) == f"detect_patterns: {said[1]}"
        airflow.start()
        wait_for("the rest", lambda: batches(airflow.addresses, FEED) == 3, SECONDS)
        wait_for("all detections", lambda: detections(airflow.addresses, FEED) == expected(*small, RULES), SECONDS)
