"""Ranges of chunks: in one batch or in several, ahead of what is due, applied already, with a gap, beyond the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from feeds import batch_size
from feeds.blobs import Blobs
from feeds.detection import open_batch, why_nothing
from feeds.drive import DriveHook
from feeds.errors import ChunkGapError, RejectLimitError
from feeds.landing import land
from feeds.ledger import Ledger
from tests.conftest import FeedFiles
from tests.integration.pipeline import commit
from tests.integration.test_commit_and_export import applied, stage
from tests.integration.test_due_feed import due
from tests.integration.test_landing import HEADER, rows

MakeFeed = Callable[..., FeedFiles]
Connection = psycopg.Connection[Any]
PACED = {"chunk_size": 100, "interval_seconds": 3600}


def batches(connection: Connection) -> list[tuple[int, int]]:
    return connection.execute("select first_chunk, last_chunk from ledger.batch order by first_chunk").fetchall()


def test_a_range_in_batches_of_a_chosen_size(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("sized", HEADER + rows(900))
    land(ledger, drive, blobs, feed.request(first=1, last=7, **PACED))
    batch = open_batch(ledger, "sized", 1, 7, batch_chunks=3)  # the run that somebody triggered
    while batch is not None:
        stage(connection, batch)
        commit(batch["batch_id"])
        if due(ledger) is None:
            break
        scheduled = replace(feed.request(), settings={}, scheduled=True)
        assert land(ledger, drive, blobs, scheduled)["new_chunks"] == 0
        batch = open_batch(ledger, "sized", None, None)
    assert batches(connection) == [(1, 3), (4, 6), (7, 7)]
    assert (ledger.row("select_feed", feed="sized") or {})["followed"] is False


def test_a_batch_has_a_largest_size_however_much_has_landed(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "MOST_CHUNKS", 2)
    feed = make_feed("long", HEADER + rows(500))
    land(ledger, drive, blobs, feed.request(chunk_size=100))  # followed, all of it due
    while due(ledger) == "long":
        batch = open_batch(ledger, "long", None, None, scheduled=True)
        assert batch is not None
        stage(connection, batch)
        commit(batch["batch_id"])
    assert batches(connection) == [(1, 2), (3, 4), (5, 5)]


@pytest.mark.parametrize(
    ("chunk_size", "chosen", "most"),
    [(10_000, None, 600), (10, None, 600), (1_000_000, None, 6), (7_000_000, None, 1), (10_000, 1500, 1500)],
)
def test_the_largest_batch_is_of_chunks_and_rows(chunk_size: int, chosen: int | None, most: int) -> None:
    assert batch_size.most_chunks({"chunk_size": chunk_size}, chosen) == most


def test_a_range_without_an_end_goes_to_what_has_landed(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("open", HEADER + rows(500))
    land(ledger, drive, blobs, feed.request(first=1, chunk_size=100))
    for first in (1, 3, 5):
        assert due(ledger) is None or first > 1
        batch = open_batch(ledger, "open", *((1, None, 2) if first == 1 else (None, None)))
        assert batch is not None
        stage(connection, batch)
        commit(batch["batch_id"])
    assert batches(connection) == [(1, 2), (3, 4), (5, 5)]
    assert due(ledger) is None


def test_a_later_range_in_one_batch_ends_the_sizes(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("ends", HEADER + rows(900))
    land(ledger, drive, blobs, feed.request(last=6, **PACED))
    batch = open_batch(ledger, "ends", 1, 6, batch_chunks=2)
    assert batch is not None
    stage(connection, batch)
    commit(batch["batch_id"])
    batch = open_batch(ledger, "ends", 3, 6)
    assert batch is not None
    assert (batch["first_chunk"], batch["last_chunk"]) == (3, 6)


def test_a_small_range_within_a_longer_one_leaves_it_alone(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("within", HEADER + rows(900))
    land(ledger, drive, blobs, feed.request(last=6, **PACED))
    for first, last, size in ((1, 6, 2), (1, 2, None), (1, 3, None), (None, None, None)):
        batch = open_batch(ledger, "within", first, last, size)
        if batch is not None:
            stage(connection, batch)
            commit(batch["batch_id"])
    assert batches(connection) == [(1, 2), (3, 3), (4, 5)]
    assert due(ledger) == "within"


def test_the_rest_of_a_range_is_done_when_another_batch_came_first(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("rest", HEADER + rows(900))
    land(ledger, drive, blobs, feed.request(last=3, **PACED))
    assert open_batch(ledger, "rest", 1, 3) is not None
    land(ledger, drive, blobs, feed.request(last=8, **PACED))
    batch = open_batch(ledger, "rest", 1, 8)
    while batch is not None:
        stage(connection, batch)
        commit(batch["batch_id"])
        batch = open_batch(ledger, "rest", None, None) if due(ledger) == "rest" else None
    assert batches(connection) == [(1, 3), (4, 8)]


def test_rows_that_are_rejected_end_a_range_once_with_an_error(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    bad = rows(2, 400).replace(b"es_food',", b"es_food',x")
    feed = make_feed("bad", HEADER + rows(198) + bad + rows(100))
    land(ledger, drive, blobs, feed.request(last=3, chunk_size=100))
    batch = open_batch(ledger, "bad", 1, 3)
    assert batch is not None
    stage(connection, batch)
    commit(batch["batch_id"])
    assert due(ledger) == "bad"
    with pytest.raises(RejectLimitError, match="chunk 2: 2 of 100 rows"):
        open_batch(ledger, "bad", None, None)
    assert due(ledger) is None


def test_work_of_two_feeds_takes_turns(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    old = make_feed("old", HEADER + rows(600))
    land(ledger, drive, blobs, old.request(last=6, chunk_size=100))
    open_batch(ledger, "old", 1, 6, 1)
    live = make_feed("live", HEADER + rows(600))
    land(ledger, drive, blobs, live.request(chunk_size=100))
    open_batch(ledger, "live", 1, 6, 1)
    taken = []
    for _ in range(6):
        name = due(ledger)
        assert name is not None
        taken.append(name)
        batch = open_batch(ledger, name, None, None)
        assert batch is not None
        stage(connection, batch)
        commit(batch["batch_id"])
    assert taken == ["old", "live"] * 3


def test_what_was_begun_is_given_up_after_five_failures(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("fails", HEADER + rows(200))
    land(ledger, drive, blobs, feed.request(last=2, chunk_size=100))
    open_batch(ledger, "fails", 1, 2)
    for failures in range(5):
        assert due(ledger) == "fails", failures
        ledger.run("record_failure", feed="fails")
        connection.execute("update ledger.feed set hold_until = now()")
    assert due(ledger) is None


def test_a_range_ahead_of_time_leaves_the_pace_of_a_followed_feed_alone(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("ahead", HEADER + rows(900))
    land(ledger, drive, blobs, feed.request(**PACED))
    applied(connection, ledger, "ahead", 1, detections=0)
    assert land(ledger, drive, blobs, feed.request(first=2, last=4, **PACED))["landed"] == 4
    applied(connection, ledger, "ahead", 4, detections=0)
    assert due(ledger) is None, "the chunks ahead have come due by being asked for; the next one has not"
    connection.execute("update ledger.feed set started_at = started_at - interval '4 hours'")
    assert due(ledger) == "ahead"
    assert land(ledger, drive, blobs, replace(feed.request(**PACED), scheduled=True))["landed"] == 5


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (1, 3, "nothing to apply: chunks 1 to 3 are applied already, up to chunk 3 all are"),
        (None, 2, "nothing to apply: chunk 2 is applied already, up to chunk 3 all are"),
        (None, None, "nothing to apply: all that has landed is applied, up to chunk 3"),
    ],
)
def test_an_applied_range_says_so(
    connection: Connection,
    ledger: Ledger,
    drive: DriveHook,
    blobs: Blobs,
    make_feed: MakeFeed,
    first: int | None,
    last: int | None,
    message: str,
) -> None:
    feed = make_feed("done", HEADER + rows(300))
    land(ledger, drive, blobs, feed.request(chunk_size=100))
    applied(connection, ledger, "done", 3, detections=0)
    assert land(ledger, drive, blobs, feed.request(first=first, last=last))["new_chunks"] == 0
    assert open_batch(ledger, "done", first, last) is None
    assert why_nothing(ledger, "done", first, last) == message


def test_a_gap_names_the_missing_chunks(ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed) -> None:
    feed = make_feed("gap", HEADER + rows(500))
    with pytest.raises(ChunkGapError, match="chunks 1 to 3 must land before chunk 4"):
        land(ledger, drive, blobs, feed.request(first=4, last=5, chunk_size=100))
    land(ledger, drive, blobs, feed.request(last=4, chunk_size=100))
    with pytest.raises(ChunkGapError, match="chunks 1 to 2 must be applied before chunk 3"):
        open_batch(ledger, "gap", 3, 4)


def test_a_range_beyond_the_end_says_where_the_end_is(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("end", HEADER + rows(500))
    land(ledger, drive, blobs, feed.request(last=9, chunk_size=100))
    with pytest.raises(ChunkGapError, match="feed end ends at chunk 5; chunk 7 does not exist"):
        land(ledger, drive, blobs, feed.request(first=7))


def test_what_was_begun_with_a_feed_that_nobody_follows_is_finished(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed
) -> None:
    feed = make_feed("begun", HEADER + rows(500))
    land(ledger, drive, blobs, feed.request(last=2, chunk_size=100))
    assert due(ledger) is None
    batch = open_batch(ledger, "begun", None, 2)
    assert batch is not None
    assert due(ledger) == "begun", "a batch is open"
    stage(connection, batch, detections=1)
    commit(batch["batch_id"])
    assert due(ledger) is None
    connection.execute("insert into ledger.detection_file select feed_id, 1, 1, 1, 'detections/x' from ledger.feed")
    assert due(ledger) == "begun", "a file is reserved"
