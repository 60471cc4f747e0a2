"""Batches, the commit and the files, against PostgreSQL and Azurite; what a job would have staged is written here by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from feeds.blobs import Blobs
from feeds.detection import open_batch
from feeds.drive import DriveHook
from feeds.errors import RejectLimitError
from feeds.export import HEADER as FILE_HEADER
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger
from feeds.submission import idempotency_token
from local.config import Addresses
from tests.conftest import FeedFiles, apply_again
from tests.integration.pipeline import commit
from tests.integration.test_landing import HEADER, rows

MakeFeed = Callable[..., FeedFiles]
Connection = psycopg.Connection[Any]


@pytest.fixture
def landed(ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed) -> str:
    """Give a feed of three landed chunks: 100, 100 and 50 rows."""
    land(ledger, drive, blobs, make_feed("f", HEADER + rows(250)).request(chunk_size=100, detections_per_file=3))
    return "f"


def stage(connection: Connection, batch: dict[str, Any], staging: str = "s1", detections: int = 0, first: int = 0) -> None:
    """Stage one pair per batch, every chunk's count, and some detections."""
    key = (batch["batch_id"], staging)
    chunks = range(batch["first_chunk"], batch["last_chunk"] + 1)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.staged_chunk select %s, %s, chunk, landed_rows from ledger.chunk "
            "where feed_id = %s and chunk = %s",
            [(*key, batch["feed_id"], chunk) for chunk in chunks],
        )
        cursor.execute("insert into ledger.staged_pair values (%s, %s, 'M1', 'C1', 7, 10.50, true, false)", key)
        cursor.executemany(
            "insert into ledger.staged_detection values (%s, %s, %s, 'PatId2', 'CHILD', 'M1', %s)",
            [(*key, batch["first_chunk"], f"C{first + n:03}") for n in range(detections)],
        )
        cursor.execute("insert into ledger.staged_batch values (%s, %s)", key)


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def staged_rows(connection: Connection) -> int:
    return sum(
        one(connection, f"select count(*) from ledger.staged_{name}")
        for name in ("batch", "chunk", "weight", "pair", "detection")
    )


def test_a_batch_takes_all_that_landed_and_is_found_again(ledger: Ledger, landed: str) -> None:
    batch = open_batch(ledger, landed, None, None)
    assert batch is not None
    assert (batch["first_chunk"], batch["last_chunk"]) == (1, 3)
    assert open_batch(ledger, landed, None, 1) == batch


def test_a_range_bounds_a_new_batch(connection: Connection, ledger: Ledger, landed: str) -> None:
    batch = open_batch(ledger, landed, None, 2)
    assert batch is not None
    assert batch["last_chunk"] == 2
    stage(connection, batch)
    commit(batch["batch_id"])
    assert open_batch(ledger, landed, None, 2) is None
    assert open_batch(ledger, landed, 1, 2) is None


def test_too_many_rejected_rows_end_the_batch_before_their_chunk(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    bad = rows(2, 400).replace(b"es_food',", b"es_food',x")
    feed = make_feed("bad", HEADER + rows(100) + rows(98) + bad + rows(100))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    batch = open_batch(ledger, "bad", None, None)
    assert batch is not None
    assert (batch["first_chunk"], batch["last_chunk"]) == (1, 1)
    stage(connection, batch)
    commit(batch["batch_id"])
    with pytest.raises(RejectLimitError, match=r"chunk 2: 2 of 100 rows are rejected \(unreadable amount: 2\), more than"):
        open_batch(ledger, "bad", None, None)


def test_commit_adds_to_the_state_once(connection: Connection, ledger: Ledger, landed: str) -> None:
    for last in (1, 2):
        batch = open_batch(ledger, landed, None, last)
        assert batch is not None
        stage(connection, batch, detections=2, first=last)
        commit(batch["batch_id"])
        commit(batch["batch_id"])  # the task is run again after its commit
    assert one(connection, "select transactions, amount, seen_female, seen_male from ledger.pair_total") == (14, 21, True, False)
    assert one(connection, "select transactions, female, male from ledger.merchant_total") == (14, 1, 0)
    found = connection.execute("select ordinal, chunk, customer from ledger.detection order by ordinal").fetchall()
    assert found == [(1, 1, "C001"), (2, 1, "C002"), (3, 2, "C003")]  # C002 is found again, and not emitted again
    assert staged_rows(connection) == 0


def test_commit_keeps_how_many_customers_have_how_many_transactions(connection: Connection, ledger: Ledger, landed: str) -> None:
    pairs = [("C1", 2), ("C2", 2), ("C3", 5), ("C9", 1)]  # C9 has no weight
    for last in (1, 2):
        batch = open_batch(ledger, landed, None, last)
        assert batch is not None
        key = (batch["batch_id"], "s1")
        stage(connection, batch)
        connection.execute("delete from ledger.staged_pair")
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ledger.staged_pair values (%s, %s, 'M1', %s, %s, 1, true, false, 1)",
                [(*key, customer, count) for customer, count in pairs[last - 1 :]],
            )
            if last == 1:
                weights = [(*key, f"C{n}", n) for n in (1, 2, 3, 4)]
                cursor.executemany("insert into ledger.staged_weight values (%s, %s, 'M1', %s, %s)", weights)
        commit(batch["batch_id"])
        commit(batch["batch_id"])
    ranked = connection.execute("select merchant, transactions, customers from ledger.ranked_total order by 2").fetchall()
    assert ranked == [("M1", 2, 1), ("M1", 4, 1), ("M1", 10, 1)]
    assert connection.execute("select customer, weight from ledger.pair_total order by 1").fetchall() == [
        ("C1", 1), ("C2", 2), ("C3", 3), ("C9", None),
    ]  # fmt: skip


