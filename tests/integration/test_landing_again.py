"""Landing once more: blobs that were damaged are written again, and what has landed goes on without a source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from feeds.batches import take_batch
from feeds.blob_names import importance_blob
from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.errors import DriveAccessError, DriveAwayError, SourceFormatError
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger
from local.config import Addresses
from tests.conftest import FeedFiles
from tests.integration.pipeline import commit
from tests.integration.test_commit_and_export import stage
from tests.integration.test_landing import HEADER, all_applied, chunk_rows, rows

MakeFeed = Callable[..., FeedFiles]


@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_a_blob_that_is_not_applied_yet_is_landed_again_when_it_is_damaged(
    services: Addresses, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, damage: str
) -> None:
    bad = b"0,'C1','4','F','28007','M1','28007','es_food',-3,0\n"
    feed = make_feed("repair", HEADER + rows(150) + bad + rows(100))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    name = "chunks/repair/chunk-000002.csv"
    before = blobs.read(name)
    if damage == "altered":
        blobs.write(name, before.replace(b"es_food", b"es_fool", 1))
    else:
        blobs._hook.delete_file(blobs.container, name)
    land(ledger, drive, blobs, feed.request())
    assert blobs.read(name) == before


@pytest.mark.parametrize("tail", [b"", b"\n\n", b"\r\n\n"])
@pytest.mark.parametrize("chunk_size", [100, 50])
def test_the_last_chunk_is_landed_again_with_the_blank_lines_behind_it(
    connection: psycopg.Connection[Any],
    ledger: Ledger,
    drive: DriveHook,
    blobs: Blobs,
    make_feed: MakeFeed,
    tail: bytes,
    chunk_size: int,
) -> None:
    feed = make_feed("tail", HEADER + rows(150) + tail)
    land(ledger, drive, blobs, feed.request(chunk_size=chunk_size))
    before, name = chunk_rows(connection), f"chunks/tail/chunk-{150 // chunk_size + (150 % chunk_size > 0):06}.csv"
    content = blobs.read(name)
    blobs.write(name, b"altered")
    land(ledger, drive, blobs, feed.request())
    assert blobs.read(name) == content
    assert chunk_rows(connection) == before


@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_an_importance_blob_that_is_not_applied_yet_is_landed_again_when_it_is_damaged(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, damage: str
) -> None:
    feed = make_feed("weights", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    name = importance_blob("weights", 1)
    before = blobs.read(name)
    if damage == "altered":
        blobs.write(name, before.replace(b"1.50", b"1.51"))
    else:
        blobs._hook.delete_file(blobs.container, name)
    land(ledger, drive, blobs, feed.request())
    assert blobs.read(name) == before


def test_what_has_landed_goes_on_although_the_file_has_changed(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("drains", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    feed.transactions.write_bytes(HEADER + rows(100))
    outcome = land(ledger, drive, blobs, feed.request())
    assert outcome == {"feed": "drains", "landed": 3, "applied": 0, "new_chunks": 0}
    assert (take_batch(ledger, blobs, feed.request()) or {})["last_chunk"] == 3


def test_a_rest_that_is_due_is_written_although_the_file_is_gone(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("rest", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100, interval_seconds=3600))
    all_applied(connection)
    insert = "insert into ledger.detection select feed_id, 'PatId2', 'M1', 'C1', 'CHILD', 1, 1, batch_id, now() - %s::interval"
    connection.execute(f"{insert} from ledger.batch", ["59 seconds"])
    feed.transactions.unlink()
    with pytest.raises(DriveAccessError):
        land(ledger, drive, blobs, feed.request(interval_seconds=3600))
    connection.execute("update ledger.detection set detected_at = now() - interval '61 seconds'")
    assert land(ledger, drive, blobs, feed.request(interval_seconds=3600))["new_chunks"] == 0
    assert take_batch(ledger, blobs, feed.request(interval_seconds=3600)) is None
    assert export_detections(ledger, blobs, "rest", flush=False) == ["detections/rest/detections-000001.csv"]


def test_what_has_landed_goes_on_although_what_comes_next_cannot_be_read(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("feeds.chunks.BLOCK_BYTES", 1_000)
    monkeypatch.setattr("feeds.records.MAX_LINE_BYTES", 4_000)
    feed = make_feed("binary", HEADER + rows(250) + b"x" * 9_000)
    assert land(ledger, drive, blobs, feed.request(chunk_size=100)) == {
        "feed": "binary", "landed": 2, "applied": 0, "new_chunks": 2,
    }  # fmt: skip
    with pytest.raises(SourceFormatError, match="a line is longer"):  # somebody asks for what cannot land
        land(ledger, drive, blobs, feed.request(last=3))
    batch = take_batch(ledger, blobs, feed.request())
    assert batch is not None
    stage(connection, batch)
    commit(batch["batch_id"])
    with pytest.raises(SourceFormatError, match="a line is longer"):  # nothing is left
        land(ledger, drive, blobs, feed.request())


def test_a_range_that_cannot_land_fails_although_something_is_left_to_apply(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("range", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(last=2, chunk_size=100))
    feed.transactions.unlink()
    assert land(ledger, drive, blobs, feed.request(last=2))["landed"] == 2
    for asked in (feed.request(last=3), feed.request(first=2)):
        with pytest.raises(DriveAccessError):
            land(ledger, drive, blobs, asked)


def test_a_range_that_has_landed_as_far_as_it_is_due_is_applied_without_a_source(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("open", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100, interval_seconds=3600))
    feed.transactions.unlink()
    assert land(ledger, drive, blobs, feed.request(first=1, interval_seconds=3600))["landed"] == 1
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour'")
    with pytest.raises(DriveAccessError):
        land(ledger, drive, blobs, feed.request(first=1, interval_seconds=3600))


def test_what_has_landed_goes_on_although_drive_is_away(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = make_feed("away", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(last=2, chunk_size=100))

    def away(_file_id: str) -> None:
        raise DriveAwayError("Drive does not give file 1")

    monkeypatch.setattr(drive, "get_revision", away)
    assert land(ledger, drive, blobs, feed.request())["landed"] == 2
    assert (take_batch(ledger, blobs, feed.request()) or {})["last_chunk"] == 2
    assert (ledger.row("select_feed", feed="away") or {})["followed"], "what the run asked for is kept for the next ones"
