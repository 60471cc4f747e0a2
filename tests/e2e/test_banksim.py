"""The real BankSim file through Airflow, all 60 chunks at once."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest

from local.airflow_api import AirflowApi
from local.run import RunRequest, run
from local.stack import Stack
from tests.banksim import NOT_HERE, banksim
from tests.conftest import Found, expected
from tests.e2e.outcome import as_exported, batches, detections, ended, feed_of, files, rows


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
    _audit(airflow, feed, found, transactions, importance)


def _audit(airflow: Stack, feed: str, found: list[Found], transactions: Path, importance: Path) -> None:
    """Audit the feed: it is right, and the rule of a detection still holds where it does for the whole file as one chunk."""
    with airflow.airflow_client() as client:
        run_id, state = ended(AirflowApi(client, "audit_feed"), {"feed": feed})
        assert state == "success", AirflowApi(client, "audit_feed").reason(run_id)
    with psycopg.connect(airflow.addresses.ledger_dsn) as connection:
        held = connection.execute(
            "select pattern_id, action_type, customer, merchant from ledger.detection join ledger.feed using (feed_id) "
            "where feed = %s and still_holds and audited_chunk = 60",
            [feed],
        ).fetchall()
    at_end = {row[1:] for row in expected(transactions, importance, {"chunk_size": 10**9})}
    assert set(held) == {row[1:] for row in found} & at_end
    assert len(held) < len(found) / 2, "most of the real file's detections were true for a while only"