def test_a_feed_begun_before_its_totals_were_ranked(services: Addresses, connection: Connection, landed: str) -> None:
    connection.execute("update ledger.feed set weights_ready = true")
    connection.execute(
        "insert into ledger.pair_total select feed_id, 'M1', 'C' || n, 1 + n / 3, 1, true, false from ledger.feed, "
        "generate_series(1, 3) n"
    )
    connection.execute("insert into ledger.weight select feed_id, 'M1', 'C' || n, n from ledger.feed, generate_series(2, 4) n")
    apply_again(services)
    ranked = connection.execute("select merchant, transactions, customers from ledger.ranked_total order by 2").fetchall()
    assert ranked == [("M1", 1, 1), ("M1", 2, 1)]
    assert one(connection, "select weight from ledger.pair_total where customer = 'C3'") == 3


def test_a_gender_conflict_takes_the_customer_out_of_both_counts(connection: Connection, ledger: Ledger, landed: str) -> None:
    for last, (female, male) in enumerate([(True, False), (False, True)], start=1):
        batch = open_batch(ledger, landed, None, last)
        assert batch is not None
        stage(connection, batch)
        connection.execute("update ledger.staged_pair set seen_female = %s, seen_male = %s", (female, male))
        commit(batch["batch_id"])
    assert one(connection, "select female, male from ledger.merchant_total") == (0, 0)


def test_a_batch_without_complete_staging_is_refused(connection: Connection, ledger: Ledger, landed: str) -> None:
    batch = open_batch(ledger, landed, None, None)
    assert batch is not None
    stage(connection, batch)
    connection.execute("delete from ledger.staged_batch")
    with pytest.raises(psycopg.errors.RaiseException, match="has no complete staging"):
        commit(batch["batch_id"])
    lost = ledger.row("select_lost_batch", batch_id=batch["batch_id"])
    assert lost == {"batch_id": batch["batch_id"], "generation": 1}


def test_a_batch_that_lacks_one_of_its_detections_is_refused(connection: Connection, ledger: Ledger, landed: str) -> None:
    batch = open_batch(ledger, landed, None, None)
    assert batch is not None
    stage(connection, batch, detections=3)
    connection.execute("update ledger.staged_batch set detections = 4")
    with pytest.raises(psycopg.errors.RaiseException, match="has no complete staging"):
        commit(batch["batch_id"])
    connection.execute("update ledger.staged_batch set detections = 3")
    commit(batch["batch_id"])
    assert one(connection, "select count(*) from ledger.detection") == 3


def test_a_job_that_counted_other_rows_is_refused(connection: Connection, ledger: Ledger, landed: str) -> None:
    batch = open_batch(ledger, landed, None, None)
    assert batch is not None
    stage(connection, batch)
    connection.execute("update ledger.staged_chunk set transactions = 99 where chunk = 2")
    with pytest.raises(psycopg.errors.RaiseException, match="chunk 2: landing counted 100 rows, the detection job 99"):
        commit(batch["batch_id"])
    assert one(connection, "select count(*) from ledger.pair_total") == 0


