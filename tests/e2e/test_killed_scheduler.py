"""A scheduler that was killed: its successor clears up the workers that it left behind."""

from __future__ import annotations

import time

import psutil

from local.orphans import is_idle_worker
from local.stack import Stack
from local.supervision import marked_processes


def test_its_idle_workers_are_gone(airflow: Stack) -> None:
    pid = scheduler(airflow)
    workers = [process for process in psutil.Process(pid).children() if is_idle_worker(process)]
    assert workers
    psutil.Process(pid).kill()
    deadline = time.monotonic() + 60
    while scheduler(airflow) in (0, pid) or any(worker.is_running() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while not (new := [p for p in marked_processes(airflow.directory) if is_idle_worker(p)]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {process.ppid() for process in new} == {scheduler(airflow)}


def scheduler(stack: Stack) -> int:
    return next(line.pid for line in stack.status() if line.program == "airflow-scheduler")
