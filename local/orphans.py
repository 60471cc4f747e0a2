"""Starts Airflow's scheduler after clearing up behind one that was killed: ``python -m local.orphans DIRECTORY COMMAND...``.

The workers of Airflow's LocalExecutor outlive a killed scheduler and wait for tasks for ever. One that still executes a task is
left to finish it, as nothing is wrong with the task; the next start finds it idle.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import psutil

from local.supervision import marked_processes

_IDLE = "airflow worker -- LocalExecutor: <idle>"


def kill_idle_workers(directory: Path) -> int:
    """Kill the idle workers in a stack that has no scheduler at this moment; give how many there were."""
    killed = 0
    for process in marked_processes(directory):
        with contextlib.suppress(psutil.Error):
            if is_idle_worker(process):
                process.kill()
                killed += 1
    return killed


def is_idle_worker(process: psutil.Process) -> bool:
    """Whether a process is a worker of the LocalExecutor that waits for a task; ``psutil.Error`` when it is gone."""
    return bool(process.cmdline()[:1] == [_IDLE])


if __name__ == "__main__":
    found = kill_idle_workers(Path(sys.argv[1]))
    print(f"killed {found} idle workers of an earlier scheduler", flush=True)
    # Importing this package has set AIRFLOW_HOME to that of the checkout's own stack, which may be another one.
    environment = os.environ | {"AIRFLOW_HOME": str(Path(sys.argv[1]) / "airflow")}
    os.execve(sys.argv[2], sys.argv[2:], environment)  # noqa: S606 -- the scheduler itself, without a shell
