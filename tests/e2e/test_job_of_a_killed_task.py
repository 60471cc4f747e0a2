"""A Databricks job whose task ends before it: found again after a kill, cancelled after a timeout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from local.config import JOB_FOLDER
from local.stack import Stack
from tests.conftest import CHECKOUT

DAG_FILE = Path(__file__).with_name("waiting_job.py")
JOB = """
import os, sys, time
started, release = sys.argv[1:]
with open(started, "a") as file:
    print(os.getpid(), file=file)
while not os.path.exists(release):
    time.sleep(0.05)
"""


class WaitingJob:
    """The job in the stack's workspace, and `airflow dags test` on the DAG that runs it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self.name = f"waiting-job-{uuid.uuid4().hex[:12]}"
        self._started, self._release = folder / "started", folder / "release"
        self._log = folder / "log"
        self._file = f"{JOB_FOLDER}/{self.name}.py"
        headers = {"Authorization": f"Bearer {stack.addresses.databricks_token}"}
        self._workspace = httpx.Client(base_url=stack.addresses.databricks_url, headers=headers, timeout=30)
        self._workspace.post(f"/api/2.0/workspace-files/import-file{self._file}", content=JOB).raise_for_status()
        self.processes: list[subprocess.Popen[bytes]] = []

    def task(self, seconds: float, run_seconds: float = 0) -> subprocess.Popen[bytes]:
        """Start the task, which may take so long, or as long as its run may if that is longer."""
        arguments = [str(self._started), str(self._release)]
        given = {"name": self.name, "file": self._file, "arguments": arguments, "seconds": seconds, "run_seconds": run_seconds}
        environment = self._stack.airflow_env() | {"WAITING_JOB": json.dumps(given)}
        environment["AIRFLOW__CORE__DAGS_FOLDER"] = str(DAG_FILE.parent)
        command = [str(Path(sys.executable).with_name("airflow")), "dags", "test", "waiting_job", "-f", str(DAG_FILE)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def log(self) -> str:
        return self._log.read_text()

    def submitted(self) -> list[str]:
        """Give the run that each task was told."""
        return re.findall(r"Run submitted with run_id: (\d+)", self.log())

    def started(self) -> list[int]:
        """Give the pids of the jobs that have started."""
        return [int(line) for line in self._started.read_text().split()] if self._started.exists() else []

    def release(self) -> None:
        self._release.touch()

    def runs(self) -> list[dict[str, Any]]:
        """Give the runs that the workspace has seen."""
        runs = self._workspace.get("/api/2.2/jobs/runs/list").raise_for_status().json()["runs"]
        return [run for run in runs if run["run_name"] == self.name]

    def close(self) -> None:
        self.release()
        for process in self.processes:
            process.kill()
            process.wait()
        self._workspace.close()


@pytest.fixture
def job(airflow: Stack, tmp_path: Path) -> Iterator[WaitingJob]:
    job = WaitingJob(airflow, tmp_path)
    yield job
    job.close()


def wait_until(condition: Callable[[], Any], job: WaitingJob) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, job.log()
        assert all(process.poll() in (None, -9) for process in job.processes), job.log()
        time.sleep(0.05)


def test_job_of_a_killed_task_is_found_again(job: WaitingJob) -> None:
    task = job.task(seconds=300)
    wait_until(job.started, job)
    task.kill()
    task.wait()
    (pid,) = job.started()
    again = job.task(seconds=300)
    wait_until(lambda: len(job.submitted()) == 2, job)
    assert len(set(job.submitted())) == 1
    assert psutil.pid_exists(pid)
    job.release()
    assert again.wait(timeout=90) == 0, job.log()
    assert job.started() == [pid]
    assert [run["state"]["result_state"] for run in job.runs()] == ["SUCCESS"]


def test_task_waits_as_long_as_its_run_may_take(job: WaitingJob) -> None:
    task = job.task(seconds=1, run_seconds=300)
    wait_until(lambda: job.log().count("in run state") >= 4, job)  # it asks once a second
    job.release()
    assert task.wait(timeout=90) == 0, job.log()
    assert "AirflowTaskTimeout" not in job.log()


def test_task_that_times_out_cancels_its_job(job: WaitingJob) -> None:
    task = job.task(seconds=5)
    wait_until(job.started, job)
    assert task.wait(timeout=90) != 0, job.log()
    assert "AirflowTaskTimeout" in job.log()
    (pid,) = job.started()
    wait_until(lambda: not psutil.pid_exists(pid), job)
    wait_until(lambda: [run["state"].get("result_state") for run in job.runs()] == ["CANCELED"], job)
