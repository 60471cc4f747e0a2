"""The audit: green on what the pipeline made, and red, by name, on everything that was tampered with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from feeds import audit
from feeds.blobs import Blobs
from feeds.detection import lock_feed
from feeds.drive import DriveHook
from feeds.errors import AuditError, BatchError
from feeds.landing import land
from feeds.ledger import Ledger, Row
from local.config import Addresses
from tests.conftest import RULES, FeedFiles, empty_ledger, expected, files_on_drive
from tests.integration.pipeline import Pipeline
from tests.integration.test_commit_and_export import applied
from tests.integration.test_landing import HEADER, rows

MakeFeed = Callable[..., FeedFiles]
Small = tuple[Path, Path]
Connection = psycopg.Connection[Any]


KINDS = ("chunks", "rejects", "importance", "detections")
SPARK_STAGED = ("staged_batch", "staged_chunk", "staged_weight", "staged_pair", "staged_detection", "staged_holding")


@dataclass(frozen=True)
class Audited:
    """The feed `audited`, 5 of whose 6 chunks are applied, and the audit that a real job has staged."""

    pipeline: Pipeline
    feed: FeedFiles
    staged: int


@pytest.fixture(scope="module")
def audited(spark_services: Addresses, small: Small) -> Iterator[Audited]:
    """Nothing is tampered with here: tests work in a transaction that is rolled back, on blobs that are put back."""
    header, *rows = small[0].read_bytes().splitlines(keepends=True)
    source = b"".join([header, rows[0].replace(b"'M", b"'", 1).rstrip() + b",,\n", *rows[1:]])  # a row to reject
    files = files_on_drive(spark_services, "audited", source, small[1].read_bytes())
    with empty_ledger(spark_services) as connection, files as feed:
        pipeline = Pipeline(spark_services, connection, DriveHook(), Blobs())
        pipeline.run(feed, last=5, **RULES)
        batch = opened(pipeline)
        pipeline.detect(batch["batch_id"])
        # Who tampers is the owner: the writer could not drop a constraint.
        with psycopg.connect(spark_services.ledger_owner_dsn, autocommit=True) as owner:
            yield Audited(replace(pipeline, connection=owner), feed, batch["batch_id"])


@pytest.fixture
def pipeline(audited: Audited) -> Iterator[Pipeline]:
    """The feed of ``audited``, as it was after the test."""
    blobs, source = audited.pipeline.blobs, audited.feed.transactions.read_bytes()
    before = {name: blobs.read(name) for kind in KINDS for name in blobs.names(f"{kind}/audited/")}
    with audited.pipeline.connection.transaction(force_rollback=True):
        yield audited.pipeline
    for name, data in before.items():
        blobs.write(name, data)
    for name in {name for kind in KINDS for name in blobs.names(f"{kind}/audited/")} - set(before):
        blobs._hook.delete_file(blobs.container, name)
    audited.feed.transactions.write_bytes(source)


def opened(pipeline: Pipeline, feed: str = "audited") -> Row:
    """Open an audit, and give its batch as the tasks see it."""
    batch_id = audit.open_audit(pipeline.ledger, feed)["batch_id"]
    batch = pipeline.ledger.row("select_batch", batch_id=batch_id)
    assert batch is not None
    return batch


def compared(audited: Audited) -> dict[str, Any]:
    """Audit the ledger as it is now, with what the real job has staged: the chunks are the same."""
    batch = opened(audited.pipeline)
    for table in SPARK_STAGED:
        audited.pipeline.connection.execute(
            f"update ledger.{table} set batch_id = %s where batch_id = %s", [batch["batch_id"], audited.staged]
        )
    return audit.compare_state(audited.pipeline.ledger, batch["batch_id"])


def blob_differences(pipeline: Pipeline, feed: str = "audited") -> list[str]:
    return audit.check_blobs(pipeline.ledger, pipeline.blobs, opened(pipeline, feed))


def source_differences(pipeline: Pipeline) -> list[str]:
    return audit.check_source(pipeline.ledger, pipeline.drive, opened(pipeline))


def test_what_the_pipeline_made_is_found_to_be_right(audited: Audited, pipeline: Pipeline) -> None:
    assert source_differences(pipeline) == []
    assert blob_differences(pipeline) == []
    found = compared(audited)
    one_chunk = RULES | {"chunk_size": 5 * RULES["chunk_size"]}
    importance = audited.feed.folder / "CustomerImportance.csv"
    at_end = {row[1:] for row in expected(audited.feed.transactions, importance, one_chunk) if row[0] == 1}
    stored = pipeline.connection.execute(
        "select pattern_id, action_type, customer, merchant, still_holds, audited_chunk from ledger.detection"
    ).fetchall()
    assert {row[:4] for row in stored if row[4]} == {row[:4] for row in stored} & at_end
    assert {row[4:] for row in stored} == {(True, 5), (False, 5)}, "some rules still hold, some do not"
    assert sum(counts["detections"] for counts in found.values()) == len(stored)
    assert sum(counts["still_hold"] for counts in found.values()) == sum(row[4] for row in stored)
    pipeline.ledger.run("delete_stale_staging")
    for table in (*SPARK_STAGED, "audited_pair", "audited_merchant"):
        assert pipeline.connection.execute(f"select count(*) from ledger.{table}").fetchone() == (0,)


@pytest.mark.parametrize(
    ("tampering", "message"),
    [
        (
            "update ledger.pair_total set amount = amount + 0.01 where (merchant, customer) in "
            "(select merchant, customer from ledger.pair_total order by 1, 2 limit 1)",
            r"one difference: customer of merchant 'M\d+', 'C\d+': the ledger has \d+ transactions, amount .*recomputed: \d+",
        ),
        ("update ledger.merchant_total set female = female + 1", r"differences: merchant 'M\d+': the ledger has .* female"),
        (
            "delete from ledger.detection where ordinal = 2",
            r"one difference: detection PatId\d .*: the ledger has nothing, recomputed: \w+ at chunk 1",
        ),
        (
            "alter table ledger.detection drop constraint detection_pkey; "
            "insert into ledger.detection select feed_id, pattern_id, merchant, customer, action_type, chunk, 1000, batch_id, "
            "detected_at from ledger.detection where ordinal = 2",
            r"one difference: detection PatId\d .* at chunk 1, 2 times, recomputed",
        ),
        ("update ledger.detection set chunk = 3 where ordinal = 1", "one difference: .* at chunk 3, recomputed: .* at chunk 1"),
        (
            """update ledger.detection set evidence = evidence || '{"transactions": 1}' where ordinal = """
            "(select min(ordinal) from ledger.detection where pattern_id = 'PatId2')",
            """one difference: evidence of detection PatId2 .* the ledger has {.*"transactions": 1, .*recomputed: {""",
        ),
        ("update ledger.weight set weight = weight + 0.5", r"differences: weight 'M\d+'"),
        (
            "update ledger.ranked_total set customers = customers + 1 where (merchant, transactions) in "
            "(select merchant, transactions from ledger.ranked_total order by 1, 2 limit 1)",
            r"one difference: customers with \d+ transactions 'M\d+': the ledger has \d+, recomputed: \d+",
        ),
        (
            "update ledger.pair_total set weight = weight + 1 where (merchant, customer) in "
            "(select merchant, customer from ledger.pair_total where weight is not null order by 1, 2 limit 1)",
            r"one difference: weight kept with a customer of merchant 'M\d+', 'C\d+': the ledger has",
        ),
    ],
    ids=[
        "a cent",
        "a gender count",
        "a missing detection",
        "a duplicated detection",
        "another chunk",
        "other evidence",
        "weights",
        "a place",
        "a weight kept twice",
    ],
)
def test_a_ledger_that_was_tampered_with(audited: Audited, pipeline: Pipeline, tampering: str, message: str) -> None:
    pipeline.connection.execute(tampering)
    with pytest.raises(AuditError, match=message) as error:
        compared(audited)
    assert "feed audited, chunks 1 to 5, state and detections: " in str(error.value)
    row = pipeline.connection.execute("select max(batch_id) from ledger.batch").fetchone()
    assert row is not None
    with pytest.raises(AuditError) as again:  # the task is run again: it finds the verdict
        audit.compare_state(pipeline.ledger, row[0])
    assert str(again.value) == str(error.value)


def test_blobs_that_were_tampered_with(pipeline: Pipeline) -> None:
    blobs, connection = pipeline.blobs, pipeline.connection
    chunk, file = "chunks/audited/chunk-000002.csv", "detections/audited/detections-000001.csv"
    blobs.write(chunk, blobs.read(chunk).replace(b"'es_", b"'eS_", 1))
    blobs._hook.delete_file(blobs.container, file)
    blobs._hook.delete_file(blobs.container, "rejects/audited/chunk-000001.csv")
    blobs.write("detections/audited/detections-000099.csv", b"a file that nobody knows")
    blobs.write("importance/audited/CustomerImportance-000001.csv", b"Source,Target,Weight,typeTrans\n")
    found = blob_differences(pipeline)
    assert [" ".join(text.split()[:6]) for text in found] == [
        "importance part 1: blob importance/audited/CustomerImportance-000001.csv has",
        "rejected rows of chunk 1: blob",
        "chunk 2: blob chunks/audited/chunk-000002.csv has SHA-256",
        "file 1: blob detections/audited/detections-000001.csv does not",
        "blob detections/audited/detections-000099.csv is no file of",
    ]
    with pytest.raises(AuditError, match="feed audited, chunks 1 to 5, blobs: 5 differences: importance part 1"):
        audit.refuse(opened(pipeline), "blobs", found)
    connection.execute("update ledger.detection_file set first_ordinal = first_ordinal - 1 where file_number = 2")
    assert any("holds detections 7 to 14; 8 is the next one" in text for text in blob_differences(pipeline))


def test_a_file_row_that_was_changed_in_the_ledger(pipeline: Pipeline) -> None:
    pipeline.connection.execute("update ledger.detection set detected_at = detected_at - interval '1 hour' where ordinal = 1")
    (difference,) = blob_differences(pipeline)
    assert "was not written from the detections 1 to 7 that the ledger has now" in difference


def test_a_source_that_was_changed(pipeline: Pipeline) -> None:
    path = pipeline.services.drive_root / "audited" / "transactions.csv"
    source = path.read_bytes()
    path.write_bytes(source.replace(b"'es_", b"'eS_", 1))
    (difference,) = source_differences(pipeline)
    assert difference.startswith("chunk 1: SHA-256 of its source is ")
    path.write_bytes(source[:100_000])
    assert "ends at byte" in source_differences(pipeline)[-1]


def test_chunks_that_were_changed_in_the_ledger(pipeline: Pipeline) -> None:
    pipeline.connection.execute("update ledger.chunk set landed_rows = 499 where chunk = 4")
    assert source_differences(pipeline) == ["chunk 4: rows landed is 499 in the ledger, 500 on Drive"]
    pipeline.connection.execute("update ledger.chunk set landed_rows = 500, byte_start = byte_start + 1 where chunk = 4")
    assert source_differences(pipeline)[0].startswith("chunk 4 should start at byte ")


def test_rows_behind_the_end(pipeline: Pipeline) -> None:
    pipeline.connection.execute("update ledger.feed set exhausted_size = source_size")
    assert source_differences(pipeline) == ["500 rows of transactions.csv behind chunk 5 have not landed"]


def test_an_audit_without_its_job(pipeline: Pipeline) -> None:
    ledger, first = pipeline.ledger, opened(pipeline)
    with pytest.raises(BatchError, match="its job did not finish"):
        audit.compare_state(ledger, first["batch_id"])
    opened(pipeline)
    with pytest.raises(AuditError, match="another audit was started"):
        audit.compare_state(ledger, first["batch_id"])


def test_a_feed_without_applied_chunks(ledger: Ledger) -> None:
    with pytest.raises(BatchError, match="feed nothing is not in the ledger"):
        audit.open_audit(ledger, "nothing")


def test_a_feed_goes_on_and_is_rebuilt_while_it_is_audited(
    spark_services: Addresses, connection: Connection, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, small: Small
) -> None:
    # Empties the ledger that the tests above share: it stays the last one.
    pipeline = Pipeline(spark_services, connection, drive, blobs)
    feed = make_feed("goes-on", small[0].read_bytes(), small[1].read_bytes())
    pipeline.run(feed, last=4, **RULES)
    batch = opened(pipeline, "goes-on")
    pipeline.run(feed)
    pipeline.detect(batch["batch_id"])
    audit.compare_state(pipeline.ledger, batch["batch_id"])
    audited = connection.execute("select max(chunk) filter (where still_holds is not null), max(chunk) from ledger.detection")
    assert audited.fetchone() == (4, 6)

    batch = opened(pipeline, "goes-on")
    pipeline.rebuild("goes-on", child_min_transactions=4)
    with pytest.raises(AuditError, match="the feed was rebuilt while it was audited"):
        audit.compare_state(pipeline.ledger, batch["batch_id"])
    batch = opened(pipeline, "goes-on")
    pipeline.detect(batch["batch_id"])
    assert audit.compare_state(pipeline.ledger, batch["batch_id"]), "after a rebuild the ledger is what the chunks give"
    assert blob_differences(pipeline, "goes-on") == []


def test_a_comparison_waits_for_who_is_about_to_close_the_audit(
    services: Addresses, connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    land(ledger, drive, blobs, make_feed("closed", HEADER + rows(100)).request(chunk_size=100))
    applied(connection, ledger, "closed", 1, detections=1)
    batch_id = audit.open_audit(ledger, "closed")["batch_id"]
    connection.execute("insert into ledger.staged_batch values (%s, 's')", [batch_id])

    def compare() -> str:
        with psycopg.connect(services.ledger_dsn) as own, pytest.raises(AuditError) as error:
            audit.compare_state(Ledger(own), batch_id)
        return str(error.value)

    with ThreadPoolExecutor(1) as threads:
        with ledger.transaction():
            lock_feed(ledger, "closed")
            comparison = threads.submit(compare)
            deadline = time.monotonic() + 30
            while not connection.execute("select from pg_locks where not granted").fetchall():
                assert time.monotonic() < deadline
            ledger.run("close_batch", batch_id=batch_id, reason="another audit was started")
        assert comparison.result() == "another audit was started"
