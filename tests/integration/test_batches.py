"""The batch that a run takes: what is written before it, and which chunks it takes when nobody asked for the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from feeds.batches import take_batch
from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.forms import trigger_params
from feeds.landing import land
from feeds.ledger import Ledger, Row
from feeds.params import request_from
from tests.conftest import FeedFiles
from tests.integration.test_commit_and_export import applied
from tests.integration.test_landing import HEADER, rows

Connection = psycopg.Connection[Any]
TakeBatch = Callable[..., Row | None]
WRITTEN = ["detections/f/detections-000001.csv"]


@pytest.fixture
def take(ledger: Ledger, blobs: Blobs) -> TakeBatch:
    """Take the batch for what somebody asks for; for nothing, as a scheduled run."""

    def run(**asked: Any) -> Row | None:
        params = {name: param.value for name, param in trigger_params().items()} | asked
        return take_batch(ledger, blobs, request_from(params, asked, "f"))

    return run


@pytest.fixture
def lingering(connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: Callable[..., FeedFiles]) -> str:
    """Give a feed of three landed chunks that nobody follows, the first applied, with two detections that have lingered."""
    land(ledger, drive, blobs, make_feed("f", HEADER + rows(350)).request(last=3, chunk_size=100))
    applied(connection, ledger, "f", 1, detections=2)
    connection.execute("update ledger.detection set detected_at = detected_at - interval '61 seconds'")
    return "f"


def files(connection: Connection) -> list[str]:
    query = "select blob_name from ledger.detection_file where uploaded_at is not null order by file_number"
    return [name for (name,) in connection.execute(query)]


def test_what_is_due_is_written_before_what_has_failed_is_tried_again(
    connection: Connection, ledger: Ledger, lingering: str, take: TakeBatch
) -> None:
    take(feed="f")
    assert files(connection) == [], "nothing has failed: the last task writes it"
    ledger.run("record_failure", feed="f")
    take(feed="f")
    assert files(connection) == WRITTEN


def test_a_rebuild_finds_what_waits_for_a_file_still_waiting(
    connection: Connection, ledger: Ledger, lingering: str, take: TakeBatch
) -> None:
    ledger.run("record_failure", feed="f")
    take(feed="f", rebuild=True)
    assert files(connection) == []
    take()
    assert files(connection) == [], "the rebuild is open"


def test_a_file_that_cannot_be_written_stops_no_batch(
    connection: Connection, ledger: Ledger, lingering: str, take: TakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_args: Any) -> None:
        raise OSError("the blob is leased")

    monkeypatch.setattr(Blobs, "write", refused)
    ledger.run("record_failure", feed="f")
    assert last_chunk(take(feed="f")) == 3
    assert files(connection) == []


def test_a_scheduled_run_takes_no_chunk_that_nobody_asked_for(
    lingering: str, take: TakeBatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert take() is None
    assert "nobody follows the feed, and no range behind chunk 1 was asked for" in caplog.text
    assert last_chunk(take(feed="f", last_chunk=2)) == 2
    assert last_chunk(take()) == 2, "it is open"


def last_chunk(batch: Row | None) -> int:
    assert batch is not None
    return int(batch["last_chunk"])
