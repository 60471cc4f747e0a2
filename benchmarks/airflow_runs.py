"""Runs a feed through the stack's Airflow with the code of ``make run``, and reads back what Airflow knows of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from benchmarks.bench import Bench, new_feed
from benchmarks.feeds import Files
from feeds.ledger import Row
from local.airflow_service import DAG_ID
from local.config import CHECKOUT
from local.run import RunRequest, run


@dataclass(frozen=True)
class FeedRun:
    """A feed that Airflow has processed to its end."""

    feed: str
    feed_id: int
    progress: Row
    runs: list[dict[str, Any]]
    """The DAG runs since it was triggered, the oldest first, as the REST API gives them."""

    @property
    def triggered_at(self) -> datetime:
        """When Airflow took the trigger."""
        return moment(next(run["queued_at"] for run in self.runs if run["run_type"] == "manual"))

    @property
    def last_file_at(self) -> datetime:
        """When the last detection file was uploaded."""
        moment_of_file: datetime | None = self.progress["last_file_at"]
        if moment_of_file is None:
            raise RuntimeError(f"feed {self.feed} has no detections: it is too short to be measured to its last file")
        return moment_of_file

    @property
    def seconds(self) -> float:
        """From trigger to last detection file."""
        return (self.last_file_at - self.triggered_at).total_seconds()


def process(bench: Bench, files: Files, interval: float) -> FeedRun:
    """Run a new feed to its end."""
    out = CHECKOUT / "out" / "bench" / new_feed(files)
    since = datetime.now(UTC)
    run(RunRequest(files.transactions, files.importance, out, {"interval_seconds": interval}), bench.stack)
    feed = str(json.loads((out / ".feed.json").read_text())["feed"])
    shutil.rmtree(out)
    progress = bench.ledger.row("select_progress", feed=feed)
    if progress is None:
        raise RuntimeError(f"feed {feed} is not in the ledger")
    return FeedRun(feed, progress["feed_id"], progress, dag_runs(bench, since))


def dag_runs(bench: Bench, since: datetime) -> list[dict[str, Any]]:
    """Give the DAG runs that were queued since a moment, the oldest first."""
    with bench.stack.airflow_client() as client:
        query = {"run_after_gte": since.isoformat(), "order_by": "run_after", "limit": 100}
        found = _get(client, f"/dags/{DAG_ID}/dagRuns", **query)["dag_runs"]
    return [run for run in found if run["queued_at"] is not None]


def task_instances(bench: Bench, run_id: str) -> list[dict[str, Any]]:
    """Give a run's task instances."""
    with bench.stack.airflow_client() as client:
        found: list[dict[str, Any]] = _get(client, f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances")["task_instances"]
    return found


def log_lines(bench: Bench, run_id: str, task: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the structured lines of the log of a task's last try."""
    path = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
    with bench.stack.airflow_client() as client:
        answer = client.get(path, headers={"Accept": "application/json"}, params={"full_content": True})
    content = answer.json()["content"] if answer.status_code == httpx.codes.OK else []
    return [line for line in content if isinstance(line, dict) and line.get("timestamp")]


def moment(text: str) -> datetime:
    """Read a moment as Airflow writes it."""
    return datetime.fromisoformat(text)


def _get(client: httpx.Client, path: str, **query: Any) -> Any:
    return client.get(path, params=query).raise_for_status().json()
