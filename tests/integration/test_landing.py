"""Mechanism X against the Drive stand-in, Azurite and PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest

from feeds.blob_names import importance_blob
from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.errors import FeedSettingsError, SourceChangedError, SourceFormatError
from feeds.landing import land
from feeds.ledger import Ledger
from feeds.source import COLUMNS
from local.config import Addresses
from tests.conftest import FeedFiles

HEADER = (",".join(COLUMNS) + "\n").encode()
MakeFeed = Callable[..., FeedFiles]


def rows(count: int, start: int = 0) -> bytes:
    return b"".join(
        f"{n // 50},'C{n % 97}','4','F','28007','M{n % 7}','28007','es_food',{n % 90}.{n % 100:02},0\n".encode()
        for n in range(start, start + count)
    )


def chunk_rows(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select chunk, byte_start, byte_end, landed_rows, rejected_rows, source_sha256, blob_sha256 "
        "from ledger.chunk order by chunk"
    ).fetchall()


def all_applied(connection: psycopg.Connection[Any]) -> None:
    """Let nothing that has landed wait for its batch, as between two good runs."""
    connection.execute(
        "with made as (insert into ledger.batch (feed_id, first_chunk, last_chunk, applied_at) "
        "select feed_id, min(chunk), max(chunk), now() from ledger.chunk where batch_id is null group by feed_id "
        "returning batch_id) update ledger.chunk set batch_id = made.batch_id from made where chunk.batch_id is null"
    )


def test_lands_the_source_byte_for_byte(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    source = HEADER + rows(2_345)
    feed = make_feed("exact", source)
    result = land(ledger, drive, blobs, feed.request(chunk_size=1000))
    assert result == {"feed": "exact", "landed": 3, "applied": 0, "new_chunks": 3}
    landed = [blobs.read(f"chunks/exact/chunk-{k:06d}.csv") for k in (1, 2, 3)]
    assert all(blob.startswith(HEADER) for blob in landed)
    assert HEADER + b"".join(blob.removeprefix(HEADER) for blob in landed) == source
    stored = chunk_rows(connection)
    assert [row[3] for row in stored] == [1000, 1000, 345]
    assert [row[6] for row in stored] == [hashlib.sha256(blob).hexdigest() for blob in landed]
    assert blobs.read(importance_blob("exact", 1)) == (feed.folder / "CustomerImportance.csv").read_bytes()


def test_a_second_run_lands_nothing(ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed) -> None:
    feed = make_feed("twice", HEADER + rows(250))
    assert land(ledger, drive, blobs, feed.request(chunk_size=100))["new_chunks"] == 3
    assert land(ledger, drive, blobs, feed.request())["new_chunks"] == 0


def test_drive_serves_little_more_than_the_file_one_chunk_a_run(
    services: Addresses, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    source = HEADER + rows(40_000)
    feed = make_feed("bytes", source)
    httpx.post(f"{services.drive_url}/standin/served/reset").raise_for_status()
    for last in range(1, 21):
        land(ledger, drive, blobs, feed.request(last=last, chunk_size=2000))
    served = httpx.get(f"{services.drive_url}/standin/served").json()
    (transactions,) = (entry for entry in served.values() if entry["name"] == "transactions.csv")
    assert transactions["bytes"] <= 1.05 * len(source)


def test_only_what_is_due_lands(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("paced", HEADER + rows(500))
    paced = {"chunk_size": 100, "interval_seconds": 3600}
    assert land(ledger, drive, blobs, feed.request(**paced))["landed"] == 1
    connection.execute("update ledger.feed set started_at = started_at - interval '2 hours'")
    assert land(ledger, drive, blobs, feed.request(**paced))["landed"] == 3


def test_a_range_lands_before_it_is_due_and_no_further(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("range", HEADER + rows(500))
    paced = {"chunk_size": 100, "interval_seconds": 3600}
    assert land(ledger, drive, blobs, feed.request(last=3, **paced))["landed"] == 3
    assert land(ledger, drive, blobs, feed.request(first=4, last=4, **paced))["landed"] == 4


def test_other_settings_are_refused(ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed) -> None:
    feed = make_feed("settings", HEADER + rows(10))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    with pytest.raises(FeedSettingsError, match="chunk_size is 100, the run asks for 50"):
        land(ledger, drive, blobs, feed.request(chunk_size=50))


def test_a_grown_file_goes_on_and_the_short_chunk_stays(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("grows", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    before = chunk_rows(connection)
    feed.transactions.write_bytes(HEADER + rows(400))
    assert land(ledger, drive, blobs, feed.request())["landed"] == 5
    after = chunk_rows(connection)
    assert after[:3] == before
    assert [row[3] for row in after] == [100, 100, 50, 100, 50]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (HEADER + rows(99) + rows(1, 5000) + rows(300, 100), r"chunk 1 \(bytes .*\) had SHA-256 \w{64}, it has \w{64} now"),
        (HEADER + rows(100), "it has .* bytes now, .* have landed"),
        (HEADER.replace(b"step", b"Step") + rows(400), "its header differs"),
    ],
)
def test_a_changed_file_lands_nothing(
    connection: psycopg.Connection[Any],
    ledger: Ledger,
    drive: DriveHook,
    blobs: Blobs,
    make_feed: MakeFeed,
    new: bytes,
    message: str,
) -> None:
    feed = make_feed("changed", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    before = chunk_rows(connection)
    all_applied(connection)
    feed.transactions.write_bytes(new)
    with pytest.raises(SourceChangedError, match=message):
        land(ledger, drive, blobs, feed.request())
    assert chunk_rows(connection) == before


def test_rejected_rows_are_kept_and_counted(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    bad = b"0,'C1','4','F','28007','M1','28007','es_food',-3,0\n"
    feed = make_feed("rejects", HEADER + rows(50) + bad + rows(49))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    assert [row[3:5] for row in chunk_rows(connection)] == [(99, 1)]
    assert blobs.read("chunks/rejects/chunk-000001.csv") == HEADER + rows(50) + rows(49)
    assert blobs.read("rejects/rejects/chunk-000001.csv").decode() == (
        "line,reason,row\n52,negative amount,\"0,'C1','4','F','28007','M1','28007','es_food',-3,0\"\n"
    )


def test_no_feed_starts_on_what_is_no_transactions_file(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("html", b"<!DOCTYPE html><html>\n</html>\n")
    with pytest.raises(SourceFormatError, match="is it a web page"):
        land(ledger, drive, blobs, feed.request())
    assert connection.execute("select count(*) from ledger.feed").fetchone() == (0,)


def test_importance_without_a_needed_column_is_refused_before_a_chunk_lands(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("noweight", HEADER + rows(10), b"Source,Target,typeTrans,fraud\n")
    with pytest.raises(SourceFormatError, match="the header lacks Weight"):
        land(ledger, drive, blobs, feed.request())
    assert chunk_rows(connection) == []


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_file_without_a_last_line_end_may_grow(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, ending: bytes
) -> None:
    source = HEADER + rows(50).removesuffix(b"\n")
    feed = make_feed("noend", source)
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    feed.transactions.write_bytes(source + ending + rows(30))
    assert land(ledger, drive, blobs, feed.request())["landed"] == 2
    assert [row[3] for row in chunk_rows(connection)] == [50, 30]


def test_a_last_row_that_goes_on_is_a_changed_file(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    source = HEADER + rows(50).removesuffix(b"\n")
    feed = make_feed("goeson", source)
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    all_applied(connection)
    feed.transactions.write_bytes(source + b"7\n" + rows(30))
    with pytest.raises(SourceChangedError, match="its last line had no end when it landed, and goes on now"):
        land(ledger, drive, blobs, feed.request())


def test_a_flush_lands_nothing_of_a_feed_that_nobody_follows(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("flush", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(last=1, chunk_size=100))
    assert land(ledger, drive, blobs, replace(feed.request(), flush=True))["landed"] == 1
    assert not (ledger.row("select_feed", feed="flush") or {})["followed"]
