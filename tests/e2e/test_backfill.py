"""Ranges, a rebuild and audits in a real Airflow, triggered over REST as the UI does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from local.airflow_api import AirflowApi, AirflowError
from local.config import Addresses
from local.drive_standin.tree import DriveTree
from local.stack import Stack
from tests.conftest import RULES, Found, expected
from tests.e2e.outcome import detections, ended

FEED = "backfilled"
OTHER = {"child_min_transactions": 4, "child_max_average": 35}
Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder_id(airflow: Stack, small: tuple[Path, Path]) -> str:
    folder = airflow.addresses.drive_root / FEED
    folder.mkdir(exist_ok=True)  # of an earlier session; the ledger is new in each
    (folder / "transactions.csv").write_bytes(small[0].read_bytes())
    (folder / "CustomerImportance.csv").write_bytes(small[1].read_bytes())
    return next(node.id for node in DriveTree(airflow.addresses.drive_root).nodes() if node.path == folder)


@pytest.fixture
def pipeline(airflow: Stack) -> Iterator[AirflowApi]:
    with airflow.airflow_client() as client:
        api = AirflowApi(client)
        api.unpause()
        yield api


@pytest.fixture
def audit(airflow: Stack) -> Iterator[AirflowApi]:
    with airflow.airflow_client() as client:
        yield AirflowApi(client, "audit_feed")


def batches(addresses: Addresses, purpose: str = "apply") -> list[tuple[int, int]]:
    query = (
        "select first_chunk, last_chunk from ledger.batch join ledger.feed using (feed_id) "
        "where feed = %s and purpose = %s and applied_at is not null order by 2"
    )
    with psycopg.connect(addresses.ledger_dsn) as connection:
        return connection.execute(query, [FEED, purpose]).fetchall()


def runs(addresses: Addresses, purpose: str = "apply") -> list[str]:
    """Give the runs of Airflow that have opened the feed's batches, in order."""
    query = "select run_id from ledger.batch join ledger.feed using (feed_id) where feed = %s and purpose = %s order by batch_id"
    with psycopg.connect(addresses.ledger_dsn) as connection:
        return [run_id for (run_id,) in connection.execute(query, [FEED, purpose])]


def in_force(addresses: Addresses) -> list[Found]:
    with psycopg.connect(addresses.ledger_dsn) as connection:
        gone = connection.execute("select pattern_id, customer, merchant from ledger.detection where withdrawn_by is not null")
        withdrawn = set(gone.fetchall())
    return sorted(row for row in detections(addresses, FEED) if (row[1], row[3], row[4]) not in withdrawn)


def test_nonsense_is_refused_by_the_form_and_the_rest_by_the_first_task(pipeline: AirflowApi) -> None:
    for conf in ({"first_chunk": 0}, {"last_chunk": -1}, {"batch_chunks": 0}, {"first_chunk": "one"}):
        with pytest.raises(AirflowError, match="answered 400") as error:
            pipeline.trigger({"feed": FEED} | conf)
        assert next(iter(conf)) in str(error.value)
    run_id, state = ended(pipeline, {"feed": FEED, "first_chunk": 5, "last_chunk": 4})
    assert state == "failed"
    assert pipeline.reason(run_id) == "land_chunks: first_chunk 5 is behind last_chunk 4"


def test_a_range_in_batches_of_two(airflow: Stack, pipeline: AirflowApi, small: tuple[Path, Path], folder_id: str) -> None:
    conf = {"feed": FEED, "folder_id": folder_id, "first_chunk": 1, "last_chunk": 5, "batch_chunks": 2, **RULES}
    run_id, state = ended(pipeline, conf)
    assert state == "success"
    deadline = time.monotonic() + 240
    while len(batches(airflow.addresses)) < 3:  # scheduled runs take the others
        assert time.monotonic() < deadline, batches(airflow.addresses)
        time.sleep(0.2)
    assert batches(airflow.addresses) == [(1, 2), (3, 4), (5, 5)]
    assert detections(airflow.addresses, FEED) == [row for row in expected(*small, RULES) if row[0] <= 5]
    first, *others = runs(airflow.addresses)
    assert first == run_id
    assert all(other.startswith("asset_triggered__") for other in others), others


def test_a_range_that_is_applied_already_does_nothing(airflow: Stack, pipeline: AirflowApi) -> None:
    assert ended(pipeline, {"feed": FEED, "first_chunk": 2, "last_chunk": 4})[1] == "success"
    assert len(batches(airflow.addresses)) == 3


def test_a_range_beyond_the_end_says_so(pipeline: AirflowApi) -> None:
    run_id, state = ended(pipeline, {"feed": FEED, "first_chunk": 8, "last_chunk": 9})
    assert state == "failed"
    assert "chunks 6 to 7 must land before chunk 8" in pipeline.reason(run_id)
    assert ended(pipeline, {"feed": FEED, "last_chunk": 99})[1] == "success"
    run_id, state = ended(pipeline, {"feed": FEED, "first_chunk": 8})
    assert "feed backfilled ends at chunk 6; chunk 8 does not exist" in pipeline.reason(run_id)


def test_a_rebuild_with_other_rules(airflow: Stack, pipeline: AirflowApi, small: tuple[Path, Path]) -> None:
    run_id, state = ended(pipeline, {"feed": FEED, "rebuild": True, **OTHER})
    assert state == "success"
    assert runs(airflow.addresses, "rebuild") == [run_id]
    assert batches(airflow.addresses, "rebuild") == [(1, 6)]
    assert in_force(airflow.addresses) == sorted(expected(*small, RULES | OTHER))


def test_an_audit_is_green_and_then_red(airflow: Stack, audit: AirflowApi) -> None:
    run_id, state = ended(audit, {"feed": FEED})
    assert state == "success"
    assert runs(airflow.addresses, "audit") == [run_id]
    with psycopg.connect(airflow.addresses.ledger_dsn) as connection:
        row = connection.execute("select count(*) from ledger.detection where audited_chunk = 6").fetchone()
        assert row == (len(in_force(airflow.addresses)),), "what the rebuild has withdrawn is not looked at"
        connection.execute(
            "update ledger.pair_total set amount = amount - 0.01 where (feed_id, merchant, customer) = "
            "(select feed_id, merchant, customer from ledger.pair_total join ledger.feed using (feed_id) "
            "where feed = %s limit 1)",
            [FEED],
        )
    run_id, state = ended(audit, {"feed": FEED})
    assert state == "failed"
    assert "compare_state: feed backfilled, chunks 1 to 6, state and detections: one difference:" in audit.reason(run_id)
