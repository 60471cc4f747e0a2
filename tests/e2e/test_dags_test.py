"""`airflow dags test`, as CI runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from local.airflow_service import DAG_ID
from local.drive_standin.tree import DriveTree
from local.stack import Stack
from tests.conftest import CHECKOUT, RULES, expected
from tests.e2e.outcome import detections


def test_dags_test_runs_a_feed_end_to_end(airflow: Stack, small: tuple[Path, Path]) -> None:
    folder = airflow.addresses.drive_root / "dags-test"
    folder.mkdir(exist_ok=True)  # of an earlier session; the ledger is new in each
    (folder / "transactions.csv").write_bytes(small[0].read_bytes())
    (folder / "CustomerImportance.csv").write_bytes(small[1].read_bytes())
    folder_id = next(node.id for node in DriveTree(airflow.addresses.drive_root).nodes() if node.path == folder)
    conf = {"feed": "dags-test", "folder_id": folder_id, "last_chunk": 99, "flush": True, **RULES}
    # The command runs the tasks itself. A scheduler that watches the same database would run them as well; it leaves a
    # paused DAG alone.
    with airflow.airflow_client() as client:
        client.patch(f"/dags/{DAG_ID}", json={"is_paused": True}).raise_for_status()
    command = [str(Path(sys.executable).with_name("airflow")), "dags", "test", "transaction_patterns", "-c", json.dumps(conf)]
    done = subprocess.run(
        command, env=os.environ | airflow.airflow_env(), cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert detections(airflow.addresses, "dags-test") == expected(*small, RULES)
