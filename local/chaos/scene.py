"""What the chaos sees of a stack: processes, tasks, runs, how far a feed is. Built for services that are away at times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import psutil
import psycopg

from feeds.ledger import Ledger, Row
from local.airflow_service import DAG_ID, unpause_dag
from local.config import Addresses, StackError
from local.job_process import job_pids
from local.stack import Stack
from local.supervision import marked_processes

Found = TypeVar("Found")

POLL_SECONDS = 0.1
_AWAY = (httpx.HTTPError, psycopg.Error)
_AWAY_SECONDS = 120


class Scene:
    """One stack that is up, and its Airflow.

    Parameters
    ----------
    stack
        The stack.
    say
        Takes lines of progress.
    """

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.say = say
        self.addresses: Addresses = stack.addresses
        self._airflow = stack.airflow_client()
        headers = {"Authorization": f"Bearer {self.addresses.databricks_token}"}
        self._databricks = httpx.Client(base_url=self.addresses.databricks_url, headers=headers, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._airflow.close()
        self._databricks.close()

    def airflow(self, method: str, path: str, **request: Any) -> Any:
        """Ask Airflow's REST API.

        While it does not answer, or with a 5xx, as without its database, it is asked again. A request that changes something may
        then have happened twice: that is chaos as well.

        Raises
        ------
        httpx.HTTPStatusError
            It refuses (4xx).
        """
        deadline = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                answer = self._airflow.request(method, path, **request)
                if answer.is_server_error and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                    continue
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
                continue
            answer.raise_for_status()
            return answer.json()

    def health(self) -> dict[str, Any]:
        """Give what Airflow says of its components, at once."""
        answer: dict[str, Any] = self._airflow.get("/monitor/health").raise_for_status().json()
        return answer

    def unpause(self) -> None:
        """Let the DAG's runs happen."""
        unpause_dag(self._airflow)

    def trigger(self, conf: dict[str, Any]) -> str:
        """Trigger a run and give its id."""
        run = self.airflow("POST", f"/dags/{DAG_ID}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(run["dag_run_id"])

    def runs(self, *states: str, limit: int = 50) -> list[dict[str, Any]]:
        """Give the DAG's runs in these states, the newest first."""
        query = {"state": list(states), "order_by": "-run_after", "limit": limit}
        return list(self.airflow("GET", f"/dags/{DAG_ID}/dagRuns", params=query)["dag_runs"])

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Give the task instances of a run."""
        return list(self.airflow("GET", f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances")["task_instances"])

    def running_tasks(self) -> list[dict[str, Any]]:
        """Give the task instances that run now, with ``process``, the one that executes the task, where it is found."""
        query = {"state": ["running"], "limit": 20}
        tasks = self.airflow("GET", f"/dags/{DAG_ID}/dagRuns/~/taskInstances", params=query)["task_instances"]
        return [task | {"process": _task_process(task)} for task in tasks]

    def busy(self) -> bool:
        """Whether a run is at work."""
        return bool(self.runs("queued", "running", limit=1))

    def databricks_runs(self, feed: str) -> list[dict[str, Any]]:
        """Give the runs that the workspace has seen for a feed's batches."""
        runs = self._databricks.get("/api/2.2/jobs/runs/list").raise_for_status().json()["runs"]
        return [run for run in runs if run["run_name"].startswith(f"detect_patterns {feed} ")]

    def job_processes(self) -> list[int]:
        """Give the pids of the jobs that the workspace executes now."""
        return job_pids(marked_processes(self.stack.directory))

    def service_pid(self, program: str) -> int:
        """Give the pid of a program of the stack; 0 when it does not run."""
        return next((line.pid for line in self.stack.status() if line.program == program), 0)

    def is_up(self, service: str) -> bool:
        """Whether a service runs and answers its check."""
        return self.stack.is_up([service])

    def progress(self, feed: str) -> Row | None:
        """How far a feed is; ``None`` when it has not started, or the ledger is away."""
        with contextlib.suppress(*_AWAY), psycopg.connect(self.addresses.ledger_dsn, connect_timeout=5) as connection:
            return Ledger(connection).row("select_progress", feed=feed)
        return None

    def followed(self, feed: str) -> bool:
        """Whether scheduled runs carry a feed on."""
        with contextlib.suppress(*_AWAY), psycopg.connect(self.addresses.ledger_dsn, connect_timeout=5) as connection:
            return bool((Ledger(connection).row("select_feed", feed=feed) or {}).get("followed"))
        return False

    def unfollow(self, feed: str) -> None:
        """Let scheduled runs leave a feed alone."""
        with psycopg.connect(self.addresses.ledger_dsn) as connection:
            Ledger(connection).run("unfollow_feed", feed=feed)


def wait_for(what: str, condition: Callable[[], Found | None], seconds: float) -> Found:
    """Poll until a condition gives something true, and return that.

    Errors of services that are away count as not yet.

    Raises
    ------
    StackError
        It does not within this time.
    """
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(*_AWAY, psutil.Error):
            if found := condition():
                return found
        if time.monotonic() > deadline:
            raise StackError(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def now() -> datetime:
    """Give the time as Airflow writes it."""
    return datetime.now(UTC)


def _task_process(task: dict[str, Any]) -> psutil.Process | None:
    """Find the process of a task instance by its pid, and make sure by its title: pids are used again."""
    with contextlib.suppress(psutil.Error, TypeError):
        process = psutil.Process(task["pid"])
        if process.cmdline()[:1] and process.cmdline()[0].startswith(f"airflow worker -- {task['id']}"):
            return process
    return None
