"""Airflow's REST API, as far as a run from the command line needs it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from local.airflow_service import DAG_ID, unpause_dag, wait_for_dag


class AirflowError(RuntimeError):
    """Airflow refused a request; the message is what it answered."""


class AirflowApi:
    """What a run needs of a logged-in client of ``/api/v2``, for one DAG."""

    def __init__(self, client: httpx.Client, dag_id: str = DAG_ID) -> None:
        self._client = client
        self._dag_id = dag_id

    def unpause(self) -> None:
        """Let the DAG's runs happen."""
        unpause_dag(self._client, self._dag_id)

    def trigger(self, conf: dict[str, Any]) -> str:
        """Wait until Airflow has parsed the DAG, trigger it, and return the run's id."""
        wait_for_dag(self._client, self._dag_id)
        body = {"logical_date": None, "conf": conf}
        return str(self._call("POST", f"/dags/{self._dag_id}/dagRuns", json=body)["dag_run_id"])

    def state(self, run_id: str) -> str:
        """State of a run: queued, running, success or failed."""
        return str(self._call("GET", f"/dags/{self._dag_id}/dagRuns/{run_id}")["state"])

    def failed_run(self, feed: str, since: datetime) -> str | None:
        """Id of a run of the feed that has failed since a moment, if any."""
        query = {"state": "failed", "start_date_gte": since.isoformat(), "order_by": "-start_date", "limit": 20}
        for run in self._call("GET", f"/dags/{self._dag_id}/dagRuns", params=query)["dag_runs"]:
            if run["conf"].get("feed", self._feed_of(run["dag_run_id"])) == feed:
                return str(run["dag_run_id"])
        return None

    def _feed_of(self, run_id: str) -> str | None:
        path = f"/dags/{self._dag_id}/dagRuns/{run_id}/taskInstances/land_chunks/xcomEntries/feed"
        answer = self._client.get(path)
        return answer.json()["value"] if answer.status_code == httpx.codes.OK else None

    def reason(self, run_id: str) -> str:
        """Why a run has failed: the task, and the error that ended its last try."""
        tasks = self._call("GET", f"/dags/{self._dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        for task in tasks:
            if task["state"] == "failed":
                return f"{task['task_id']}: {self._error(run_id, task['task_id'], task['try_number'])}"
        return f"run {run_id} failed without a failed task; see Airflow's log of the scheduler"

    def _error(self, run_id: str, task_id: str, try_number: int) -> str:
        path = f"/dags/{self._dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        answer = self._client.get(path, headers={"Accept": "application/json"}, params={"full_content": True})
        if answer.status_code != httpx.codes.OK:
            return f"no log of try {try_number} ({answer.status_code})"
        return last_error(answer.json()["content"]) or f"try {try_number} ended without an error in its log"

    def _call(self, method: str, path: str, **request: Any) -> Any:
        answer = self._client.request(method, path, **request)
        if answer.is_error:
            raise AirflowError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:1000]}")
        return answer.json()


def last_error(lines: list[Any]) -> str | None:
    """Text of the last exception in a task's structured log, on one line; better what ``feeds.faults`` has explained of it."""
    for line in reversed(lines):
        if not isinstance(line, dict):
            continue
        if line.get("event") == "Retry policy decision":
            return str(line["reason"])
        details = line.get("error_detail") or []
        if details:
            return " ".join(str(details[0].get("exc_value", "")).split()) or str(details[0].get("exc_type"))
    return None
