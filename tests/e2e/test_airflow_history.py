"""What Airflow keeps of runs that are long over is deleted, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.config import CHECKOUT, load_config
from local.postgres import connect
from local.run import RunRequest, run
from local.stack import Stack
from tests.conftest import RULES

_FORTY_DAYS = 40 * 24 * 3600.0


@pytest.fixture
def database(airflow: Stack) -> Any:
    with connect(load_config(airflow.directory), "airflow") as connection:
        yield connection


def triggered(connection: Any) -> list[str]:
    return [row[0] for row in connection.execute("select run_id from dag_run where run_type = 'manual' order by id")]


def test_runs_and_logs_of_before_are_deleted(airflow: Stack, database: Any, small: tuple[Path, Path], tmp_path: Path) -> None:
    for last in (1, 2):
        run(RunRequest(*small, tmp_path / "out", RULES | {"interval_seconds": 0}, None, last), airflow)
    *_, old, young = triggered(database)
    logs = Path(airflow.airflow_env()["AIRFLOW_HOME"], "logs")
    old_logs, young_logs = ([file for file in logs.rglob("*.log") if f"run_id={run_id}" in str(file)] for run_id in (old, young))
    assert old_logs
    assert young_logs
    database.execute("update dag_run set start_date = start_date - interval '40 days' where run_id = %s", (old,))
    for file in old_logs:
        for path in (file, *file.parents[:2]):
            os.utime(path, (path.stat().st_mtime - _FORTY_DAYS,) * 2)

    command = [sys.executable, "-m", "deployment.airflow_history", "--days", "30", "--done", str(tmp_path / "done")]
    done = subprocess.run(command, env=airflow.airflow_env(), cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.search(r"with (\d+) log files", done.stdout)
    assert told is not None
    assert int(told[1]) >= len(old_logs), "a test that was interrupted may have left more"
    assert (tmp_path / "done").exists()

    assert old not in triggered(database)
    assert young in triggered(database)
    assert database.execute("select count(*) from task_instance where run_id = %s", (old,)).fetchone() == (0,)
    assert database.execute("select count(*) from task_instance where run_id = %s", (young,)).fetchone() != (0,)
    assert not any(file.exists() for file in old_logs)
    assert all(file.exists() for file in young_logs)
