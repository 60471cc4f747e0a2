"""What the ledger keeps for people: which run of Airflow did what, and when a batch was staged and exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import pytest

from feeds import audit
from feeds.blobs import Blobs
from feeds.detection import open_batch
from feeds.drive import DriveHook
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger
from feeds.rebuild import open_rebuild
from tests.conftest import FeedFiles
from tests.integration.pipeline import commit
from tests.integration.test_commit_and_export import applied, one, stage
from tests.integration.test_landing import HEADER, rows

Connection = psycopg.Connection[Any]


@pytest.fixture
def feed(ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: Callable[..., FeedFiles]) -> str:
    """Give a feed whose first two chunks one run has landed, and the third another."""
    files = make_feed("f", HEADER + rows(250))
    for last, run_id in ((2, "run 1"), (3, "run 2"), (3, "run 3")):
        request = files.request(last=last, chunk_size=100, detections_per_file=3)
        land(ledger, drive, blobs, replace(request, run_id=run_id))
    return "f"


def times(connection: Connection) -> list[tuple[datetime | None, ...]]:
    query = "select staged_at, applied_at, exported_at from ledger.batch where closed_at is null order by batch_id"
    return connection.execute(query).fetchall()


def test_a_chunk_keeps_the_run_that_landed_it(connection: Connection, feed: str) -> None:
    assert connection.execute("select run_id from ledger.chunk order by chunk").fetchall() == [
        ("run 1",), ("run 1",), ("run 2",),
    ]  # fmt: skip


def test_a_batch_keeps_the_run_that_took_it_up_last(ledger: Ledger, feed: str) -> None:
    for run_id, kept in (("run 1", "run 1"), ("run 1", "run 1"), ("run 2", "run 2"), (None, "run 2")):
        batch = open_batch(ledger, feed, None, None, run_id=run_id)
        assert batch is not None
        assert batch["run_id"] == kept


def test_without_airflow_there_is_no_run(connection: Connection, ledger: Ledger, feed: str) -> None:
    applied(connection, ledger, feed, 3, detections=0)
    assert one(connection, "select run_id from ledger.batch") is None


def test_a_rebuild_and_an_audit_keep_their_runs(connection: Connection, ledger: Ledger, feed: str) -> None:
    applied(connection, ledger, feed, 3, detections=0)
    assert audit.open_audit(ledger, feed, "audit 1")["run_id"] == "audit 1"
    assert audit.open_audit(ledger, feed, "audit 2")["run_id"] == "audit 2"
    for run_id in ("run 1", "run 2"):
        assert open_rebuild(ledger, feed, {}, run_id)["run_id"] == run_id
    batch = open_batch(ledger, feed, None, None, run_id="run 3")  # a run that carries the rebuild on
    assert batch is not None
    assert (batch["purpose"], batch["run_id"]) == ("rebuild", "run 3")
    found = connection.execute("select purpose, run_id from ledger.batch order by batch_id").fetchall()
    assert found == [("apply", None), ("audit", "audit 1"), ("audit", "audit 2"), ("rebuild", "run 3")]


def test_a_batch_keeps_when_its_staging_was_complete(connection: Connection, ledger: Ledger, feed: str) -> None:
    batch = open_batch(ledger, feed, None, None)
    assert batch is not None
    stage(connection, batch)
    stage(connection, batch, "s2")  # a second execution of the job: the first is the one that is committed
    staged_at = one(connection, "select staged_at from ledger.staged_batch where staging_id = 's1'")
    assert times(connection) == [(None, None, None)]
    for _ in range(2):
        commit(batch["batch_id"])
    ((kept, applied_at, exported_at),) = times(connection)
    assert (kept, exported_at) == (staged_at, None)
    assert applied_at is not None
    assert applied_at > staged_at


def test_a_batch_keeps_when_it_was_exported(connection: Connection, ledger: Ledger, blobs: Blobs, feed: str) -> None:
    applied(connection, ledger, feed, 1, detections=2)
    assert export_detections(ledger, blobs, feed, flush=False) == [], "nothing is due: the batch is done all the same"
    applied(connection, ledger, feed, 2, detections=4)
    before = times(connection)
    assert before[0][2] is not None
    assert before[1][2] is None
    assert len(export_detections(ledger, blobs, feed, flush=False)) == 1
    exported = times(connection)
    assert exported[0] == before[0]
    assert exported[1][2] is not None
    export_detections(ledger, blobs, feed, flush=True)
    assert times(connection) == exported


def test_a_batch_of_an_older_version_was_exported_nobody_knows_when(
    connection: Connection, ledger: Ledger, blobs: Blobs, feed: str
) -> None:
    applied(connection, ledger, feed, 1, detections=0)
    connection.execute("update ledger.batch set staged_at = null")
    export_detections(ledger, blobs, feed, flush=False)
    assert one(connection, "select exported_at from ledger.batch") is None


def test_a_batch_that_another_run_applies_meanwhile_is_exported_by_that_run(
    connection: Connection, ledger: Ledger, blobs: Blobs, feed: str
) -> None:
    applied(connection, ledger, feed, 1, detections=3)

    class Meanwhile(Blobs):
        def write(self, name: str, data: bytes) -> None:
            super().write(name, data)
            applied(connection, ledger, feed, 2, detections=3, first=3)

    export_detections(ledger, Meanwhile(), feed, flush=False)
    assert [exported_at is not None for *_, exported_at in times(connection)] == [True, False]
    export_detections(ledger, blobs, feed, flush=False)
    assert [exported_at is not None for *_, exported_at in times(connection)] == [True, True]
