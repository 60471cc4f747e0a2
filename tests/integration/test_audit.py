"""The audit: green on what the pipeline made, and red, by name, on everything that was tampered with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from feeds import audit
from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.errors import AuditError, BatchError
from feeds.ledger import Ledger, Row
from local.config import Addresses
from tests import reference
from tests.conftest import RULES, FeedFiles
from tests.integration.pipeline import Pipeline

MakeFeed = Callable[..., FeedFiles]
Small = tuple[Path, Path]
Connection = psycopg.Connection[Any]


@pytest.fixture
def pipeline(
    spark_services: Addresses, connection: Connection, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, small: Small
) -> Pipeline:
    """Give a feed called `audited`: 5 of its 6 chunks are applied, and the first has a rejected row."""
    pipeline = Pipeline(spark_services, connection, drive, blobs)
    header, *rows = small[0].read_bytes().splitlines(keepends=True)
    source = b"".join([header, rows[0].replace(b"'M", b"'", 1).rstrip() + b",,\n", *rows[1:]])
    pipeline.run(make_feed("audited", source, small[1].read_bytes()), last=5, **RULES)
    return pipeline


def opened(pipeline: Pipeline) -> Row:
    """Open an audit, and give its batch as the tasks see it."""
    batch_id = audit.open_audit(pipeline.ledger, "audited")["batch_id"]
    batch = pipeline.ledger.row("select_batch", batch_id=batch_id)
    assert batch is not None
    return batch


def compared(pipeline: Pipeline) -> dict[str, Any]:
    batch = opened(pipeline)
    pipeline.detect(batch["batch_id"])
    return audit.compare_state(pipeline.ledger, batch["batch_id"])


def blob_differences(pipeline: Pipeline) -> list[str]:
    return audit.check_blobs(pipeline.ledger, pipeline.blobs, opened(pipeline))


def source_differences(pipeline: Pipeline) -> list[str]:
    return audit.check_source(pipeline.ledger, pipeline.drive, opened(pipeline))


def test_what_the_pipeline_made_is_found_to_be_right(pipeline: Pipeline) -> None:
    assert source_differences(pipeline) == []
    assert blob_differences(pipeline) == []
    found = compared(pipeline)
    folder = pipeline.services.drive_root / "audited"
    transactions, importance = folder / "transactions.csv", folder / "CustomerImportance.csv"
    at_end = {
        (d.pattern_id, d.customer, d.merchant)
        for d in reference.detect(transactions, importance, RULES | {"chunk_size": 5 * RULES["chunk_size"]})
        if d.chunk == 1
    }
    stored = pipeline.connection.execute(
        "select pattern_id, customer, merchant, still_holds, audited_chunk from ledger.detection"
    ).fetchall()
    assert {row[:3] for row in stored if row[3]} == {row[:3] for row in stored} & at_end
    assert {row[4] for row in stored} == {5}
    assert len({row[3] for row in stored}) == 2, "some rules still hold, some do not"
    assert sum(counts["detections"] for counts in found.values()) == len(stored)
    assert sum(counts["still_hold"] for counts in found.values()) == sum(row[3] for row in stored)
    pipeline.ledger.run("delete_stale_staging")
    for table in ("staged_batch", "staged_pair", "staged_holding", "audited_pair", "audited_merchant"):
        assert pipeline.connection.execute(f"select count(*) from ledger.{table}").fetchone() == (0,)


def test_the_feed_goes_on_while_it_is_audited(pipeline: Pipeline) -> None:
    batch = opened(pipeline)
    feed = FeedFiles("audited", pipeline.services.drive_root / "audited", "")
    pipeline.run(feed, last=6)
    pipeline.detect(batch["batch_id"])
    audit.compare_state(pipeline.ledger, batch["batch_id"])
    assert pipeline.detections("audited")[-1][0] == 6
    unaudited = pipeline.connection.execute("select distinct chunk from ledger.detection where still_holds is null").fetchall()
    assert unaudited == [(6,)]
    assert compared(pipeline)


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
        ("update ledger.weight set weight = weight + 0.5", r"differences: weight 'M\d+'"),
    ],
    ids=["a cent", "a gender count", "a missing detection", "a duplicated detection", "another chunk", "weights"],
)
def test_a_ledger_that_was_tampered_with(pipeline: Pipeline, tampering: str, message: str) -> None:
    pipeline.connection.execute(tampering)
    batch = opened(pipeline)
    pipeline.detect(batch["batch_id"])
    for _ in range(2):  # the task is run again: it finds the verdict
        with pytest.raises(AuditError, match=message) as error:
            audit.compare_state(pipeline.ledger, batch["batch_id"])
        assert "feed audited, chunks 1 to 5, state and detections: " in str(error.value)


def test_blobs_that_were_tampered_with(pipeline: Pipeline) -> None:
    blobs, connection = pipeline.blobs, pipeline.connection
    chunk, file = "chunks/audited/chunk-000002.csv", "detections/audited/detections-000001.csv"
    blobs.write(chunk, blobs.read(chunk).replace(b"'es_", b"'eS_", 1))
    blobs._hook.delete_file(blobs.container, file)
    blobs._hook.delete_file(blobs.container, "rejects/audited/chunk-000001.csv")
    blobs.write("detections/audited/detections-000099.csv", b"a file that nobody knows")
    blobs.write("importance/audited/CustomerImportance.csv", b"Source,Target,Weight,typeTrans\n")
    found = blob_differences(pipeline)
    assert [" ".join(text.split()[:6]) for text in found] == [
        "importance file: blob importance/audited/CustomerImportance.csv has SHA-256",
        "chunk 1: blob rejects/audited/chunk-000001.csv does not",
        "chunk 2: blob chunks/audited/chunk-000002.csv has SHA-256",
        "file 1: blob detections/audited/detections-000001.csv does not",
        "blob detections/audited/detections-000099.csv is no file",
    ]
    with pytest.raises(AuditError, match="feed audited, chunks 1 to 5, blobs: 5 differences: importance file"):
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


def test_an_audit_without_its_job(pipeline: Pipeline, ledger: Ledger) -> None:
    first = opened(pipeline)
    with pytest.raises(BatchError, match="its job did not finish"):
        audit.compare_state(ledger, first["batch_id"])
    opened(pipeline)
    with pytest.raises(AuditError, match="another audit was started"):
        audit.compare_state(ledger, first["batch_id"])


def test_a_rebuild_ends_an_audit(pipeline: Pipeline) -> None:
    batch = opened(pipeline)
    pipeline.rebuild("audited", child_min_transactions=4)
    with pytest.raises(AuditError, match="the feed was rebuilt while it was audited"):
        audit.compare_state(pipeline.ledger, batch["batch_id"])
    compared(pipeline)  # after a rebuild the ledger is what the chunks give
    assert blob_differences(pipeline) == []


def test_a_feed_without_applied_chunks(ledger: Ledger) -> None:
    with pytest.raises(BatchError, match="feed nothing is not in the ledger"):
        audit.open_audit(ledger, "nothing")
