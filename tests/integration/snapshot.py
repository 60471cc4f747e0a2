"""What a feed has come to: ledger, state and the bytes of every blob, in a form in which two runs can be compared.

Times are left out, and numbers that the database has drawn (``feed_id``, ``batch_id``) stand as what they point to: a batch as
its range of chunks. Everything else stays: ordinals, chunk numbers, ranges, checksums, names. So two feeds are alike when their
snapshots are equal; those that were cut into different batches, when their snapshots without ``GROUPING`` are.
"""

from __future__ import annotations

import csv
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import psycopg
from azure.storage.blob import BlobServiceClient
from psycopg.rows import dict_row

from feeds.blobs import Blobs
from feeds.export import ist

GROUPING = ("batches", "detection_files", "chunks_of_batches", "detection_blobs")
"""Parts that depend on which chunks a batch took, and when a rest was written."""

KINDS = ("chunks", "rejects", "importance", "detections")
STAGING = ("batch", "chunk", "weight", "pair", "detection", "holding")

PARTS = {
    "chunks": "select to_jsonb(k) - '{feed_id,batch_id,landed_at,run_id}'::text[] from ledger.chunk k where feed_id = %s "
    "order by chunk",
    "chunks_of_batches": "select chunk, first_chunk, last_chunk from ledger.chunk k left join ledger.batch b using (batch_id) "
    "where k.feed_id = %s order by chunk",
    "batches": "select first_chunk, last_chunk, applied_at is not null, staged_at < applied_at, exported_at > applied_at, "
    "last_error from ledger.batch where feed_id = %s order by first_chunk",
    "merchants": "select merchant, transactions, female, male from ledger.merchant_total where feed_id = %s order by merchant",
    "ranks": "select merchant, transactions, customers from ledger.ranked_total where feed_id = %s order by 1, 2",
    "pairs": "select merchant, customer, transactions, amount, seen_female, seen_male, weight from ledger.pair_total "
    "where feed_id = %s order by merchant, customer",
    "weights": "select merchant, customer, weight from ledger.weight where feed_id = %s order by merchant, customer",
    "detections": "select ordinal, chunk, pattern_id, action_type, customer, merchant from ledger.detection "
    "where feed_id = %s order by ordinal",
    "evidence": "select ordinal, evidence from ledger.detection where feed_id = %s order by ordinal",
    "detection_files": "select file_number, first_ordinal, last_ordinal, blob_name, uploaded_at is not null "
    "from ledger.detection_file where feed_id = %s order by file_number",
}
FEED = (
    "select to_jsonb(f) - '{feed_id,feed,started_at,checked_at,hold_until,backfill_to,backfill_chunks}'::text[] "
    "from ledger.feed f where feed_id = %s",  # without times, and what a run asked for last
    "select detected_at from ledger.detection where feed_id = %s order by ordinal",
)


def snapshot(connection: psycopg.Connection[Any], blobs: Blobs, feed: str) -> dict[str, Any]:
    """Give what the feed has come to, part by part.

    Raises
    ------
    AssertionError
        A blob is not the one of the ledger's checksum, or a detection file has other times than the ledger.
    """
    row = connection.execute("select feed_id, started_at from ledger.feed where feed = %s", [feed]).fetchone()
    assert row is not None, f"feed {feed} is not in the ledger"
    feed_id, started_at = row
    parts: dict[str, Any] = {name: connection.execute(query, [feed_id]).fetchall() for name, query in PARTS.items()}
    parts["feed"] = connection.execute(FEED[0], [feed_id]).fetchall()
    parts["staged"] = {name: n for name in STAGING if (n := _staged(connection, name, feed_id))}
    stored = stored_blobs(blobs, feed)
    parts["blobs"] = {name: data for name, data in stored.items() if not name.startswith("detections/")}
    _check_sums(connection, stored, feed_id)
    parts["detection_blobs"] = {name: _rows(data)[1:] for name, data in stored.items() if name.startswith("detections/")}
    detected = [moment for (moment,) in connection.execute(FEED[1], [feed_id]).fetchall()]
    parts["exported"] = [row for name in sorted(parts["detection_blobs"]) for row in parts["detection_blobs"][name]]
    assert [row[:2] for row in parts["exported"]] == [[ist(started_at), ist(m)] for m in detected[: len(parts["exported"])]]
    parts["exported"] = [row[2:] for row in parts["exported"]]
    parts["detection_blobs"] = {name: [row[2:] for row in rows] for name, rows in parts["detection_blobs"].items()}
    return {name: _unnamed(part, feed) for name, part in parts.items()}


def stored_blobs(blobs: Blobs, feed: str) -> dict[str, bytes]:
    """Give the bytes of every blob that a feed has, whatever the ledger says."""
    service = cast("BlobServiceClient", blobs._hook.blob_service_client)
    container = service.get_container_client(blobs.container)

    def of_kind(kind: str) -> dict[str, bytes]:
        return {name: blobs.read(name) for name in container.list_blob_names(name_starts_with=f"{kind}/{feed}/")}

    with ThreadPoolExecutor(len(KINDS)) as readers:  # what takes long is to wait for each answer
        return {name: data for found in readers.map(of_kind, KINDS) for name, data in found.items()}


def _staged(connection: psycopg.Connection[Any], name: str, feed_id: int) -> int:
    query = f"select count(*) from ledger.staged_{name} join ledger.batch using (batch_id) where feed_id = %s"
    row = connection.execute(query, [feed_id]).fetchone()
    return 0 if row is None else int(row[0])


def _check_sums(connection: psycopg.Connection[Any], stored: dict[str, bytes], feed_id: int) -> None:
    """Compare every checksum of the ledger with the blob that it is about."""
    query = (
        "select blob_name, blob_sha256 from ledger.chunk where feed_id = %(feed)s union all "
        "select blob_name, blob_sha256 from ledger.detection_file where feed_id = %(feed)s and uploaded_at is not null"
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(query, {"feed": feed_id}).fetchall():
            assert hashlib.sha256(stored[row["blob_name"]]).hexdigest() == row["blob_sha256"], row["blob_name"]


def _rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def _unnamed(part: Any, feed: str) -> Any:
    """Leave the feed's name out of the names of its blobs."""
    if isinstance(part, str):
        return part.replace(f"/{feed}/", "/-/")
    if isinstance(part, dict):
        return {_unnamed(key, feed): _unnamed(value, feed) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_unnamed(item, feed) for item in part]
    return part
