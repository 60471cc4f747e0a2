"""The real BankSim file through Airflow, all 60 chunks at once."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from local.run import RunRequest, run
from local.stack import Stack
from tests.banksim import NOT_HERE, banksim
from tests.conftest import expected
from tests.e2e.outcome import as_exported, batches, detections, feed_of, files, rows


def test_the_real_file_in_one_batch(airflow: Stack, tmp_path: Path) -> None:
    found_here = banksim(tmp_path)
    if found_here is None:
        pytest.skip(NOT_HERE)
    transactions, importance = found_here
    httpx.post(f"{airflow.addresses.drive_url}/standin/served/reset").raise_for_status()
    out = tmp_path / "banksim"
    run(RunRequest(transactions, importance, out, {"interval_seconds": 0}), airflow)
    found = expected(transactions, importance, {})
    feed = feed_of(out)
    assert detections(airflow.addresses, feed) == found
    assert len(found) == 173
    assert rows(out) == as_exported(found)
    assert [len(file) for file in files(out)] == [50, 50, 50, 23]
    assert batches(airflow.addresses, feed) == 1
    served = httpx.get(f"{airflow.addresses.drive_url}/standin/served").json()
    read = sum(entry["bytes"] for entry in served.values() if entry["name"] == "transactions.csv")
    assert read <= 1.05 * transactions.stat().st_size