def test_a_recorded_failure_changes_the_token_once(ledger: Ledger, landed: str) -> None:
    batch = open_batch(ledger, landed, None, None)
    assert batch is not None
    row = ledger.row("select_batch", batch_id=batch["batch_id"])
    assert row is not None
    token = idempotency_token(row)
    assert len(token) <= 64
    for _ in range(2):
        ledger.run("fail_batch", batch_id=batch["batch_id"], generation=1, error="job failed")
    again = ledger.row("select_batch", batch_id=batch["batch_id"])
    assert again is not None
    assert again["generation"] == 2
    assert idempotency_token(again) != token


def applied(connection: Connection, ledger: Ledger, feed: str, last: int, detections: int, first: int = 0) -> None:
    batch = open_batch(ledger, feed, None, last)
    assert batch is not None
    stage(connection, batch, detections=detections, first=first)
    commit(batch["batch_id"])


def file_rows(blobs: Blobs, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(blobs.read(name).decode())))


def test_full_files_first_and_the_rest_when_the_feed_is_exhausted(
    connection: Connection, ledger: Ledger, blobs: Blobs, landed: str
) -> None:
    applied(connection, ledger, landed, 2, detections=7)
    assert export_detections(ledger, blobs, landed, flush=False) == [f"detections/f/detections-{n:06d}.csv" for n in (1, 2)]
    assert export_detections(ledger, blobs, landed, flush=False) == []
    applied(connection, ledger, landed, 3, detections=1, first=50)
    assert export_detections(ledger, blobs, landed, flush=False) == ["detections/f/detections-000003.csv"]
    first = file_rows(blobs, "detections/f/detections-000001.csv")
    assert first[0] == list(FILE_HEADER)
    assert [row[2:] for row in first[1:]] == [["PatId2", "CHILD", f"C{n:03}", "M1"] for n in range(3)]
    assert all(row[k].endswith("+05:30") for row in first[1:] for k in (0, 1))
    assert [row[4] for row in file_rows(blobs, "detections/f/detections-000003.csv")[1:]] == ["C006", "C050"]


def test_a_rest_is_written_when_asked_for_or_when_it_lingers(
    connection: Connection, ledger: Ledger, blobs: Blobs, landed: str
) -> None:
    applied(connection, ledger, landed, 1, detections=2)
    assert export_detections(ledger, blobs, landed, flush=False) == []
    connection.execute("update ledger.detection set detected_at = detected_at - interval '61 seconds'")
    assert len(export_detections(ledger, blobs, landed, flush=False)) == 1
    applied(connection, ledger, landed, 2, detections=1, first=9)
    assert len(export_detections(ledger, blobs, landed, flush=True)) == 1


def test_a_limit_is_advised_that_the_trigger_form_takes_for_a_wish(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    bad = b"0,'C1','4','F','28007','M1','28007','es_food',-3,0\n"
    feed = make_feed("form", HEADER + rows(149) + bad)
    land(ledger, drive, blobs, feed.request(chunk_size=150, max_reject_percent=0.5))
    with pytest.raises(RejectLimitError, match=r"max_reject_percent = 2 \(and the range") as refused:
        open_batch(ledger, "form", None, None)
    assert "1 of 150 rows are rejected" in str(refused.value), "1 % would do, but is the form's default"


def test_weights_that_are_kept_with_pairs_can_be_made_anew(connection: Connection, ledger: Ledger, landed: str) -> None:
    applied(connection, ledger, landed, 1, detections=0)
    feed_id = one(connection, "select feed_id from ledger.feed")
    connection.execute("update ledger.pair_total set weight = 5")
    connection.execute("select ledger.rank_feed(%s)", [feed_id])
    assert one(connection, "select weight from ledger.pair_total") is None, "there is none in ledger.weight"
    assert one(connection, "select count(*) from ledger.ranked_total") == 0
    connection.execute("insert into ledger.weight values (%s, 'M1', 'C1', 3)", [feed_id])
    connection.execute("select ledger.rank_feed(%s)", [feed_id])
    assert one(connection, "select weight from ledger.pair_total") == 3
    assert one(connection, "select sum(customers) from ledger.ranked_total") == 1
